/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "iostream-ssl.h"
#include "referral-ssl.h"

int referral_ssl_context_init(const struct referral_ssl_settings *set,
			      struct ssl_iostream_context **ctx_r,
			      const char **error_r)
{
	struct ssl_iostream_settings ssl_set;

	i_zero(&ssl_set);
	ssl_set.ca.path = "";
	ssl_set.ca.content = set->ca;
	ssl_set.ca_dir = set->ca_dir;
	ssl_set.cert.cert.path = "";
	ssl_set.cert.cert.content = set->cert;
	ssl_set.cert.key.path = "";
	ssl_set.cert.key.content = set->key;
	ssl_set.min_protocol = set->min_protocol;
	ssl_set.skip_crl_check = TRUE;
	ssl_set.allow_invalid_cert = !set->verify;
	return ssl_iostream_context_init_client(&ssl_set, ctx_r, error_r);
}

int referral_ssl_client_create(struct ssl_iostream_context *ctx,
			       const char *host, bool verify,
			       struct event *event_parent,
			       struct istream **input, struct ostream **output,
			       struct ssl_iostream **ssl_r,
			       const char **error_r)
{
	return io_stream_create_ssl_client(ctx, host, event_parent, verify ? 0 :
					   SSL_IOSTREAM_FLAG_ALLOW_INVALID_CERT,
					   input, output, ssl_r, error_r);
}
