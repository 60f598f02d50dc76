/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "hash.h"
#include "llist.h"
#include "referral-cache-time.h"
#include "referral-entry-values.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-template.h"
#include "referral-reader.h"
#include "referral-reader-cache.h"
#include "referral-stale.h"
#include "referral-user-entry.h"

/* Servers do not give more without being told to, usually. */
#define READER_MAX_GROUPS 10000

/* Those of all readers: of 10000 users in 20 groups each, about. */
#define READER_CACHE_MAX_BYTES (32*1024*1024)

struct cached_reader {
	/* The most recently used one is the head. */
	struct cached_reader *prev, *next;
	struct referral_cache_time time;
	struct referral_reader *reader;
	size_t size;
};

/* Somebody who waits for searches. */
struct reader_waiter {
	struct reader_waiter *prev, *next;
	referral_reader_callback_t *callback;
	void *context;
};

struct reader_search {
	struct reader_search *prev, *next;
	struct referral_reader_cache *cache;
	struct referral_reader *reader;
	/* For both searches */
	struct timeout *to;
	/* In the order in which they came. */
	struct reader_waiter *waiters_head, *waiters_tail;
	/* Nobody else may wait for it, and its answer is not cached. */
	bool outdated;
};

struct referral_reader_cache {
	struct referral_ldap_connection *conn;
	const struct referral_ldap_settings *set;
	struct referral_stale *stale;

	HASH_TABLE(const char *, struct cached_reader *) readers;
	struct cached_reader *head, *tail;
	/* The sum of their sizes */
	size_t size;

	/* All that are in flight. */
	struct reader_search *searches;
	/* Those of them that are not outdated, by user. */
	HASH_TABLE(const char *, struct reader_search *) searches_by_user;
};

/*
 * Cache
 */

static void
cached_reader_free(struct referral_reader_cache *cache,
		   struct cached_reader *cached)
{
	hash_table_remove(cache->readers,
			  referral_reader_get_user(cached->reader));
	DLLIST2_REMOVE(&cache->head, &cache->tail, cached);
	i_assert(cache->size >= cached->size);
	cache->size -= cached->size;
	referral_reader_unref(&cached->reader);
	i_free(cached);
}

/* Returns NULL if there is none, or it is too old for any use. */
static struct cached_reader *
cached_reader_find(struct referral_reader_cache *cache, const char *user)
{
	struct cached_reader *cached;

	cached = hash_table_lookup(cache->readers, user);
	if (cached == NULL)
		return NULL;
	if (!referral_cache_time_is_kept(&cached->time)) {
		cached_reader_free(cache, cached);
		return NULL;
	}
	DLLIST2_REMOVE(&cache->head, &cache->tail, cached);
	DLLIST2_PREPEND(&cache->head, &cache->tail, cached);
	return cached;
}

static struct referral_reader *
reader_cache_lookup(struct referral_reader_cache *cache, const char *user)
{
	struct cached_reader *cached = cached_reader_find(cache, user);

	if (cached == NULL || !referral_cache_time_is_valid(&cached->time))
		return NULL;
	return cached->reader;
}

/* The reader as it was known, if that may be used now. */
static struct referral_reader *
reader_cache_lookup_stale(struct referral_reader_cache *cache,
			  const char *user)
{
	struct cached_reader *cached = cached_reader_find(cache, user);

	if (cached == NULL ||
	    !referral_stale_use(cache->stale, &cached->time.added))
		return NULL;
	return cached->reader;
}

static void
reader_cache_remove(struct referral_reader_cache *cache, const char *user)
{
	struct cached_reader *cached;

	cached = hash_table_lookup(cache->readers, user);
	if (cached != NULL)
		cached_reader_free(cache, cached);
}

static void
reader_cache_add(struct referral_reader_cache *cache,
		 struct referral_reader *reader)
{
	const struct referral_ldap_settings *set = cache->set;
	const char *user = referral_reader_get_user(reader);
	struct cached_reader *cached;

	reader_cache_remove(cache, user);
	if (set->home_cache_size == 0 ||
	    (set->home_ttl_msecs == 0 && set->stale_time_msecs == 0))
		return;
	if (hash_table_count(cache->readers) >= set->home_cache_size)
		cached_reader_free(cache, cache->tail);

	cached = i_new(struct cached_reader, 1);
	cached->reader = reader;
	referral_reader_ref(reader);
	referral_cache_time_init(&cached->time, set->home_ttl_msecs,
				 set->stale_time_msecs);
	cached->size = sizeof(*cached) + referral_reader_get_size(reader);
	cache->size += cached->size;
	hash_table_insert(cache->readers, user, cached);
	DLLIST2_PREPEND(&cache->head, &cache->tail, cached);
	/* it may be too large for it alone */
	while (cache->size > READER_CACHE_MAX_BYTES)
		cached_reader_free(cache, cache->tail);
}

