/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "hash.h"
#include "llist.h"
#include "time-util.h"
#include "referral-home-cache.h"

struct referral_home {
	/* The most recently used one is the head. */
	struct referral_home *prev, *next;
	struct timeval added, expires;
	/* Not before expires. */
	struct timeval kept_until;
	char *user, *value;
};

struct referral_home_cache {
	unsigned int max_count, ttl_msecs, negative_ttl_msecs, stale_msecs;

	HASH_TABLE(char *, struct referral_home *) homes;
	struct referral_home *head, *tail;
};

struct referral_home_cache *
referral_home_cache_init(unsigned int max_count, unsigned int ttl_msecs,
			 unsigned int negative_ttl_msecs,
			 unsigned int stale_msecs)
{
	struct referral_home_cache *cache;

	cache = i_new(struct referral_home_cache, 1);
	cache->max_count = max_count;
	cache->ttl_msecs = ttl_msecs;
	cache->negative_ttl_msecs = negative_ttl_msecs;
	cache->stale_msecs = stale_msecs;
	hash_table_create(&cache->homes, default_pool, 0, str_hash, strcmp);
	return cache;
}

static void
referral_home_free(struct referral_home_cache *cache,
		   struct referral_home *home)
{
	hash_table_remove(cache->homes, home->user);
	DLLIST2_REMOVE(&cache->head, &cache->tail, home);
	i_free(home->user);
	i_free(home->value);
	i_free(home);
}

unsigned int referral_home_cache_clear(struct referral_home_cache *cache)
{
	unsigned int count = hash_table_count(cache->homes);

	while (cache->head != NULL)
		referral_home_free(cache, cache->head);
	return count;
}

void referral_home_cache_deinit(struct referral_home_cache **_cache)
{
	struct referral_home_cache *cache = *_cache;

	*_cache = NULL;
	(void)referral_home_cache_clear(cache);
	hash_table_destroy(&cache->homes);
	i_free(cache);
}

/* Returns NULL if there is none, or it is too old for any use. */
static struct referral_home *
referral_home_find(struct referral_home_cache *cache, const char *user)
{
	struct referral_home *home;

	home = hash_table_lookup(cache->homes, user);
	if (home == NULL)
		return NULL;
	if (timeval_cmp(&home->kept_until, &ioloop_timeval) <= 0) {
		referral_home_free(cache, home);
		return NULL;
	}
	DLLIST2_REMOVE(&cache->head, &cache->tail, home);
	DLLIST2_PREPEND(&cache->head, &cache->tail, home);
	return home;
}

bool referral_home_cache_lookup(struct referral_home_cache *cache,
				const char *user, const char **value_r)
{
	struct referral_home *home = referral_home_find(cache, user);

	if (home == NULL || timeval_cmp(&home->expires, &ioloop_timeval) <= 0)
		return FALSE;
	*value_r = home->value;
	return TRUE;
}

bool referral_home_cache_lookup_stale(struct referral_home_cache *cache,
				      const char *user, const char **value_r,
				      struct timeval *added_r)
{
	struct referral_home *home = referral_home_find(cache, user);

	if (home == NULL)
		return FALSE;
	*value_r = home->value;
	*added_r = home->added;
	return TRUE;
}

void referral_home_cache_remove(struct referral_home_cache *cache,
				const char *user)
{
	struct referral_home *home;

	home = hash_table_lookup(cache->homes, user);
	if (home != NULL)
		referral_home_free(cache, home);
}

void referral_home_cache_add(struct referral_home_cache *cache,
			     const char *user, const char *value)
{
	struct referral_home *home;
	unsigned int ttl_msecs = value != NULL ?
		cache->ttl_msecs : cache->negative_ttl_msecs;
	unsigned int keep_msecs = I_MAX(ttl_msecs, cache->stale_msecs);

	referral_home_cache_remove(cache, user);
	if (cache->max_count == 0 || keep_msecs == 0)
		return;
	if (hash_table_count(cache->homes) >= cache->max_count)
		referral_home_free(cache, cache->tail);

	home = i_new(struct referral_home, 1);
	home->user = i_strdup(user);
	home->value = i_strdup(value);
	home->added = home->expires = home->kept_until = ioloop_timeval;
	timeval_add_msecs(&home->expires, ttl_msecs);
	timeval_add_msecs(&home->kept_until, keep_msecs);
	hash_table_insert(cache->homes, home->user, home);
	DLLIST2_PREPEND(&cache->head, &cache->tail, home);
}

unsigned int referral_home_cache_count(const struct referral_home_cache *cache)
{
	return hash_table_count(cache->homes);
}
