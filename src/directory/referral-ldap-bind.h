#ifndef REFERRAL_LDAP_BIND_H
#define REFERRAL_LDAP_BIND_H

#include <ldap.h>

/* Says to a server who we are, as the settings want it: by a simple bind, with
   the password read anew each time, or by SASL EXTERNAL or GSSAPI. */

struct referral_ldap_settings;
struct referral_ldap_tickets;
struct referral_ldap_bind;

/* error = NULL: it is done. Does not name the server. */
typedef void referral_ldap_bind_callback_t(const char *error, void *context);

/* "host" is what the server is called in Kerberos. "tickets" is NULL if the
   settings need none. The callback is called at most once, and not before this
   returns. The caller has the deadline. */
struct referral_ldap_bind *
referral_ldap_bind_init(const struct referral_ldap_settings *set, LDAP *ld,
			const char *host, struct referral_ldap_tickets *tickets,
			unsigned int timeout_msecs,
			referral_ldap_bind_callback_t *callback, void *context)
	ATTR_NULL(3, 4);
#define referral_ldap_bind_init(set, ld, host, tickets, timeout_msecs, \
				callback, context) \
	referral_ldap_bind_init(set, ld, host, tickets, timeout_msecs, \
		(referral_ldap_bind_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const char *, typeof(context))))
/* May be called from the callback. */
void referral_ldap_bind_deinit(struct referral_ldap_bind **bind);

/* A message has come from the server. */
void referral_ldap_bind_input(struct referral_ldap_bind *bind,
			      LDAPMessage *msg);
/* For messages: "binding" or "getting a Kerberos ticket" */
const char *referral_ldap_bind_doing(const struct referral_ldap_bind *bind);

#endif
