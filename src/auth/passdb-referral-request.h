#ifndef PASSDB_REFERRAL_REQUEST_H
#define PASSDB_REFERRAL_REQUEST_H

#include "referral-self.h"

struct passdb_referral_request;

struct imap_referral_passdb {
	struct passdb_module module;
	const struct referral_plugin_settings *set;
	const char *base_dir;
	struct referral_self *self;
	struct referral_followers *followers;
	/* NULL until init(), and from deinit() on */
	struct referral_client *client;
	/* Those that wait for an address. */
	struct passdb_referral_request *dns_requests;
};

/* One login, from the proven password (or what else has proven the user) to the
   fields that say where to go. */
struct passdb_referral_request {
	struct passdb_referral_request *prev, *next;
	struct auth_request *auth_request;
	struct imap_referral_passdb *passdb;
	/* One of them is set. */
	verify_plain_callback_t *verify_callback;
	lookup_credentials_callback_t *credentials_callback;

	/* Where to go, once it is known that this is not here. */
	struct referral_url home;
	/* The user may use this server, too. */
	bool offer;

	/* While the home server's address is looked up. */
	struct dns_lookup *dns_lookup;
	struct timeout *to_dns;
	bool dns_finished;
	void (*dns_callback)(struct passdb_referral_request *request);
};

/* Ask the directory, and finish the request. */
void passdb_referral_request_start(struct passdb_referral_request *request);

/* The end of all requests. */
void passdb_referral_finish(struct passdb_referral_request *request,
			    enum passdb_result result);
/* The same for a failure, which is logged: never a login on the wrong server,
   as it would create an empty account there. */
void passdb_referral_fail(struct passdb_referral_request *request,
			  const char *what, const char *error);

#endif
