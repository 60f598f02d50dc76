/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-home.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-value-log.h"
#include "unit-ldap.h"

/* What an entry says is tested with the directory (test-referral-directory.c):
   here it is when it is searched for, and when an answer is given. */

#define TTL_MSECS 100
#define TTL "100ms"

struct test_lookup {
	unsigned int callback_count;
	int ret;
	bool cached, stale;
	char *value, *error;
	/* Look up the same user when it is finished. */
	struct test_lookup *again;
};

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct event *test_event;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;
static struct referral_value_log *test_log;
static struct referral_homes *test_homes;

static const char *test_live = "no";

static void test_home_begin(const char *name, const char *ttl,
			    const char *stale_time)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test homes", 1024);
	test_event = event_create(NULL);
	test_server = fake_ldap_init("ldap");
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", "20s", "home_ttl", ttl,
				 "home_negative_ttl", ttl,
				 "stale_time", stale_time,
				 "live", test_live, NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), test_event);
	test_log = referral_value_log_init(test_event);
	test_homes = referral_homes_init(test_conn, set, test_log, test_event);
}

static void test_home_end(void)
{
	referral_homes_stop(test_homes);
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	referral_homes_deinit(&test_homes);
	test_assert(test_homes == NULL);
	referral_value_log_deinit(&test_log);
	fake_ldap_deinit(&test_server);
	event_unref(&test_event);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void test_lookup_start(struct test_lookup *lookup_r, const char *user);

static void test_lookup_callback(const struct referral_directory_result *result,
				 struct test_lookup *lookup)
{
	test_assert(lookup->callback_count == 0);
	lookup->callback_count++;
	lookup->ret = result->ret;
	lookup->cached = result->cached;
	lookup->stale = result->stale;
	lookup->value = i_strdup(result->ret > 0 ? result->value : NULL);
	lookup->error = i_strdup(result->ret < 0 ? result->error : NULL);
	if (lookup->again != NULL)
		test_lookup_start(lookup->again, "bob");
}

static void test_lookup_start(struct test_lookup *lookup_r, const char *user)
{
	i_zero(lookup_r);
	referral_homes_lookup(test_homes, user, test_lookup_callback, lookup_r);
}

static void test_lookup_free(struct test_lookup *lookup)
{
	i_free(lookup->value);
	i_free(lookup->error);
	lookup->callback_count = 0;
}

static const char *test_lookup_str(const struct test_lookup *lookup)
{
	return t_strdup_printf("%s%s", lookup->stale ? "stale " :
			       lookup->cached ? "cached " : "",
			       lookup->ret < 0 ? "error" :
			       lookup->ret == 0 ? "none" : lookup->value);
}

/* Look up, and wait for the answer: "stale" or "cached", and the value, "none"
   or "error". */
static const char *lookup(const char *user)
{
	struct test_lookup lookup;
	const char *result;

	test_lookup_start(&lookup, user);
	unit_wait(lookup.callback_count == 1);
	result = test_lookup_str(&lookup);
	test_lookup_free(&lookup);
	return result;
}

#define UUID "00112233-4455-6677-8899-aabbccddeeff"
static const guid_128_t test_uuid = {
	0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
	0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff
};
static const guid_128_t test_other_uuid = { 1 };

static void home_answer(struct fake_ldap_request *request, const char *host)
{
	const struct fake_ldap_entry entry = {
		"uid=x,dc=test", {
			{ "mailHost", host, 0 },
			{ "entryUUID", UUID, 0 },
			{ NULL, NULL, 0 }
		}
	};

	if (host != NULL)
		fake_ldap_send_entry(request, &entry);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

/* How searches are answered: with this result, or success and a home for
   everybody but nobody. */
static int test_result;
static const char *test_host;

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	if (test_result != LDAP_SUCCESS)
		fake_ldap_send_result(request, test_result, NULL);
	else {
		home_answer(request, strcmp(request->filter,
			"(uid=nobody)") == 0 ? NULL : test_host);
	}
}

/* Whoever asks for the same user at the same time waits for one search. */
static void test_referral_home_one_search(void)
{
	struct test_lookup lookups[20], other;
	unsigned int i;

	test_home_begin("referral home: one search for each user", "1h", "0");
	for (i = 0; i < N_ELEMENTS(lookups); i++)
		test_lookup_start(&lookups[i], "bob");
	test_lookup_start(&other, "alice");
	unit_wait(test_server->search_count == 2);
	unit_run_msecs(10);
	test_assert(test_server->search_count == 2);
	test_assert(referral_homes_search_count(test_homes) == 2);
	home_answer(fake_ldap_search(test_server, 1), "imap1");
	unit_wait(other.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&other), "imap://imap1/");
	test_lookup_free(&other);
	test_assert(lookups[0].callback_count == 0);
	home_answer(fake_ldap_search(test_server, 0), "imap2");
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1);
		test_assert_strcmp_idx(test_lookup_str(&lookups[i]),
				       "imap://imap2/", i);
		test_lookup_free(&lookups[i]);
	}
	test_assert_strcmp(lookup("bob"), "cached imap://imap2/");
	test_assert(referral_homes_count(test_homes) == 2);
	test_home_end();

	/* and they fail at the same time */
	test_home_begin("referral home: one search that fails", "1h", "0");
	for (i = 0; i < N_ELEMENTS(lookups); i++)
		test_lookup_start(&lookups[i], "bob");
	unit_wait(test_server->search_count == 1);
	fake_ldap_send_result(fake_ldap_search(test_server, 0),
			      LDAP_INSUFFICIENT_ACCESS, NULL);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1);
		test_assert_idx(lookups[i].ret == -1, i);
		test_assert_idx(strstr(lookups[i].error,
				       "Insufficient access") != NULL, i);
		test_lookup_free(&lookups[i]);
	}
	test_assert(test_server->search_count == 1);
	/* the next one is a new search */
	test_lookup_start(&other, "bob");
	unit_wait(test_server->search_count == 2);
	home_answer(fake_ldap_search(test_server, 1), NULL);
	unit_wait(other.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&other), "none");
	test_lookup_free(&other);
	test_home_end();
}

