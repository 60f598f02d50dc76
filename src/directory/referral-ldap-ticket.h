#ifndef REFERRAL_LDAP_TICKET_H
#define REFERRAL_LDAP_TICKET_H

/* Kerberos tickets for LDAP servers, from a keytab. Asking a KDC blocks, so
   processes of their own do it; what they get is kept in memory until shortly
   before it expires. */

struct event;
struct referral_ldap_settings;
struct referral_ldap_tickets;
struct referral_ldap_ticket_request;

struct referral_ldap_ticket {
	/* The service that it is for: ldap/host@REALM */
	const char *service;
	/* Where it is: the name of a credential cache of this process. */
	const char *ccache;
};

/* The ticket is valid until the callback returns; NULL, and "error" says why
   there is none. */
typedef void
referral_ldap_ticket_callback_t(const struct referral_ldap_ticket *ticket,
				const char *error, void *context);

/* The settings have to live as long. */
struct referral_ldap_tickets *
referral_ldap_tickets_init(const struct referral_ldap_settings *set);
void referral_ldap_tickets_deinit(struct referral_ldap_tickets **tickets);

/* Get a ticket for the LDAP service of this host. The callback is called at
   most once, and not before this returns. The caller has a deadline; so has the
   process. */
struct referral_ldap_ticket_request *
referral_ldap_ticket_get(struct referral_ldap_tickets *tickets,
			 const char *host, unsigned int timeout_msecs,
			 referral_ldap_ticket_callback_t *callback,
			 void *context);
#define referral_ldap_ticket_get(tickets, host, timeout_msecs, \
				 callback, context) \
	referral_ldap_ticket_get(tickets, host, timeout_msecs, \
		(referral_ldap_ticket_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const struct referral_ldap_ticket *, \
				 const char *, typeof(context))))
/* May be called from the callback. Has to be called before the tickets are
   deinitialized. */
void
referral_ldap_ticket_request_deinit(struct referral_ldap_ticket_request **request);

#endif
