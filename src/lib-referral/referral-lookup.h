#ifndef REFERRAL_LOOKUP_H
#define REFERRAL_LOOKUP_H

/* Asks a dict, and never waits longer than the timeout for it: whatever
   happens to the dict process, no process of ours blocks. */
struct referral_client;

struct referral_lookup_result {
	/* 1 = found, 0 = the directory has no such entry,
	   -1 = the directory cannot be asked */
	int ret;
	/* ret > 0 */
	const char *value;
	/* ret < 0 */
	const char *error;
};

typedef void
referral_lookup_callback_t(const struct referral_lookup_result *result,
			   void *context);

/* The dict is opened by the first lookup. The dict drivers have to be
   registered by then. base_dir is as for referral_dict_open(). */
struct referral_client *
referral_client_init(const char *base_dir, unsigned int timeout_msecs,
		     struct event *event_parent) ATTR_NULL(1, 3);
/* Lookups in flight fail: their callbacks are called. */
void referral_client_deinit(struct referral_client **client);

/* Look up one key of referral-key.h on behalf of a user. The callback is
   called exactly once, possibly before this returns; the result is valid only
   while it runs. */
void referral_client_lookup_async(struct referral_client *client,
				  const char *username, const char *key,
				  referral_lookup_callback_t *callback,
				  void *context);
#define referral_client_lookup_async(client, username, key, callback, context) \
	referral_client_lookup_async(client, username, key, \
		(referral_lookup_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const struct referral_lookup_result *, \
				 typeof(context))))
/* The same, but return only with the result, whose strings are allocated from
   the data stack. No other ioloop events are handled meanwhile. */
void referral_client_lookup(struct referral_client *client,
			    const char *username, const char *key,
			    struct referral_lookup_result *result_r);

/* The strings are valid only while the callback runs. Returns FALSE to stop. */
typedef bool referral_row_callback_t(const char *key, const char *value,
				     void *context);

/* Call back for all keys below the path, on behalf of a user, and return then.
   Returns 0 if these were all of them or the callback has stopped it, -1 with
   error_r if not. It gives up when no row has come for as long as the timeout.
   No other ioloop events are handled meanwhile. */
int referral_client_iterate(struct referral_client *client,
			    const char *username, const char *path,
			    referral_row_callback_t *callback, void *context,
			    const char **error_r);
#define referral_client_iterate(client, username, path, callback, context, \
				error_r) \
	referral_client_iterate(client, username, path, \
		(referral_row_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			bool (*)(const char *, const char *, typeof(context))), \
		error_r)

#endif
