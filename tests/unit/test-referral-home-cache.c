/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-home-cache.h"
#include "unit-common.h"

#define TTL_MSECS 60000
#define NEGATIVE_TTL_MSECS 10000
#define STALE_MSECS 30000

/* The cache's clock is the ioloop's, so that it stands still while a test
   computes, and goes when it is told to. */
static void clock_forward(int msecs)
{
	timeval_add_msecs(&ioloop_timeval, msecs);
}

static const char *lookup(struct referral_home_cache *cache, const char *user)
{
	const char *value = "unset";

	if (!referral_home_cache_lookup(cache, user, &value))
		return "miss";
	return value == NULL ? "none" : value;
}

static const char *
lookup_stale(struct referral_home_cache *cache, const char *user,
	     struct timeval *added_r)
{
	const char *value = "unset";

	i_zero(added_r);
	if (!referral_home_cache_lookup_stale(cache, user, &value, added_r))
		return "miss";
	return value == NULL ? "none" : value;
}

static void test_referral_home_cache(void)
{
	struct referral_home_cache *cache;
	char user[] = "joe", value[] = "imap://a/";

	test_begin("referral home cache");
	cache = referral_home_cache_init(100, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 0);
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	referral_home_cache_add(cache, user, value, NULL);
	referral_home_cache_add(cache, "jane", NULL, NULL);
	/* both are copied */
	user[0] = value[0] = 'x';
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");
	test_assert_strcmp(lookup(cache, "jane"), "none");
	test_assert_strcmp(lookup(cache, "xoe"), "miss");
	/* user names are what they are */
	test_assert_strcmp(lookup(cache, "Joe"), "miss");
	test_assert_strcmp(lookup(cache, ""), "miss");
	test_assert(referral_home_cache_count(cache) == 2);

	/* the last one counts */
	referral_home_cache_add(cache, "joe", "imap://b/", NULL);
	referral_home_cache_add(cache, "jane", "imap://c/", NULL);
	test_assert_strcmp(lookup(cache, "joe"), "imap://b/");
	test_assert_strcmp(lookup(cache, "jane"), "imap://c/");
	referral_home_cache_add(cache, "joe", NULL, NULL);
	test_assert_strcmp(lookup(cache, "joe"), "none");
	test_assert(referral_home_cache_count(cache) == 2);
	referral_home_cache_deinit(&cache);
	test_assert(cache == NULL);
	test_end();
}

static void test_referral_home_cache_ttl(void)
{
	struct referral_home_cache *cache;

	test_begin("referral home cache: TTL");
	cache = referral_home_cache_init(100, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 0);
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	referral_home_cache_add(cache, "jane", NULL, NULL);

	clock_forward(NEGATIVE_TTL_MSECS - 1);
	test_assert_strcmp(lookup(cache, "jane"), "none");
	clock_forward(1);
	test_assert_strcmp(lookup(cache, "jane"), "miss");
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");

	/* being asked for does not make it live longer */
	clock_forward(TTL_MSECS - NEGATIVE_TTL_MSECS - 1);
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");
	clock_forward(1);
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	test_assert(referral_home_cache_count(cache) == 0);

	/* being added does */
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	clock_forward(TTL_MSECS - 1);
	referral_home_cache_add(cache, "joe", "imap://b/", NULL);
	clock_forward(TTL_MSECS - 1);
	test_assert_strcmp(lookup(cache, "joe"), "imap://b/");

	/* the clock is set back */
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	ioloop_timeval.tv_sec -= 3600;
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	referral_home_cache_deinit(&cache);
	test_end();
}

static void test_referral_home_cache_lru(void)
{
	struct referral_home_cache *cache;
	unsigned int i;

	test_begin("referral home cache: least recently used");
	cache = referral_home_cache_init(3, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 0);
	referral_home_cache_add(cache, "a", "1", NULL);
	referral_home_cache_add(cache, "b", "2", NULL);
	referral_home_cache_add(cache, "c", NULL, NULL);
	test_assert_strcmp(lookup(cache, "a"), "1");
	/* now b is the oldest */
	referral_home_cache_add(cache, "d", "4", NULL);
	test_assert_strcmp(lookup(cache, "b"), "miss");
	test_assert_strcmp(lookup(cache, "c"), "none");
	test_assert_strcmp(lookup(cache, "a"), "1");
	test_assert_strcmp(lookup(cache, "d"), "4");
	/* replacing one of them drops none */
	referral_home_cache_add(cache, "c", "3", NULL);
	test_assert_strcmp(lookup(cache, "a"), "1");
	test_assert_strcmp(lookup(cache, "d"), "4");
	test_assert_strcmp(lookup(cache, "c"), "3");

	for (i = 0; i < 1000; i++) T_BEGIN {
		referral_home_cache_add(cache, t_strdup_printf("user%u", i),
					i % 3 == 0 ? NULL : "imap://a/", NULL);
		test_assert_idx(referral_home_cache_count(cache) == 3, i);
	} T_END;
	test_assert_strcmp(lookup(cache, "user999"), "none");
	test_assert_strcmp(lookup(cache, "user998"), "imap://a/");
	test_assert_strcmp(lookup(cache, "user996"), "miss");
	referral_home_cache_deinit(&cache);

	cache = referral_home_cache_init(1, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 0);
	referral_home_cache_add(cache, "a", "1", NULL);
	referral_home_cache_add(cache, "b", "2", NULL);
	test_assert_strcmp(lookup(cache, "a"), "miss");
	test_assert_strcmp(lookup(cache, "b"), "2");
	referral_home_cache_deinit(&cache);
	test_end();
}

