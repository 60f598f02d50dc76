#ifndef REFERRAL_LDAP_PEER_H
#define REFERRAL_LDAP_PEER_H

/* TLS between libldap and a server. libldap's own blocks, so it gets one end of
   a socketpair and knows nothing of TLS; the peer has the other end and the
   socket to the server, and copies bytes between them by Dovecot's
   ssl-iostream. */

struct event;
struct referral_ldap_tls;
struct referral_ldap_peer;

/* TLS is up: "fd" is for libldap, which owns it from now on. Or fd is -1 and
   "error" says why not, without naming the server. */
typedef void referral_ldap_peer_callback_t(int fd, const char *error,
					   void *context);

/* "fd" is connected and becomes the peer's. With starttls TLS is asked for
   first (RFC 4511 section 4.14), else it is spoken from the beginning. The
   callback is called at most once, and not before this returns. The caller has
   the deadline. When the connection is lost later, libldap's end is closed. */
struct referral_ldap_peer *
referral_ldap_peer_init(int fd, const char *host, struct referral_ldap_tls *tls,
			bool starttls, struct event *event,
			referral_ldap_peer_callback_t *callback, void *context);
#define referral_ldap_peer_init(fd, host, tls, starttls, event, \
				callback, context) \
	referral_ldap_peer_init(fd, host, tls, starttls, event, \
		(referral_ldap_peer_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(int, const char *, typeof(context))))
/* May be called from the callback. */
void referral_ldap_peer_deinit(struct referral_ldap_peer **peer);

/* For messages: "waiting for StartTLS" or "in the TLS handshake" */
const char *referral_ldap_peer_doing(const struct referral_ldap_peer *peer);
/* Why the connection was lost, or NULL. */
const char *referral_ldap_peer_error(const struct referral_ldap_peer *peer);

#endif
