/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "hash.h"
#include "llist.h"
#include "referral-cache-time.h"
#include "referral-home-cache.h"

struct referral_home {
	/* The most recently used one is the head. */
	struct referral_home *prev, *next;
	struct referral_cache_time time;
	char *user, *value;

	/* The entry that it is from; empty: none that is known. */
	guid_128_t uuid;
	/* Others that are from the same one. */
	struct referral_home *entry_prev, *entry_next;
};

struct referral_home_cache {
	unsigned int max_count, ttl_msecs, negative_ttl_msecs, stale_msecs;

	HASH_TABLE(char *, struct referral_home *) homes;
	/* The first one of each entry; those of none are there, too, under the
	   empty UUID. */
	HASH_TABLE(const uint8_t *, struct referral_home *) entries;
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
	hash_table_create(&cache->entries, default_pool, 0, guid_128_hash,
			  guid_128_cmp);
	return cache;
}

static void
referral_home_link_entry(struct referral_home_cache *cache,
			 struct referral_home *home)
{
	const uint8_t *key = home->uuid;
	struct referral_home *first;

	first = hash_table_lookup(cache->entries, key);
	if (first == NULL) {
		hash_table_insert(cache->entries, key, home);
		return;
	}
	home->entry_prev = first;
	home->entry_next = first->entry_next;
	first->entry_next = home;
	if (home->entry_next != NULL)
		home->entry_next->entry_prev = home;
}

static void
referral_home_unlink_entry(struct referral_home_cache *cache,
			   struct referral_home *home)
{
	const uint8_t *key = home->uuid;

	if (home->entry_next != NULL)
		home->entry_next->entry_prev = home->entry_prev;
	if (home->entry_prev != NULL) {
		home->entry_prev->entry_next = home->entry_next;
		return;
	}
	/* the first one, whose UUID is the key */
	hash_table_remove(cache->entries, key);
	if (home->entry_next != NULL) {
		key = home->entry_next->uuid;
		hash_table_insert(cache->entries, key, home->entry_next);
	}
}

static void
referral_home_free(struct referral_home_cache *cache,
		   struct referral_home *home)
{
	referral_home_unlink_entry(cache, home);
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
	hash_table_destroy(&cache->entries);
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
	if (!referral_cache_time_is_kept(&home->time)) {
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

	if (home == NULL || !referral_cache_time_is_valid(&home->time))
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
	*added_r = home->time.added;
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

static void
referral_home_cache_remove_entry(struct referral_home_cache *cache,
				 const guid_128_t uuid)
{
	const uint8_t *key = uuid;
	struct referral_home *home;

	while ((home = hash_table_lookup(cache->entries, key)) != NULL)
		referral_home_free(cache, home);
}

void referral_home_cache_entry_changed(struct referral_home_cache *cache,
				       const guid_128_t uuid)
{
	guid_128_t none;

	guid_128_empty(none);
	referral_home_cache_remove_entry(cache, uuid);
	referral_home_cache_remove_entry(cache, none);
}

void referral_home_cache_add(struct referral_home_cache *cache,
			     const char *user, const char *value,
			     const guid_128_t uuid)
{
	struct referral_home *home;
	unsigned int ttl_msecs = value != NULL ?
		cache->ttl_msecs : cache->negative_ttl_msecs;

	referral_home_cache_remove(cache, user);
	if (cache->max_count == 0 ||
	    (ttl_msecs == 0 && cache->stale_msecs == 0))
		return;
	if (hash_table_count(cache->homes) >= cache->max_count)
		referral_home_free(cache, cache->tail);

	home = i_new(struct referral_home, 1);
	home->user = i_strdup(user);
	home->value = i_strdup(value);
	referral_cache_time_init(&home->time, ttl_msecs, cache->stale_msecs);
	if (uuid != NULL)
		guid_128_copy(home->uuid, uuid);
	hash_table_insert(cache->homes, home->user, home);
	referral_home_link_entry(cache, home);
	DLLIST2_PREPEND(&cache->head, &cache->tail, home);
}

unsigned int referral_home_cache_count(const struct referral_home_cache *cache)
{
	return hash_table_count(cache->homes);
}
