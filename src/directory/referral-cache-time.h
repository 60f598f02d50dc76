#ifndef REFERRAL_CACHE_TIME_H
#define REFERRAL_CACHE_TIME_H

/* How long a cached answer is good for. */
struct referral_cache_time {
	struct timeval added, expires;
	/* As a stale answer (referral-stale.h): not before expires. */
	struct timeval kept_until;
};

/* It is from now (ioloop_timeval). */
void referral_cache_time_init(struct referral_cache_time *time_r,
			      unsigned int ttl_msecs, unsigned int stale_msecs);
/* Whether it is good for anything. */
bool referral_cache_time_is_kept(const struct referral_cache_time *time);
/* Whether it is an answer like a new one. To be called for those that are
   kept. */
bool referral_cache_time_is_valid(const struct referral_cache_time *time);

#endif
