#ifndef REFERRAL_LDAP_GSSAPI_H
#define REFERRAL_LDAP_GSSAPI_H

#include <lber.h>

/* The client of the SASL mechanism GSSAPI (RFC 4752), with a ticket that is
   there already: nothing here asks the network. TLS protects the connection, not
   this. */

struct referral_ldap_ticket;
struct referral_ldap_gssapi;

/* authzid: whom to act as, "" = who we are. Returns 0, or -1 with error_r. */
int referral_ldap_gssapi_init(const struct referral_ldap_ticket *ticket,
			      const char *authzid,
			      struct referral_ldap_gssapi **gssapi_r,
			      const char **error_r);
void referral_ldap_gssapi_deinit(struct referral_ldap_gssapi **gssapi);

/* What to answer to the server's challenge; the first one is NULL. The response
   is allocated from the data stack. Returns 0, or -1 with error_r. */
int referral_ldap_gssapi_step(struct referral_ldap_gssapi *gssapi,
			      const struct berval *challenge,
			      struct berval *response_r, const char **error_r);
/* Whether the server may say now that it is satisfied: it has shown who it
   is. */
bool referral_ldap_gssapi_is_done(const struct referral_ldap_gssapi *gssapi);

#endif
