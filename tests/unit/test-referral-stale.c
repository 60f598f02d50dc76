/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-stale.h"
#include "unit-common.h"

#define STALE_MSECS 60000
/* What is said once in that time at most */
#define LOG_INTERVAL_MSECS 30000

static struct event *test_event;
static struct timeval test_known;

/* The clock is the ioloop's: it stands still but when it is told to go. */
static void clock_forward(int msecs)
{
	timeval_add_msecs(&ioloop_timeval, msecs);
	ioloop_time = ioloop_timeval.tv_sec;
}

static struct referral_stale *stale_begin(const char *name, unsigned int msecs)
{
	test_begin(name);
	test_event = event_create(NULL);
	clock_forward(1000);
	test_known = ioloop_timeval;
	return referral_stale_init("homes", msecs, test_event);
}

static void stale_end(struct referral_stale **stale)
{
	referral_stale_deinit(stale);
	test_assert(*stale == NULL);
	event_unref(&test_event);
	test_end();
}

static void test_referral_stale(void)
{
	struct referral_stale *stale;
	char error[] = "ldap://a: down";
	unsigned int i;

	stale = stale_begin("referral stale", STALE_MSECS);
	/* nobody has said that it cannot be asked */
	test_assert(!referral_stale_use(stale, &test_known));
	referral_stale_answered(stale);
	test_assert(!referral_stale_use(stale, &test_known));
	test_assert(referral_stale_count(stale) == 0);

	referral_stale_failed(stale, error);
	/* it is copied */
	error[0] = 'x';
	clock_forward(1000);
	/* once, although it is given often and fails again */
	test_expect_error_string(": giving stale answers, for at most 60 s "
				 "after they were known to be true: "
				 "ldap://a: down");
	for (i = 0; i < 10; i++) {
		test_assert_idx(referral_stale_use(stale, &test_known), i);
		test_expect_no_more_errors();
		referral_stale_failed(stale, "ldap://b: down");
	}
	test_assert(referral_stale_count(stale) == 10);

	referral_stale_answered(stale);
	test_assert(!referral_stale_use(stale, &test_known));
	test_assert(referral_stale_count(stale) == 10);
	stale_end(&stale);
}

/* The time is that since the answer was known to be true, not since the
   directory went away. */
static void test_referral_stale_time(void)
{
	struct referral_stale *stale;
	struct timeval later;

	stale = stale_begin("referral stale: time", STALE_MSECS);
	clock_forward(STALE_MSECS - 1);
	later = ioloop_timeval;
	referral_stale_failed(stale, "down");
	test_expect_error_string("down");
	test_assert(referral_stale_use(stale, &test_known));
	test_expect_no_more_errors();
	clock_forward(1);
	test_assert(!referral_stale_use(stale, &test_known));
	test_assert(referral_stale_use(stale, &later));
	clock_forward(STALE_MSECS - 2);
	test_assert(referral_stale_use(stale, &later));
	clock_forward(1);
	test_assert(!referral_stale_use(stale, &later));

	/* the clock is set back */
	later = ioloop_timeval;
	later.tv_sec++;
	test_assert(!referral_stale_use(stale, &later));
	test_assert(referral_stale_count(stale) == 3);
	stale_end(&stale);

	stale = stale_begin("referral stale: switched off", 0);
	referral_stale_failed(stale, "down");
	test_assert(!referral_stale_use(stale, &test_known));
	test_assert(referral_stale_count(stale) == 0);
	stale_end(&stale);

	/* a week in milliseconds is not yet too much */
	stale = stale_begin("referral stale: a week", 7*24*3600*1000);
	referral_stale_failed(stale, "down");
	test_known.tv_sec -= 7*24*3600 - 1;
	test_expect_error_string("for at most 604800 s");
	test_assert(referral_stale_use(stale, &test_known));
	test_expect_no_more_errors();
	test_known.tv_sec -= 1;
	test_assert(!referral_stale_use(stale, &test_known));
	test_known.tv_sec -= 3*365*24*3600;
	test_assert(!referral_stale_use(stale, &test_known));
	stale_end(&stale);
}

/* It can be asked now and then: the log does not say so each time, but it does
   when it lasts. */
static void test_referral_stale_log(void)
{
	struct referral_stale *stale;
	unsigned int i;

	stale = stale_begin("referral stale: log", STALE_MSECS);
	test_expect_error_string("cannot be asked for homes since");
	for (i = 0; i < 5; i++) {
		referral_stale_failed(stale, "down");
		test_assert_idx(referral_stale_use(stale, &test_known), i);
		test_expect_no_more_errors();
		referral_stale_answered(stale);
	}
	referral_stale_failed(stale, "down");
	test_assert(referral_stale_use(stale, &test_known));
	clock_forward(LOG_INTERVAL_MSECS);
	test_expect_error_string("cannot be asked for homes since");
	test_assert(referral_stale_use(stale, &test_known));
	test_expect_no_more_errors();
	stale_end(&stale);
}

static void test_referral_stale_stop(void)
{
	struct referral_stale *stale;

	stale = stale_begin("referral stale: stop", STALE_MSECS);
	referral_stale_failed(stale, "down");
	referral_stale_stop(stale);
	test_assert(!referral_stale_use(stale, &test_known));
	referral_stale_failed(stale, "shutting down");
	test_assert(!referral_stale_use(stale, &test_known));
	referral_stale_answered(stale);
	stale_end(&stale);
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_stale,
		test_referral_stale_time,
		test_referral_stale_log,
		test_referral_stale_stop,
		NULL
	};
	return unit_run(test_functions);
}
