#ifndef REFERRAL_LDAP_STARTTLS_H
#define REFERRAL_LDAP_STARTTLS_H

/* The one request and its answer that go before TLS (RFC 4511 section 4.14).
   libldap sees nothing of them. */

/* The request, encoded. */
void referral_ldap_starttls_request(const unsigned char **data_r,
				    size_t *size_r);

/* Look at what has come from the server so far. Returns 1 if it is the answer
   and TLS begins; 0 if more has to come; -1 with error_r if the server refuses,
   or says something else: also anything behind the answer, which somebody has
   put there before TLS protected the connection. */
int referral_ldap_starttls_response(const unsigned char *data, size_t size,
				    const char **error_r);

#endif
