/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-self-lookup.h"

struct referral_self_lookup {
	pool_t pool;
	struct referral_client *client;
	const char *username;
	referral_server_key_t *key;
	/* NULL if it was aborted: then it lives only until the answer that is
	   under way. */
	referral_self_lookup_callback_t *callback;
	void *context;

	/* Of these, the first ones have been asked about. */
	ARRAY_TYPE(referral_url) servers;
	unsigned int idx;
};

#undef referral_self_lookup_init
struct referral_self_lookup *
referral_self_lookup_init(struct referral_client *client, const char *username,
			  const struct referral_self *self,
			  const struct ip_addr *local_ip, in_port_t local_port,
			  referral_server_key_t *key,
			  referral_self_lookup_callback_t *callback,
			  void *context)
{
	struct referral_self_lookup *lookup;
	ARRAY_TYPE(referral_url) servers;
	struct referral_url *server;
	pool_t pool;

	pool = pool_alloconly_create("referral self lookup", 1024);
	lookup = p_new(pool, struct referral_self_lookup, 1);
	lookup->pool = pool;
	lookup->client = client;
	lookup->username = p_strdup(pool, username);
	lookup->key = key;
	lookup->callback = callback;
	lookup->context = context;

	referral_self_get_servers(self, local_ip, local_port, &servers);
	p_array_init(&lookup->servers, pool, array_count(&servers));
	array_append_array(&lookup->servers, &servers);
	array_foreach_modifiable(&lookup->servers, server)
		server->host = p_strdup(pool, server->host);
	return lookup;
}

static void lookup_callback(const struct referral_lookup_result *result,
			    struct referral_self_lookup *lookup)
{
	bool more;

	if (lookup->callback == NULL)
		more = FALSE;
	else if (result->ret == 0)
		more = TRUE;
	else {
		more = lookup->callback(result, lookup->context) &&
			result->ret > 0;
	}
	if (more)
		referral_self_lookup_start(lookup);
	else
		pool_unref(&lookup->pool);
}

void referral_self_lookup_start(struct referral_self_lookup *lookup)
{
	const struct referral_lookup_result not_found = { .ret = 0 };
	const struct referral_url *server;

	if (lookup->idx == array_count(&lookup->servers)) {
		(void)lookup->callback(&not_found, lookup->context);
		pool_unref(&lookup->pool);
		return;
	}
	server = array_idx(&lookup->servers, lookup->idx++);
	referral_client_lookup_async(lookup->client, lookup->username,
				     lookup->key(server),
				     lookup_callback, lookup);
}

void referral_self_lookup_abort(struct referral_self_lookup **_lookup)
{
	struct referral_self_lookup *lookup = *_lookup;

	*_lookup = NULL;
	lookup->callback = NULL;
}
