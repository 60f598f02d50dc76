/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-status.h"
#include "unit-common.h"

static void test_referral_status(void)
{
	struct referral_status status;

	test_begin("referral status");
	ioloop_time = 1000;
	i_zero(&status);
	status.server = "ldap://a.example.org";
	status.state = "connected";
	status.servers_server = "ldap://b.example.org";
	status.servers_state = "disconnected";
	status.requests = 10;
	status.counters.hits = 1;
	status.counters.misses = 2;
	status.counters.stale = 3;
	status.counters.failures = UINT64_MAX;
	status.homes = 5;
	status.searches = 6;
	test_assert_strcmp(referral_status_write(&status),
		"server=ldap://a.example.org state=connected requests=10 "
		"hits=1 misses=2 stale=3 failures=18446744073709551615 "
		"homes=5 homes_mode=timed searches=6 "
		"mailboxes=- mailboxes_mode=- mailboxes_age=- "
		"servers=- servers_mode=- servers_age=- "
		"servers_server=ldap://b.example.org "
		"servers_state=disconnected");

	status.homes_live = TRUE;
	status.mailboxes.loaded = TRUE;
	status.mailboxes.live = TRUE;
	status.mailboxes.count = 7;
	status.mailboxes.synced.tv_sec = 970;
	status.servers.loaded = TRUE;
	status.servers.synced.tv_sec = 1001;
	test_assert(strstr(referral_status_write(&status),
		" homes=5 homes_mode=live searches=6 "
		"mailboxes=7 mailboxes_mode=live mailboxes_age=30 "
		"servers=0 servers_mode=timed servers_age=0 ") != NULL);
	status.mailboxes.stale = TRUE;
	test_assert(strstr(referral_status_write(&status),
			   " mailboxes_mode=stale ") != NULL);
	test_end();
}

static void test_referral_status_count(void)
{
	static const struct {
		struct referral_directory_result result;
		uintmax_t hits, misses, stale, failures;
	} tests[] = {
		{ { .ret = 1, .cached = TRUE }, 1, 0, 0, 0 },
		{ { .ret = 0, .cached = TRUE }, 1, 0, 0, 0 },
		{ { .ret = 1 }, 0, 1, 0, 0 },
		{ { .ret = 0 }, 0, 1, 0, 0 },
		{ { .ret = 1, .stale = TRUE }, 0, 0, 1, 0 },
		{ { .ret = 0, .cached = TRUE, .stale = TRUE }, 0, 0, 1, 0 },
		{ { .ret = -1 }, 0, 0, 0, 1 },
		{ { .ret = -1, .cached = TRUE, .stale = TRUE }, 0, 0, 0, 1 },
	};
	struct referral_directory_counters counters;
	unsigned int i;

	test_begin("referral status: counters");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		i_zero(&counters);
		referral_directory_result_count(&tests[i].result, &counters);
		test_assert_idx(counters.hits == tests[i].hits, i);
		test_assert_idx(counters.misses == tests[i].misses, i);
		test_assert_idx(counters.stale == tests[i].stale, i);
		test_assert_idx(counters.failures == tests[i].failures, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_status,
		test_referral_status_count,
		NULL
	};
	return unit_run(test_functions);
}
