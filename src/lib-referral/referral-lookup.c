/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "time-util.h"
#include "dict-private.h"
#include "referral-dict.h"
#include "referral-lookup.h"

/* Connecting to a socket that nobody listens to makes Dovecot's dict client
   block for up to a second. If it has done so, do not try again for a while. */
#define REFERRAL_CLIENT_BLOCKED_MSECS 100
#define REFERRAL_CLIENT_RETRY_MSECS 2000

struct referral_client {
	char *base_dir;
	unsigned int timeout_msecs;
	struct event *event;

	/* NULL if not open */
	struct dict *dict;
	/* Until then lookups fail at once, with this error. */
	struct timeval retry_at;
	char *retry_error;
	/* Lookups whose callback is still to be called. */
	struct referral_lookup *lookups;
	/* Callbacks of the dict that are running: more than one if the first
	   one has looked something up and waits for it. */
	unsigned int dict_callbacks;
};

/* Two things end a lookup, in either order: its callback, and the dict's one,
   which comes late after a timeout. The client's list holds one reference
   until the former, the dict the other until the latter. */
struct referral_lookup {
	struct referral_lookup *prev, *next;
	int refcount;

	struct referral_client *client;
	struct timeout *to;
	referral_lookup_callback_t *callback;
	void *context;

	/* While it is handed to the dict. */
	struct timeval send_time;
	bool sending;
	/* While it is not yet allowed to be. */
	struct timeout *to_send;
	char *username, *key;
};

struct referral_client *
referral_client_init(const char *base_dir, unsigned int timeout_msecs,
		     struct event *event_parent)
{
	struct referral_client *client;

	client = i_new(struct referral_client, 1);
	client->base_dir = i_strdup(base_dir);
	client->timeout_msecs = timeout_msecs;
	client->event = event_create(event_parent);
	return client;
}

static void referral_lookup_unref(struct referral_lookup *lookup)
{
	i_assert(lookup->refcount > 0);
	if (--lookup->refcount > 0)
		return;
	i_free(lookup->username);
	i_free(lookup->key);
	i_free(lookup);
}

static void
referral_lookup_finish(struct referral_lookup *lookup,
		       const struct referral_lookup_result *result)
{
	referral_lookup_callback_t *callback = lookup->callback;

	timeout_remove(&lookup->to);
	timeout_remove(&lookup->to_send);
	DLLIST_REMOVE(&lookup->client->lookups, lookup);
	lookup->client = NULL;
	lookup->callback = NULL;
	callback(result, lookup->context);
	referral_lookup_unref(lookup);
}

static void
referral_lookup_fail(struct referral_lookup *lookup, const char *error)
{
	const struct referral_lookup_result result = {
		.ret = -1,
		.error = error,
	};

	referral_lookup_finish(lookup, &result);
}

static void referral_lookup_timeout(struct referral_lookup *lookup)
{
	referral_lookup_fail(lookup, t_strdup_printf(
		"No answer from the dict in %u ms",
		lookup->client->timeout_msecs));
}

/* What was to be sent then has failed at once. */
static void
referral_client_check_blocked(struct referral_client *client,
			      const struct timeval *send_time,
			      const char *error)
{
	struct timeval now;

	i_gettimeofday(&now);
	if (timeval_diff_msecs(&now, send_time) < REFERRAL_CLIENT_BLOCKED_MSECS)
		return;
	i_free(client->retry_error);
	client->retry_error = i_strdup(error);
	client->retry_at = now;
	timeval_add_msecs(&client->retry_at, REFERRAL_CLIENT_RETRY_MSECS);
}

static bool referral_client_may_try(struct referral_client *client)
{
	struct timeval now;

	if (client->retry_error == NULL)
		return TRUE;
	i_gettimeofday(&now);
	return timeval_cmp(&now, &client->retry_at) >= 0;
}

static void
referral_lookup_dict_callback(const struct dict_lookup_result *dict_result,
			      struct referral_lookup *lookup)
{
	const struct referral_lookup_result result = {
		.ret = dict_result->ret,
		.value = dict_result->value,
		.error = dict_result->error,
	};
	struct referral_client *client = lookup->client;

