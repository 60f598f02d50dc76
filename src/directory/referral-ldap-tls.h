#ifndef REFERRAL_LDAP_TLS_H
#define REFERRAL_LDAP_TLS_H

/* What a connection's TLS needs: the files of the settings, kept as a context
   of Dovecot's ssl-iostream until one of them changes. */

struct event;
struct istream;
struct ostream;
struct ssl_iostream;
struct referral_ldap_settings;

struct referral_ldap_tls;

/* Reads nothing yet. The settings have to live as long. */
struct referral_ldap_tls *
referral_ldap_tls_init(const struct referral_ldap_settings *set);
void referral_ldap_tls_deinit(struct referral_ldap_tls **tls);

/* Replace the streams with those of a client's TLS. Returns 0, or -1 with
   error_r. */
int referral_ldap_tls_start(struct referral_ldap_tls *tls, const char *host,
			    struct event *event, struct istream **input,
			    struct ostream **output,
			    struct ssl_iostream **ssl_r, const char **error_r);

/* For the handshake callback: check that the server's certificate is valid and
   has this host name, unless the settings say that any will do. Returns 0, or
   -1 with error_r. */
int referral_ldap_tls_check(struct referral_ldap_tls *tls,
			    struct ssl_iostream *ssl, const char *host,
			    const char **error_r);

/* Why the streams were closed, allocated from the data stack; NULL: no reason
   that TLS knows of. */
const char *referral_ldap_tls_error(struct ssl_iostream *ssl);

#endif
