#ifndef REFERRAL_FOLLOWERS_H
#define REFERRAL_FOLLOWERS_H

#include "net.h"

/* Which connections have clients that follow referrals: a list of conditions,
   of which one has to be met. What they look like is said in
   conf/imap-referral.conf.ext. */
struct referral_followers;

/* What is known of a connection before the login. Strings may be NULL. */
struct referral_connection {
	struct ip_addr local_ip, remote_ip;
	in_port_t local_port;
	/* The TLS server name that the client has asked for (RFC 6066 section
	   3). */
	const char *server_name;
	/* The parameters of an IMAP ID command (RFC 2971), as quoted strings
	   and NIL, separated by spaces. */
	const char *client_id;
};

/* Everything is allocated from the pool. Returns 0, or -1 with error_r, which
   says what was expected. */
int referral_followers_parse(pool_t pool, const char *str,
			     struct referral_followers **followers_r,
			     const char **error_r);

bool referral_followers_match(const struct referral_followers *followers,
			      const struct referral_connection *conn);

#endif