	if (lookup->sending && dict_result->ret < 0) {
		referral_client_check_blocked(client, &lookup->send_time,
					      dict_result->error);
	}
	if (lookup->callback != NULL) {
		client->dict_callbacks++;
		referral_lookup_finish(lookup, &result);
		client->dict_callbacks--;
	}
	referral_lookup_unref(lookup);
}

/* Open the dict, unless it is better not to try now. */
static int
referral_client_open(struct referral_client *client, const char **error_r)
{
	if (client->dict == NULL &&
	    referral_dict_open(client->base_dir, client->event,
			       &client->dict, error_r) < 0)
		return -1;
	if (!referral_client_may_try(client)) {
		*error_r = t_strdup(client->retry_error);
		return -1;
	}
	return 0;
}

static struct referral_lookup *
referral_lookup_create(struct referral_client *client,
		       referral_lookup_callback_t *callback, void *context)
{
	struct referral_lookup *lookup;

	lookup = i_new(struct referral_lookup, 1);
	lookup->refcount = 1;
	lookup->client = client;
	lookup->callback = callback;
	lookup->context = context;
	lookup->to = timeout_add(client->timeout_msecs,
				 referral_lookup_timeout, lookup);
	DLLIST_PREPEND(&client->lookups, lookup);
	return lookup;
}

static void
referral_lookup_send(struct referral_lookup *lookup, const char *username,
		     const char *key)
{
	const struct dict_op_settings set = { .username = username };
	const char *error;

	if (referral_client_open(lookup->client, &error) < 0) {
		referral_lookup_fail(lookup, error);
		return;
	}
	/* one reference is the dict's, one is ours until it has returned */
	lookup->refcount += 2;
	lookup->sending = TRUE;
	i_gettimeofday(&lookup->send_time);
	dict_lookup_async(lookup->client->dict, &set, key,
			  referral_lookup_dict_callback, lookup);
	lookup->sending = FALSE;
	referral_lookup_unref(lookup);
}

static void referral_lookup_send_later(struct referral_lookup *lookup)
{
	timeout_remove(&lookup->to_send);
	referral_lookup_send(lookup, lookup->username, lookup->key);
}

#undef referral_client_lookup_async
void referral_client_lookup_async(struct referral_client *client,
				  const char *username, const char *key,
				  referral_lookup_callback_t *callback,
				  void *context)
{
	struct referral_lookup *lookup;

	lookup = referral_lookup_create(client, callback, context);
	if (client->dict_callbacks == 0) {
		referral_lookup_send(lookup, username, key);
		return;
	}
	/* Dovecot's dict client keeps a pointer into its list of lookups while
	   it calls back: one more of them would move the list away. */
	lookup->username = i_strdup(username);
	lookup->key = i_strdup(key);
	lookup->to_send = timeout_add_short(0, referral_lookup_send_later,
					    lookup);
}

/* Until the end only the dict's events are handled. */
static struct ioloop *
referral_client_ioloop_begin(struct referral_client *client)
{
	struct ioloop *ioloop = io_loop_create();

	dict_switch_ioloop(client->dict);
	return ioloop;
}

static void
referral_client_ioloop_end(struct referral_client *client,
			   struct ioloop *prev_ioloop, struct ioloop **ioloop)
{
	io_loop_set_current(prev_ioloop);
	dict_switch_ioloop(client->dict);
	io_loop_set_current(*ioloop);
	io_loop_destroy(ioloop);
}

struct referral_lookup_sync {
	struct ioloop *ioloop;
	bool finished;
	int ret;
	/* The callback's data stack frame ends before we can return these. */
	char *value, *error;
};

static void
referral_lookup_sync_callback(const struct referral_lookup_result *result,
			      struct referral_lookup_sync *sync)
{
	sync->ret = result->ret;
	sync->value = i_strdup(result->value);
	sync->error = i_strdup(result->error);
	sync->finished = TRUE;
	io_loop_stop(sync->ioloop);
}

void referral_client_lookup(struct referral_client *client,
			    const char *username, const char *key,
			    struct referral_lookup_result *result_r)
{
	struct referral_lookup_sync sync = { .finished = FALSE };
	struct ioloop *prev_ioloop = current_ioloop;
	const char *error;