/* Callbacks that look up the same user again. */
static void test_referral_home_again(void)
{
	struct test_lookup lookups[3], again[N_ELEMENTS(lookups)];
	unsigned int i;

	test_home_begin("referral home: lookup by a callback", "1h", "0");
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		i_zero(&again[i]);
		test_lookup_start(&lookups[i], "bob");
		lookups[i].again = &again[i];
	}
	unit_wait(test_server->search_count == 1);
	home_answer(fake_ldap_search(test_server, 0), "imap2");
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(again[i].callback_count == 1);
		test_assert_strcmp_idx(test_lookup_str(&again[i]),
				       "cached imap://imap2/", i);
		test_lookup_free(&lookups[i]);
		test_lookup_free(&again[i]);
	}
	test_home_end();

	/* nothing is cached: they wait for one search again */
	test_home_begin("referral home: lookup by a callback, failure", "1h",
			"0");
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		i_zero(&again[i]);
		test_lookup_start(&lookups[i], "bob");
		lookups[i].again = &again[i];
	}
	unit_wait(test_server->search_count == 1);
	fake_ldap_send_result(fake_ldap_search(test_server, 0),
			      LDAP_NO_SUCH_OBJECT, NULL);
	unit_wait(test_server->search_count == 2);
	for (i = 0; i < N_ELEMENTS(lookups); i++)
		test_assert_idx(lookups[i].callback_count == 1, i);
	referral_homes_stop(test_homes);
	referral_ldap_connection_deinit(&test_conn);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_assert_idx(again[i].callback_count == 1, i);
		test_assert_idx(again[i].ret == -1, i);
		test_lookup_free(&lookups[i]);
		test_lookup_free(&again[i]);
	}
	test_home_end();
}

/* What is in flight may be older than the flush. */
static void test_referral_home_flush(void)
{
	struct test_lookup before, after, last;

	test_home_begin("referral home: flush", "1h", "0");
	test_assert(referral_homes_flush(test_homes) == 0);
	test_lookup_start(&before, "bob");
	unit_wait(test_server->search_count == 1);
	test_assert(referral_homes_flush(test_homes) == 0);
	/* a search of its own */
	test_lookup_start(&after, "bob");
	unit_wait(test_server->search_count == 2);
	test_lookup_start(&last, "bob");
	home_answer(fake_ldap_search(test_server, 1), "new");
	unit_wait(after.callback_count == 1 && last.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&after), "imap://new/");
	test_assert_strcmp(test_lookup_str(&last), "imap://new/");
	home_answer(fake_ldap_search(test_server, 0), "old");
	unit_wait(before.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&before), "imap://old/");
	/* which is not cached */
	test_assert_strcmp(lookup("bob"), "cached imap://new/");
	test_assert(test_server->search_count == 2);
	test_assert(referral_homes_flush(test_homes) == 1);
	test_assert(referral_homes_count(test_homes) == 0);
	test_lookup_free(&before);
	test_lookup_free(&after);
	test_lookup_free(&last);

	/* twice, while it is in flight */
	test_lookup_start(&before, "bob");
	unit_wait(test_server->search_count == 3);
	test_assert(referral_homes_flush(test_homes) == 0);
	test_assert(referral_homes_flush(test_homes) == 0);
	home_answer(fake_ldap_search(test_server, 2), NULL);
	unit_wait(before.callback_count == 1);
	test_lookup_free(&before);
	test_assert(referral_homes_count(test_homes) == 0);
	test_home_end();
}

