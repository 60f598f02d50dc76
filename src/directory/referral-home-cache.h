#ifndef REFERRAL_HOME_CACHE_H
#define REFERRAL_HOME_CACHE_H

#include "guid.h"

/* Answers for users, for a while: the least recently used ones are dropped
   when there are too many. Failures are never cached. */
struct referral_home_cache;

/* A TTL of 0 switches (negative) caching off, and a max_count of 0 all of it.
   Answers are kept for stale_msecs after they were added, for when there is
   nobody to ask. */
struct referral_home_cache *
referral_home_cache_init(unsigned int max_count, unsigned int ttl_msecs,
			 unsigned int negative_ttl_msecs,
			 unsigned int stale_msecs);
void referral_home_cache_deinit(struct referral_home_cache **cache);

/* Returns TRUE if there is a valid answer: value_r is NULL if the directory
   has no home for the user, else it is valid until the cache is touched. */
bool referral_home_cache_lookup(struct referral_home_cache *cache,
				const char *user, const char **value_r);
/* The same for an answer that may have expired, with the time when it was
   added. Who may use it is another question (referral-stale.h). */
bool referral_home_cache_lookup_stale(struct referral_home_cache *cache,
				      const char *user, const char **value_r,
				      struct timeval *added_r);
/* The UUID is that of the entry that the answer is from; NULL if there is none,
   or it is not known. */
void referral_home_cache_add(struct referral_home_cache *cache,
			     const char *user, const char *value,
			     const guid_128_t uuid) ATTR_NULL(3, 4);
/* Forget the answer for the user, if there is one. */
void referral_home_cache_remove(struct referral_home_cache *cache,
				const char *user);
/* An entry has been added, changed or deleted: forget the answers that are from
   it, and those from no known entry, which may be different now. */
void referral_home_cache_entry_changed(struct referral_home_cache *cache,
				       const guid_128_t uuid);
/* Forget all answers. Returns how many there were. */
unsigned int referral_home_cache_clear(struct referral_home_cache *cache);

/* How many there are, expired ones as well. */
unsigned int referral_home_cache_count(const struct referral_home_cache *cache);

#endif
