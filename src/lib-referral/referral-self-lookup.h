#ifndef REFERRAL_SELF_LOOKUP_H
#define REFERRAL_SELF_LOOKUP_H

#include "referral-lookup.h"
#include "referral-self.h"

/* Asks about this server under all names that the directory may have for it,
   one after the other. */
struct referral_self_lookup;

/* referral_key_shares() or referral_key_server() */
typedef const char *referral_server_key_t(const struct referral_url *server);

/* Called for each name that is found; once if the directory cannot be asked,
   which ends it; or once with "not found" when no name is left. What it returns
   for a name that is found says whether to go on with the next one. */
typedef bool
referral_self_lookup_callback_t(const struct referral_lookup_result *result,
				void *context);

/* Copies what it is given, but for the client. */
struct referral_self_lookup *
referral_self_lookup_init(struct referral_client *client, const char *username,
			  const struct referral_self *self,
			  const struct ip_addr *local_ip, in_port_t local_port,
			  referral_server_key_t *key,
			  referral_self_lookup_callback_t *callback,
			  void *context);
#define referral_self_lookup_init(client, username, self, local_ip, \
				  local_port, key, callback, context) \
	referral_self_lookup_init(client, username, self, local_ip, \
		local_port, key, \
		(referral_self_lookup_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			bool (*)(const struct referral_lookup_result *, \
				 typeof(context))))
/* The callback may be called before this returns. The lookup is freed after the
   last call. */
void referral_self_lookup_start(struct referral_self_lookup *lookup);
/* The callback is not called any more. Not to be called from within it. */
void referral_self_lookup_abort(struct referral_self_lookup **lookup);

#endif
