/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-cache-time.h"
#include "unit-common.h"

static void test_referral_cache_time(void)
{
	static const struct {
		unsigned int ttl_msecs, stale_msecs;
		/* Later than it was added */
		int secs;
		bool kept, valid;
	} tests[] = {
		{ 10*1000, 60*1000, 0, TRUE, TRUE },
		{ 10*1000, 60*1000, 9, TRUE, TRUE },
		{ 10*1000, 60*1000, 10, TRUE, FALSE },
		{ 10*1000, 60*1000, 59, TRUE, FALSE },
		{ 10*1000, 60*1000, 60, FALSE, FALSE },
		{ 60*1000, 10*1000, 59, TRUE, TRUE },
		{ 60*1000, 0, 60, FALSE, FALSE },
		{ 0, 10*1000, 0, TRUE, FALSE },
		{ 0, 0, 0, FALSE, FALSE },
		/* the clock was set back */
		{ 10*1000, 60*1000, -1, FALSE, TRUE },
		{ 10*1000, 60*1000, -86400, FALSE, TRUE },
	};
	struct referral_cache_time time;
	unsigned int i;

	test_begin("referral cache time");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		ioloop_timeval.tv_sec = 1000000;
		ioloop_timeval.tv_usec = 500000;
		referral_cache_time_init(&time, tests[i].ttl_msecs,
					 tests[i].stale_msecs);
		test_assert_idx(time.added.tv_sec == 1000000 &&
				time.added.tv_usec == 500000, i);
		ioloop_timeval.tv_sec += tests[i].secs;
		test_assert_idx(referral_cache_time_is_kept(&time) ==
				tests[i].kept, i);
		test_assert_idx(referral_cache_time_is_valid(&time) ==
				tests[i].valid, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_cache_time,
		NULL
	};
	return unit_run(test_functions);
}
