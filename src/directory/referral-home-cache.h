#ifndef REFERRAL_HOME_CACHE_H
#define REFERRAL_HOME_CACHE_H

/* Answers for users, for a while: the least recently used ones are dropped
   when there are too many. Failures are never cached. */
struct referral_home_cache;

/* A max_count or a TTL of 0 switches (negative) caching off. */
struct referral_home_cache *
referral_home_cache_init(unsigned int max_count, unsigned int ttl_msecs,
			 unsigned int negative_ttl_msecs);
void referral_home_cache_deinit(struct referral_home_cache **cache);

/* Returns TRUE if there is a valid answer: value_r is NULL if the directory
   has no home for the user, else it is valid until the cache is touched. */
bool referral_home_cache_lookup(struct referral_home_cache *cache,
				const char *user, const char **value_r);
void referral_home_cache_add(struct referral_home_cache *cache,
			     const char *user, const char *value) ATTR_NULL(3);

unsigned int referral_home_cache_count(const struct referral_home_cache *cache);

#endif