/* What has expired is kept, for when there is nobody to ask. */
static void test_referral_home_cache_stale(void)
{
	struct referral_home_cache *cache;
	struct timeval added, now;

	test_begin("referral home cache: stale");
	/* shorter than one TTL, and longer than the other */
	cache = referral_home_cache_init(2, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 STALE_MSECS);
	now = ioloop_timeval;
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	referral_home_cache_add(cache, "jane", NULL, NULL);
	test_assert_strcmp(lookup_stale(cache, "joe", &added), "imap://a/");
	test_assert(timeval_cmp(&added, &now) == 0);
	test_assert_strcmp(lookup_stale(cache, "jim", &added), "miss");

	clock_forward(STALE_MSECS - 1);
	test_assert_strcmp(lookup(cache, "jane"), "miss");
	test_assert_strcmp(lookup_stale(cache, "jane", &added), "none");
	test_assert(timeval_cmp(&added, &now) == 0);
	clock_forward(1);
	test_assert_strcmp(lookup_stale(cache, "jane", &added), "miss");
	test_assert_strcmp(lookup(cache, "jane"), "miss");
	test_assert(referral_home_cache_count(cache) == 1);
	/* valid, and so not too old for anything */
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");
	test_assert_strcmp(lookup_stale(cache, "joe", &added), "imap://a/");
	clock_forward(TTL_MSECS - STALE_MSECS);
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	test_assert_strcmp(lookup_stale(cache, "joe", &added), "miss");
	test_assert(referral_home_cache_count(cache) == 0);

	/* they count, and a new answer is new */
	referral_home_cache_add(cache, "a", NULL, NULL);
	referral_home_cache_add(cache, "b", NULL, NULL);
	clock_forward(NEGATIVE_TTL_MSECS);
	referral_home_cache_add(cache, "a", "1", NULL);
	now = ioloop_timeval;
	test_assert_strcmp(lookup_stale(cache, "a", &added), "1");
	test_assert(timeval_cmp(&added, &now) == 0);
	referral_home_cache_add(cache, "c", "3", NULL);
	test_assert(referral_home_cache_count(cache) == 2);
	test_assert_strcmp(lookup_stale(cache, "b", &added), "miss");
	referral_home_cache_deinit(&cache);

	/* not cached, but kept all the same */
	cache = referral_home_cache_init(2, 0, 0, STALE_MSECS);
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	test_assert_strcmp(lookup_stale(cache, "joe", &added), "imap://a/");
	referral_home_cache_deinit(&cache);
	test_end();
}

static void test_referral_home_cache_remove(void)
{
	struct referral_home_cache *cache;
	struct timeval added;

	test_begin("referral home cache: remove and clear");
	cache = referral_home_cache_init(10, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 STALE_MSECS);
	test_assert(referral_home_cache_clear(cache) == 0);
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	referral_home_cache_add(cache, "jane", NULL, NULL);
	referral_home_cache_add(cache, "jim", NULL, NULL);
	referral_home_cache_remove(cache, "nobody");
	test_assert(referral_home_cache_count(cache) == 3);
	referral_home_cache_remove(cache, "jane");
	test_assert_strcmp(lookup(cache, "jane"), "miss");
	test_assert_strcmp(lookup_stale(cache, "jane", &added), "miss");
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");
	/* expired ones as well */
	clock_forward(NEGATIVE_TTL_MSECS);
	test_assert(referral_home_cache_clear(cache) == 2);
	test_assert_strcmp(lookup(cache, "joe"), "miss");
	test_assert_strcmp(lookup_stale(cache, "jim", &added), "miss");
	test_assert(referral_home_cache_count(cache) == 0);
	referral_home_cache_add(cache, "joe", "imap://a/", NULL);
	test_assert_strcmp(lookup(cache, "joe"), "imap://a/");
	referral_home_cache_deinit(&cache);
	test_end();
}

