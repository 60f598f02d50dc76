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
	struct timeval expires;
	char *user, *value;
};

struct referral_home_cache {
	unsigned int max_count, ttl_msecs, negative_ttl_msecs;

	HASH_TABLE(char *, struct referral_home *) homes;
	struct referral_home *head, *tail;
};

struct referral_home_cache *
referral_home_cache_init(unsigned int max_count, unsigned int ttl_msecs,
			 unsigned int negative_ttl_msecs)
{
	struct referral_home_cache *cache;

	cache = i_new(struct referral_home_cache, 1);
	cache->max_count = max_count;
	cache->ttl_msecs = ttl_msecs;
	cache->negative_ttl_msecs = negative_ttl_msecs;
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

void referral_home_cache_deinit(struct referral_home_cache **_cache)
{
	struct referral_home_cache *cache = *_cache;

	*_cache = NULL;
	while (cache->head != NULL)
		referral_home_free(cache, cache->head);
	hash_table_destroy(&cache->homes);
	i_free(cache);
}

bool referral_home_cache_lookup(struct referral_home_cache *cache,
				const char *user, const char **value_r)
{
	struct referral_home *home;

	home = hash_table_lookup(cache->homes, user);
	if (home == NULL)
		return FALSE;
	if (timeval_cmp(&home->expires, &ioloop_timeval) <= 0) {
		referral_home_free(cache, home);
		return FALSE;
	}
	DLLIST2_REMOVE(&cache->head, &cache->tail, home);
	DLLIST2_PREPEND(&cache->head, &cache->tail, home);
	*value_r = home->value;
	return TRUE;
}

void referral_home_cache_add(struct referral_home_cache *cache,
			     const char *user, const char *value)
{
	struct referral_home *home;
	unsigned int ttl_msecs = value != NULL ?
		cache->ttl_msecs : cache->negative_ttl_msecs;

	home = hash_table_lookup(cache->homes, user);
	if (home != NULL)
		referral_home_free(cache, home);
	if (cache->max_count == 0 || ttl_msecs == 0)
		return;
	if (hash_table_count(cache->homes) >= cache->max_count)
		referral_home_free(cache, cache->tail);

	home = i_new(struct referral_home, 1);
	home->user = i_strdup(user);
	home->value = i_strdup(value);
	home->expires = ioloop_timeval;
	timeval_add_msecs(&home->expires, ttl_msecs);
	hash_table_insert(cache->homes, home->user, home);
	DLLIST2_PREPEND(&cache->head, &cache->tail, home);
}

unsigned int referral_home_cache_count(const struct referral_home_cache *cache)
{
	return hash_table_count(cache->homes);
}
