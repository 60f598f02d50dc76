#ifndef REFERRAL_LDAP_CONNECTOR_H
#define REFERRAL_LDAP_CONNECTOR_H

/* Gets a connected socket to a server, without ever waiting: its name is
   resolved by Dovecot's dns-client service, and its addresses are tried one
   after the other. */

struct event;
struct referral_ldap_uri;
struct referral_ldap_connector;

/* "fd" is connected, non-blocking and the callback's; or it is -1 and "error"
   says why, without naming the server. */
typedef void referral_ldap_connector_callback_t(int fd, const char *error,
						void *context);

/* The callback is called at most once, and not before this returns. The caller
   has the deadline; no single address is given more than its share of
   timeout_msecs. */
struct referral_ldap_connector *
referral_ldap_connector_init(const struct referral_ldap_uri *uri,
			     const char *base_dir, struct event *event,
			     unsigned int timeout_msecs,
			     referral_ldap_connector_callback_t *callback,
			     void *context);
#define referral_ldap_connector_init(uri, base_dir, event, timeout_msecs, \
				     callback, context) \
	referral_ldap_connector_init(uri, base_dir, event, timeout_msecs, \
		(referral_ldap_connector_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(int, const char *, typeof(context))))
/* May be called from the callback. */
void referral_ldap_connector_deinit(struct referral_ldap_connector **connector);

/* For messages: "connecting" or "looking up its address" */
const char *
referral_ldap_connector_doing(const struct referral_ldap_connector *connector);

#endif