/*
 * Searches
 */

/* Nobody joins it any more. */
static void reader_search_detach(struct reader_search *search)
{
	if (search->outdated)
		return;
	search->outdated = TRUE;
	hash_table_remove(search->cache->searches_by_user,
			  referral_reader_get_user(search->reader));
}

static void
reader_search_answer(struct reader_search *search,
		     struct referral_reader *reader, bool stale,
		     const char *error)
{
	struct reader_waiter *waiter;

	timeout_remove(&search->to);
	if (reader != NULL) {
		/* callbacks may flush the cache */
		referral_reader_ref(reader);
		error = NULL;
	}
	while ((waiter = search->waiters_head) != NULL) {
		DLLIST2_REMOVE(&search->waiters_head, &search->waiters_tail,
			       waiter);
		T_BEGIN {
			waiter->callback(reader, stale, error,
					 waiter->context);
		} T_END;
		i_free(waiter);
	}
	referral_reader_unref(&reader);
}

static void reader_search_free(struct reader_search *search)
{
	DLLIST_REMOVE(&search->cache->searches, search);
	referral_reader_unref(&search->reader);
	i_free(search);
}

static void
reader_search_finish(struct reader_search *search, const char *error)
{
	struct referral_reader_cache *cache = search->cache;

	if (error == NULL)
		referral_reader_set_known(search->reader);
	if (!search->outdated) {
		if (error == NULL)
			reader_cache_add(cache, search->reader);
		else {
			/* whatever it said before is not true any more */
			reader_cache_remove(cache,
				referral_reader_get_user(search->reader));
		}
	}
	/* callbacks may ask for the same user again */
	reader_search_detach(search);
	reader_search_answer(search, error == NULL ? search->reader : NULL,
			     FALSE, error);
	reader_search_free(search);
}

/* The directory could not be asked: answer with what was known, if that may be
   done. */
static void
reader_search_answer_stale(struct reader_search *search, const char *error)
{
	struct referral_reader_cache *cache = search->cache;

	if (search->waiters_head == NULL)
		return;
	referral_stale_failed(cache->stale, error);
	reader_search_answer(search, reader_cache_lookup_stale(cache,
				referral_reader_get_user(search->reader)),
			     TRUE, error);
}

static void
reader_search_finish_stale(struct reader_search *search, const char *error)
{
	reader_search_detach(search);
	reader_search_answer_stale(search, error);
	reader_search_free(search);
}

static void reader_search_timeout(struct reader_search *search)
{
	reader_search_detach(search);
	/* the connection still has it, and finishes it later */
	timeout_remove(&search->to);
	reader_search_answer_stale(search,
		"The groups of the user could not be found out in time");
}

/* Returns FALSE if the directory could not be asked: the search is finished
   then. */
static bool
reader_search_was_answered(struct reader_search *search,
			   const struct referral_ldap_result *result)
{
	if (result->error != NULL && !result->refused) {
		reader_search_finish_stale(search, result->error);
		return FALSE;
	}
	referral_stale_answered(search->cache->stale);
	return TRUE;
}

/* Returns NULL, or what has gone wrong. */
static const char *
reader_groups_parse(struct reader_search *search,
		    struct referral_ldap_result *result)
{
	const char *base = search->cache->set->reader_group_base;
	struct referral_ldap_entry entry;
	bool more, ok = TRUE;

	if (result->error != NULL) {
		return referral_ldap_base_is_missing(base, result) ? NULL :
			result->error;
	}
	if (result->truncated) {
		return t_strdup_printf("referral_ldap_reader_group_filter "
			"finds more than %u groups for one user",
			READER_MAX_GROUPS);
	}
	do T_BEGIN {
		more = referral_ldap_result_next(result, &entry);
		if (more)
			ok = referral_reader_add_dn(search->reader, entry.dn);
	} T_END; while (more && ok);
	return ok ? NULL : "The directory has a group without a valid DN";
}

static void
reader_groups_callback(struct referral_ldap_result *result,
		       struct reader_search *search)
{
	if (reader_search_was_answered(search, result)) {
		reader_search_finish(search,
				     reader_groups_parse(search, result));
	}
}

/* No attributes */
static const char *const no_attributes[] = { LDAP_NO_ATTRS, NULL };

static void
reader_groups_search(struct reader_search *search, const char *user_dn)
{
	const struct referral_ldap_settings *set = search->cache->set;
	const struct referral_ldap_variables variables = {
		.user = referral_reader_get_user(search->reader),
		.user_dn = user_dn,
	};
	const struct referral_ldap_search ldap_search = {
		.base = referral_ldap_dn_expand(set->reader_group_base,
						&variables),
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = referral_ldap_filter_expand(set->reader_group_filter,
						      &variables),
		.attributes = no_attributes,
		.size_limit = READER_MAX_GROUPS,
	};

	if (ldap_search.base == NULL) {
		/* there can be none below it */
		reader_search_finish(search, NULL);
		return;
	}
	referral_ldap_connection_search(search->cache->conn, &ldap_search,
					reader_groups_callback, search);
}