/* Entries change, and somebody tells us. */
static void test_referral_home_entry_changed(void)
{
	struct test_lookup before, after;

	test_live = "all";
	test_home_begin("referral home: entries that change", "1h", "0");
	test_live = "no";
	test_result = LDAP_SUCCESS;
	test_host = "imap2";
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_assert_strcmp(lookup("bob@example.org"), "imap://imap2/");
	test_assert_strcmp(lookup("nobody"), "none");
	test_assert(strstr(fake_ldap_search(test_server, 0)->attributes,
			   " entryUUID") != NULL);

	/* somebody else's: this may be nobody's entry from now on */
	referral_homes_entry_changed(test_homes, test_other_uuid);
	test_assert_strcmp(lookup("bob"), "cached imap://imap2/");
	test_assert_strcmp(lookup("nobody"), "none");
	test_assert_strcmp(lookup("nobody"), "cached none");
	/* all names of the one whose it is */
	test_host = "imap3";
	referral_homes_entry_changed(test_homes, test_uuid);
	test_assert_strcmp(lookup("bob"), "imap://imap3/");
	test_assert_strcmp(lookup("bob@example.org"), "imap://imap3/");
	test_assert_strcmp(lookup("bob"), "cached imap://imap3/");

	/* while a search is in flight, whose answer may be older */
	referral_homes_entry_changed(test_homes, test_uuid);
	test_server->handler = NULL;
	test_server->search_count = 0;
	test_lookup_start(&before, "bob");
	unit_wait(test_server->search_count == 1);
	referral_homes_entry_changed(test_homes, test_uuid);
	test_server->handler = test_handler;
	home_answer(fake_ldap_search(test_server, 6), "old");
	unit_wait(before.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&before), "imap://old/");
	test_host = "new";
	test_lookup_start(&after, "bob");
	unit_wait(after.callback_count == 1);
	test_assert_strcmp(test_lookup_str(&after), "imap://new/");
	test_lookup_free(&before);
	test_lookup_free(&after);
	test_home_end();

	test_home_begin("referral home: not live", "1h", "0");
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://new/");
	test_assert(strstr(fake_ldap_search(test_server, 0)->attributes,
			   "entryUUID") == NULL);
	test_home_end();
}

/* Stop it, and let the connection notice. */
static void test_stop_server(void)
{
	struct referral_ldap_status status;

	fake_ldap_stop(test_server);
	do {
		unit_run_msecs(1);
		referral_ldap_connection_get_status(test_conn, &status);
	} while (strcmp(status.state, "connected") == 0);
}

static void test_expire(void)
{
	unit_run_msecs(TTL_MSECS * 2);
}

/* Nobody can be asked: what was known, for a while. */
static void test_referral_home_stale(void)
{
	test_home_begin("referral home: stale", TTL, "1h");
	test_result = LDAP_SUCCESS;
	test_host = "imap2";
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_assert_strcmp(lookup("nobody"), "none");
	test_expire();

	/* it is there, so it is asked */
	test_host = "imap3";
	test_assert_strcmp(lookup("bob"), "imap://imap3/");
	test_expire();

	/* it is not; the log says so once */
	test_stop_server();
	test_expect_error_string("The directory cannot be asked for homes ");
	test_assert_strcmp(lookup("bob"), "stale imap://imap3/");
	test_expect_no_more_errors();
	test_assert_strcmp(lookup("nobody"), "stale none");
	test_assert_strcmp(lookup("bob"), "stale imap://imap3/");
	/* never known: cannot ask is not the same as not found */
	test_assert_strcmp(lookup("alice"), "error");

	/* and is back again */
	test_host = "imap1";
	fake_ldap_start(test_server);
	unit_run_msecs(200);
	test_assert_strcmp(lookup("bob"), "imap://imap1/");
	test_assert_strcmp(lookup("bob"), "cached imap://imap1/");
	test_assert_strcmp(lookup("alice"), "imap://imap1/");
	test_assert_strcmp(lookup("nobody"), "none");
	test_home_end();
}