	i_zero(result_r);
	if (referral_client_open(client, &error) < 0) {
		result_r->ret = -1;
		result_r->error = error;
		return;
	}

	sync.ioloop = referral_client_ioloop_begin(client);
	referral_client_lookup_async(client, username, key,
		(referral_lookup_callback_t *)referral_lookup_sync_callback,
		&sync);
	while (!sync.finished)
		io_loop_run(sync.ioloop);
	referral_client_ioloop_end(client, prev_ioloop, &sync.ioloop);

	result_r->ret = sync.ret;
	result_r->value = t_strdup(sync.value);
	result_r->error = t_strdup(sync.error);
	i_free(sync.value);
	i_free(sync.error);
}

struct referral_iterate {
	struct ioloop *ioloop;
	bool timed_out;
};

static void referral_iterate_more(struct referral_iterate *iter)
{
	io_loop_stop(iter->ioloop);
}

static void referral_iterate_timeout(struct referral_iterate *iter)
{
	iter->timed_out = TRUE;
	io_loop_stop(iter->ioloop);
}

static int
referral_client_iterate_rows(struct referral_client *client,
			     const char *username, const char *path,
			     referral_row_callback_t *callback, void *context,
			     struct referral_iterate *iter,
			     const char **error_r)
{
	const struct dict_op_settings set = { .username = username };
	struct dict_iterate_context *dict_iter;
	struct timeval send_time;
	struct timeout *to;
	const char *key, *value;
	bool more = TRUE, has_more = FALSE;
	int ret;

	i_gettimeofday(&send_time);
	dict_iter = dict_iterate_init(client->dict, &set, path,
				      DICT_ITERATE_FLAG_ASYNC);
	dict_iterate_set_async_callback(dict_iter, referral_iterate_more, iter);
	to = timeout_add(client->timeout_msecs, referral_iterate_timeout, iter);
	while (more) {
		while (more && dict_iterate(dict_iter, &key, &value)) T_BEGIN {
			more = callback(key, value, context);
		} T_END;
		has_more = dict_iterate_has_more(dict_iter);
		more = more && has_more && !iter->timed_out;
		if (more) {
			timeout_reset(to);
			io_loop_run(iter->ioloop);
		}
	}
	timeout_remove(&to);
	ret = dict_iterate_deinit(&dict_iter, error_r);
	if (ret < 0 && !has_more) {
		referral_client_check_blocked(client, &send_time, *error_r);
	} else if (iter->timed_out) {
		*error_r = t_strdup_printf("No answer from the dict in %u ms",
					   client->timeout_msecs);
		ret = -1;
	}
	return ret;
}

#undef referral_client_iterate
int referral_client_iterate(struct referral_client *client,
			    const char *username, const char *path,
			    referral_row_callback_t *callback, void *context,
			    const char **error_r)
{
	struct ioloop *prev_ioloop = current_ioloop;
	struct referral_iterate iter = { .timed_out = FALSE };
	int ret;

	if (referral_client_open(client, error_r) < 0)
		return -1;
	iter.ioloop = referral_client_ioloop_begin(client);
	ret = referral_client_iterate_rows(client, username, path,
					   callback, context, &iter, error_r);
	referral_client_ioloop_end(client, prev_ioloop, &iter.ioloop);
	return ret;
}

/* dict_deinit() would wait for the references of lookups, which a dict process
   that does not answer never ends; the driver's own deinit aborts them. */
static void referral_client_close(struct referral_client *client)
{
	struct dict *dict = client->dict;
	struct event *event = dict->event;

	client->dict = NULL;
	dict->v.deinit(dict);
	event_unref(&event);
}

void referral_client_deinit(struct referral_client **_client)
{
	struct referral_client *client = *_client;

	*_client = NULL;
	while (client->lookups != NULL)
		referral_lookup_fail(client->lookups, "Shutting down");
	if (client->dict != NULL)
		referral_client_close(client);
	event_unref(&client->event);
	i_free(client->retry_error);
	i_free(client->base_dir);
	i_free(client);
}