static int
reader_entry_parse(struct reader_search *search,
		   struct referral_ldap_result *result, const char **dn_r,
		   const char **error_r)
{
	struct referral_ldap_entry entry;
	int ret;

	ret = referral_user_entry_get(search->cache->set, result, &entry,
				      error_r);
	if (ret <= 0)
		return ret;
	if (!referral_reader_add_dn(search->reader, entry.dn)) {
		*error_r = "The user's entry has no valid DN";
		return -1;
	}
	*dn_r = t_strdup(entry.dn);
	return 1;
}

static void
reader_entry_callback(struct referral_ldap_result *result,
		      struct reader_search *search)
{
	const char *dn, *error;
	int ret;

	if (!reader_search_was_answered(search, result))
		return;
	ret = reader_entry_parse(search, result, &dn, &error);
	if (ret < 0)
		reader_search_finish(search, error);
	else if (ret == 0) {
		/* There is nothing that a group could have as a member. (Not
		   an empty DN: groups that must have members have that.) */
		reader_search_finish(search, NULL);
	} else if (search->waiters_head == NULL && search->outdated) {
		/* it was too late already */
		reader_search_finish(search, NULL);
	} else
		reader_groups_search(search, dn);
}

static void reader_search_start(struct reader_search *search)
{
	const struct referral_ldap_settings *set = search->cache->set;
	struct referral_ldap_search ldap_search;

	if (!referral_user_entry_get_search(set,
			referral_reader_get_user(search->reader),
			&ldap_search)) {
		reader_search_finish(search, NULL);
		return;
	}
	ldap_search.attributes = no_attributes;
	search->to = timeout_add(set->timeout_msecs, reader_search_timeout,
				 search);
	/* it may be finished, and so freed, when that returns */
	referral_ldap_connection_search(search->cache->conn, &ldap_search,
					reader_entry_callback, search);
}

#undef referral_reader_cache_get
void referral_reader_cache_get(struct referral_reader_cache *cache,
			       const char *user,
			       referral_reader_callback_t *callback,
			       void *context)
{
	struct referral_reader *reader;
	struct reader_search *search;
	struct reader_waiter *waiter;
	bool new_search;

	reader = *user == '\0' ? referral_reader_init(user) :
		reader_cache_lookup(cache, user);
	if (reader != NULL) {
		/* the callback may flush the cache */
		if (*user != '\0')
			referral_reader_ref(reader);
		callback(reader, FALSE, NULL, context);
		referral_reader_unref(&reader);
		return;
	}

	search = hash_table_lookup(cache->searches_by_user, user);
	new_search = search == NULL;
	if (new_search) {
		search = i_new(struct reader_search, 1);
		search->cache = cache;
		search->reader = referral_reader_init(user);
		DLLIST_PREPEND(&cache->searches, search);
		hash_table_insert(cache->searches_by_user,
				  referral_reader_get_user(search->reader),
				  search);
	}
	waiter = i_new(struct reader_waiter, 1);
	waiter->callback = callback;
	waiter->context = context;
	DLLIST2_APPEND(&search->waiters_head, &search->waiters_tail, waiter);
	if (new_search)
		reader_search_start(search);
}

void referral_reader_cache_flush(struct referral_reader_cache *cache)
{
	struct reader_search *search;

	for (search = cache->searches; search != NULL; search = search->next)
		reader_search_detach(search);
	while (cache->head != NULL)
		cached_reader_free(cache, cache->head);
}

struct referral_reader_cache *
referral_reader_cache_init(struct referral_ldap_connection *conn,
			   const struct referral_ldap_settings *set,
			   struct event *event)
{
	struct referral_reader_cache *cache;

	cache = i_new(struct referral_reader_cache, 1);
	cache->conn = conn;
	cache->set = set;
	cache->stale = referral_stale_init("readers", set->stale_time_msecs,
					   event);
	hash_table_create(&cache->readers, default_pool, 0, str_hash, strcmp);
	hash_table_create(&cache->searches_by_user, default_pool, 0,
			  str_hash, strcmp);
	return cache;
}

void referral_reader_cache_stop(struct referral_reader_cache *cache)
{
	referral_stale_stop(cache->stale);
}

void referral_reader_cache_deinit(struct referral_reader_cache **_cache)
{
	struct referral_reader_cache *cache = *_cache;

	*_cache = NULL;
	i_assert(cache->searches == NULL);
	referral_reader_cache_flush(cache);
	hash_table_destroy(&cache->readers);
	hash_table_destroy(&cache->searches_by_user);
	referral_stale_deinit(&cache->stale);
	i_free(cache);
}