/* Servers that say that they cannot serve are as good as none; those that say
   no have been asked. */
static void test_referral_home_stale_results(void)
{
	static const struct {
		int result;
		const char *answer;
	} tests[] = {
		{ LDAP_BUSY, "stale imap://imap2/" },
		{ LDAP_UNAVAILABLE, "stale imap://imap2/" },
		{ LDAP_UNWILLING_TO_PERFORM, "stale imap://imap2/" },
		{ LDAP_OTHER, "stale imap://imap2/" },
		{ LDAP_NO_SUCH_OBJECT, "error" },
		{ LDAP_INSUFFICIENT_ACCESS, "error" },
		{ LDAP_INVALID_CREDENTIALS, "error" },
		{ LDAP_ADMINLIMIT_EXCEEDED, "error" },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_home_begin("referral home: stale, or refused", TTL, "1h");
		test_result = LDAP_SUCCESS;
		test_host = "imap2";
		test_server->handler = test_handler;
		test_assert_strcmp(lookup("bob"), "imap://imap2/");
		test_expire();
		test_result = tests[i].result;
		if (strcmp(tests[i].answer, "error") != 0)
			test_expect_error_string("giving stale answers");
		test_assert_strcmp_idx(lookup("bob"), tests[i].answer, i);
		test_expect_no_more_errors();
		/* what it said before was not true any more: even if nobody can
		   be asked now */
		test_result = LDAP_UNAVAILABLE;
		unit_run_msecs(100);
		test_assert_strcmp_idx(lookup("bob"), tests[i].answer, i);
		test_home_end();
	}
}

/* An entry that cannot be used is no reason for an older answer. */
static void test_referral_home_stale_broken(void)
{
	test_home_begin("referral home: stale, broken value", TTL, "1h");
	test_result = LDAP_SUCCESS;
	test_host = "imap2";
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_expire();
	test_host = "h_1";
	test_expect_error_string("Skipping mailHost='h_1'");
	test_assert_strcmp(lookup("bob"), "error");
	test_expect_no_more_errors();
	test_stop_server();
	test_assert_strcmp(lookup("bob"), "error");
	test_home_end();
}

static void test_referral_home_stale_time(void)
{
	test_home_begin("referral home: stale time", TTL, "300ms");
	test_result = LDAP_SUCCESS;
	test_host = "imap2";
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	unit_run_msecs(350);
	test_stop_server();
	test_assert_strcmp(lookup("bob"), "error");
	test_home_end();

	test_home_begin("referral home: no stale answers", TTL, "0");
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_expire();
	test_stop_server();
	test_assert_strcmp(lookup("bob"), "error");
	test_home_end();

	/* nothing is cached, nothing is kept */
	test_home_begin("referral home: stale after flush", TTL, "1h");
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_expire();
	test_assert(referral_homes_flush(test_homes) == 1);
	test_stop_server();
	test_assert_strcmp(lookup("bob"), "error");
	test_home_end();
}

/* The end of the process is no reason to answer, or to log. */
static void test_referral_home_stop(void)
{
	struct test_lookup lookup1;

	test_home_begin("referral home: stop", TTL, "1h");
	test_result = LDAP_SUCCESS;
	test_host = "imap2";
	test_server->handler = test_handler;
	test_assert_strcmp(lookup("bob"), "imap://imap2/");
	test_expire();
	test_server->handler = NULL;
	test_lookup_start(&lookup1, "bob");
	unit_wait(test_server->search_count == 2);
	referral_homes_stop(test_homes);
	referral_ldap_connection_deinit(&test_conn);
	test_assert(lookup1.callback_count == 1 && lookup1.ret == -1);
	test_lookup_free(&lookup1);
	test_home_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_home_one_search,
		test_referral_home_again,
		test_referral_home_flush,
		test_referral_home_entry_changed,
		test_referral_home_stale,
		test_referral_home_stale_results,
		test_referral_home_stale_broken,
		test_referral_home_stale_time,
		test_referral_home_stop,
		NULL
	};
	return unit_run(test_functions);
}
