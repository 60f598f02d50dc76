#ifndef REFERRAL_LDAP_LINK_H
#define REFERRAL_LDAP_LINK_H

#include <ldap.h>

/* One connection to one server: from its name to being bound, and then its
   messages. Nothing waits, and callbacks are only called from the ioloop, never
   from within a call. */

struct event;
struct referral_ldap_settings;
struct referral_ldap_uri;
struct referral_ldap_tls;
struct referral_ldap_tickets;
struct referral_ldap_link;

struct referral_ldap_link_callbacks {
	/* Searches may be sent. */
	void (*ready)(void *context);
	/* A message has come. To keep it, set *msg = NULL. */
	void (*message)(LDAPMessage **msg, void *context);
	/* What referral_ldap_link_wait_writable() has waited for. */
	void (*writable)(void *context);
	/* The last call. "error" names the server. "closed": it was ready, and
	   the server has ended the connection. */
	void (*failed)(const char *error, bool closed, void *context);
};

struct referral_ldap_link_settings {
	const struct referral_ldap_settings *set;
	const struct referral_ldap_uri *uri;
	const char *base_dir;
	/* Used where the settings need them */
	struct referral_ldap_tls *tls;
	struct referral_ldap_tickets *tickets;
	struct event *event;
	/* Until it has to be ready */
	unsigned int timeout_msecs;
};

struct referral_ldap_link *
referral_ldap_link_init(const struct referral_ldap_link_settings *link_set,
			const struct referral_ldap_link_callbacks *callbacks,
			void *context);
/* May be called from callbacks. */
void referral_ldap_link_deinit(struct referral_ldap_link **link);

/* To send and to parse with. Only when it is ready. */
LDAP *referral_ldap_link_get_ld(struct referral_ldap_link *link);
bool referral_ldap_link_is_ready(const struct referral_ldap_link *link);
/* It waits until it is writable: sending would fail with LDAP_BUSY. */
bool referral_ldap_link_is_blocked(const struct referral_ldap_link *link);
/* libldap said LDAP_BUSY: it has to write more of what it has. */
void referral_ldap_link_wait_writable(struct referral_ldap_link *link);
/* Sending has failed by this error: failed() will be called. It is not ready
   any more. */
void referral_ldap_link_set_broken(struct referral_ldap_link *link, int err);

#endif
