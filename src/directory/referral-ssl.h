#ifndef REFERRAL_SSL_H
#define REFERRAL_SSL_H

struct event;
struct istream;
struct ostream;
struct ssl_iostream;
struct ssl_iostream_context;

/* TLS as a client. In compat-*. Strings may be NULL for "none". */
struct referral_ssl_settings {
	/* In the PEM format. Without ca and ca_dir: those that OpenSSL knows
	   of by itself. */
	const char *ca, *cert, *key;
	const char *ca_dir;
	/* As in Dovecot's ssl_min_protocol */
	const char *min_protocol;
	/* FALSE: any certificate will do. */
	bool verify;
};

/* Returns 0, or -1 with error_r. */
int referral_ssl_context_init(const struct referral_ssl_settings *set,
			      struct ssl_iostream_context **ctx_r,
			      const char **error_r);
/* Replaces the streams. "verify" as it was for the context. Returns 0, or -1
   with error_r. The caller has to set a handshake callback that checks the
   certificate. */
int referral_ssl_client_create(struct ssl_iostream_context *ctx,
			       const char *host, bool verify,
			       struct event *event_parent,
			       struct istream **input, struct ostream **output,
			       struct ssl_iostream **ssl_r,
			       const char **error_r);

#endif