/* What an entry that changes takes with it. */
static void test_referral_home_cache_entry(void)
{
	static const guid_128_t joe = { 1 }, jane = { 2 }, other = { 1, 1 };
	struct referral_home_cache *cache;
	unsigned int i;

	test_begin("referral home cache: entries that change");
	cache = referral_home_cache_init(100, TTL_MSECS, NEGATIVE_TTL_MSECS,
					 0);
	for (i = 0; i < 3; i++) {
		/* several names of one user, and one of them twice */
		referral_home_cache_add(cache, "joe", "imap://a/", joe);
		referral_home_cache_add(cache, "joe@x", "imap://a/", joe);
		referral_home_cache_add(cache, "joe@y", "imap://a/", joe);
		referral_home_cache_add(cache, "joe@x", "imap://a/", joe);
		referral_home_cache_add(cache, "jane", "imap://b/", jane);
		/* an entry without a home, and no entry */
		referral_home_cache_add(cache, "jim", NULL, other);
		referral_home_cache_add(cache, "nobody", NULL, NULL);
		referral_home_cache_add(cache, "none", NULL, NULL);

		/* somebody new: that may be nobody */
		referral_home_cache_entry_changed(cache,
						  (const guid_128_t){ 9 });
		test_assert_strcmp_idx(lookup(cache, "nobody"), "miss", i);
		test_assert_strcmp_idx(lookup(cache, "none"), "miss", i);
		test_assert_idx(referral_home_cache_count(cache) == 5, i);
		switch (i) {
		case 0:
			break;
		case 1:
			referral_home_cache_remove(cache, "joe");
			break;
		case 2:
			referral_home_cache_remove(cache, "joe@y");
			break;
		}
		test_assert_strcmp_idx(lookup(cache, "joe@x"), "imap://a/", i);

		referral_home_cache_entry_changed(cache, joe);
		test_assert_strcmp_idx(lookup(cache, "joe"), "miss", i);
		test_assert_strcmp_idx(lookup(cache, "joe@x"), "miss", i);
		test_assert_strcmp_idx(lookup(cache, "joe@y"), "miss", i);
		test_assert_strcmp_idx(lookup(cache, "jane"), "imap://b/", i);
		test_assert_strcmp_idx(lookup(cache, "jim"), "none", i);
		referral_home_cache_entry_changed(cache, other);
		test_assert_strcmp_idx(lookup(cache, "jim"), "miss", i);
		test_assert_idx(referral_home_cache_count(cache) == 1, i);
		/* it has become somebody else's */
		referral_home_cache_add(cache, "jane", "imap://b/", other);
		referral_home_cache_entry_changed(cache, jane);
		test_assert_strcmp_idx(lookup(cache, "jane"), "imap://b/", i);
		referral_home_cache_entry_changed(cache, other);
		test_assert_idx(referral_home_cache_count(cache) == 0, i);
	}
	referral_home_cache_deinit(&cache);
	test_end();
}

static void test_referral_home_cache_off(void)
{
	static const struct {
		unsigned int max_count, ttl_msecs, negative_ttl_msecs;
		const char *positive, *negative;
	} tests[] = {
		{ 0, TTL_MSECS, NEGATIVE_TTL_MSECS, "miss", "miss" },
		{ 10, 0, NEGATIVE_TTL_MSECS, "miss", "none" },
		{ 10, TTL_MSECS, 0, "imap://a/", "miss" },
		{ 10, 0, 0, "miss", "miss" },
	};
	struct referral_home_cache *cache;
	unsigned int i;

	test_begin("referral home cache: switched off");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		cache = referral_home_cache_init(tests[i].max_count,
						 tests[i].ttl_msecs,
						 tests[i].negative_ttl_msecs,
						 0);
		referral_home_cache_add(cache, "joe", "imap://a/", NULL);
		referral_home_cache_add(cache, "jane", NULL, NULL);
		test_assert_strcmp_idx(lookup(cache, "joe"),
				       tests[i].positive, i);
		test_assert_strcmp_idx(lookup(cache, "jane"),
				       tests[i].negative, i);
		/* what is not cached does not leave the old answer either */
		referral_home_cache_add(cache, "joe", NULL, NULL);
		test_assert_strcmp_idx(lookup(cache, "joe"),
				       tests[i].negative, i);
		referral_home_cache_add(cache, "joe", "imap://a/", NULL);
		test_assert_strcmp_idx(lookup(cache, "joe"),
				       tests[i].positive, i);
		referral_home_cache_deinit(&cache);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_home_cache,
		test_referral_home_cache_ttl,
		test_referral_home_cache_lru,
		test_referral_home_cache_stale,
		test_referral_home_cache_remove,
		test_referral_home_cache_entry,
		test_referral_home_cache_off,
		NULL
	};
	return unit_run(test_functions);
}
