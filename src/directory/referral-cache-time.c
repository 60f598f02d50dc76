/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-cache-time.h"

void referral_cache_time_init(struct referral_cache_time *time_r,
			      unsigned int ttl_msecs, unsigned int stale_msecs)
{
	time_r->added = time_r->expires = time_r->kept_until = ioloop_timeval;
	timeval_add_msecs(&time_r->expires, ttl_msecs);
	timeval_add_msecs(&time_r->kept_until, I_MAX(ttl_msecs, stale_msecs));
}

bool referral_cache_time_is_kept(const struct referral_cache_time *time)
{
	/* from the future: the clock was set back, and its age is unknown */
	return timeval_cmp(&time->kept_until, &ioloop_timeval) > 0 &&
		timeval_cmp(&time->added, &ioloop_timeval) <= 0;
}

bool referral_cache_time_is_valid(const struct referral_cache_time *time)
{
	return timeval_cmp(&time->expires, &ioloop_timeval) > 0;
}
