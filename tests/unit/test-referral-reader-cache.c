/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-reader.h"
#include "referral-reader-cache.h"
#include "unit-ldap.h"

#define END { { NULL, NULL, 0 } }
#define JOE "uid=joe,ou=people,dc=test"
#define SALES "cn=sales,ou=groups,dc=test"
#define GROUPS_OF_JOE \
	"(|(member="JOE")(uniqueMember="JOE")(memberUid=joe))"

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;
static struct referral_reader_cache *test_cache;
static struct event *test_event;

/* Of the kind of search */
static unsigned int test_entry_searches, test_group_searches;
static bool test_hold_groups;
static int test_entry_result, test_group_result;
static unsigned int test_group_count;
/* The middle of their DNs */
static const char *test_group_parent;
static struct fake_ldap_request *test_group_request;

struct test_get {
	unsigned int callback_count;
	struct referral_reader *reader;
	bool stale;
	char *error;
};

static void groups_answer(struct fake_ldap_request *request)
{
	static const struct fake_ldap_entry group = { SALES, END };
	unsigned int i;

	if (strcmp(request->filter, GROUPS_OF_JOE) == 0)
		fake_ldap_send_entry(request, &group);
	for (i = 0; i < test_group_count; i++) {
		const struct fake_ldap_entry other = {
			t_strdup_printf("cn=%u,%sdc=test", i,
					test_group_parent), END
		};
		fake_ldap_send_entry(request, &other);
	}
	fake_ldap_send_result(request, test_group_result, NULL);
}

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	static const struct fake_ldap_entry joe = { JOE, END };
	static const struct fake_ldap_entry comma = {
		"uid=a\\2Cb\\2A\\28,dc=test", END
	};
	static const struct fake_ldap_entry big = { "uid=big,dc=test", END };
	static const struct fake_ldap_entry joe2 = { "uid=joe,dc=test", END };

	test_assert_strcmp(request->attributes, "1.1");
	if (strncmp(request->filter, "(uid=", 5) == 0) {
		test_entry_searches++;
		test_assert_strcmp(request->dn, "ou=people,dc=test");
		if (strcmp(request->filter, "(uid=joe)") == 0)
			fake_ldap_send_entry(request, &joe);
		else if (strncmp(request->filter, "(uid=big", 8) == 0)
			fake_ldap_send_entry(request, &big);
		else if (strcmp(request->filter, "(uid=twice)") == 0) {
			fake_ldap_send_entry(request, &joe);
			fake_ldap_send_entry(request, &joe2);
		} else if (strcmp(request->filter,
				  "(uid=a,b\\2a\\28)") == 0)
			fake_ldap_send_entry(request, &comma);
		fake_ldap_send_result(request, test_entry_result, NULL);
		return;
	}
	test_group_searches++;
	test_group_request = request;
	test_assert_strcmp(request->dn, "dc=test");
	if (!test_hold_groups)
		groups_answer(request);
}

static void
test_begin_stale_cache(const char *name, const char *timeout, const char *ttl,
		       const char *size, const char *stale_time)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test readers", 1024);
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_entry_searches = test_group_searches = test_group_count = 0;
	test_group_parent = "";
	test_hold_groups = FALSE;
	test_entry_result = test_group_result = LDAP_SUCCESS;
	test_event = event_create(NULL);
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "home_base", "ou=people,dc=test",
				 "timeout", timeout, "home_ttl", ttl,
				 "home_cache_size", size,
				 "stale_time", stale_time, NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), test_event);
	test_cache = referral_reader_cache_init(test_conn, set, test_event);
}

static void
test_begin_cache(const char *name, const char *timeout, const char *ttl,
		 const char *size)
{
	test_begin_stale_cache(name, timeout, ttl, size, "0");
}

static void test_end_cache(void)
{
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	referral_reader_cache_deinit(&test_cache);
	test_assert(test_cache == NULL);
	event_unref(&test_event);
	fake_ldap_deinit(&test_server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void
test_callback(struct referral_reader *reader, bool stale, const char *error,
	      struct test_get *get)
{
	test_assert((reader == NULL) == (error != NULL));
	get->callback_count++;
	get->reader = reader;
	get->stale = stale;
	if (reader != NULL)
		referral_reader_ref(reader);
	get->error = i_strdup(error);
}

static void test_get_start(struct test_get *get, const char *user)
{
	i_zero(get);
	referral_reader_cache_get(test_cache, user, test_callback, get);
}

static bool is_reader_of(const struct referral_reader *reader, const char *dn)
{
	struct referral_readers *readers = referral_readers_init();
	const char *error;
	enum referral_reader_match match;

	test_assert(referral_readers_add(readers, dn, strlen(dn), &error));
	match = referral_reader_match(reader, readers);
	referral_readers_unref(&readers);
	test_assert(match != REFERRAL_READER_UNKNOWN);
	return match == REFERRAL_READER_YES;
}

static void test_get_free(struct test_get *get)
{
	referral_reader_unref(&get->reader);
	i_free(get->error);
}

/* Returns NULL, or what went wrong. */
static const char *test_get_error(const char *user)
{
	struct test_get get;
	const char *error;

	test_get_start(&get, user);
	unit_wait(get.callback_count > 0);
	error = t_strdup(get.error);
	test_get_free(&get);
	return error;
}

static void test_referral_reader_cache_groups(void)
{
	struct test_get get, again, other;

	test_begin_cache("referral reader cache: groups", "20s", "1h", "10");
	test_get_start(&get, "joe");
	test_get_start(&again, "joe");
	unit_wait(get.callback_count == 1 && again.callback_count == 1);
	/* both waited for the same searches */
	test_assert(test_entry_searches == 1 && test_group_searches == 1);
	test_assert(get.error == NULL && get.reader == again.reader);
	test_assert(is_reader_of(get.reader, JOE));
	test_assert(is_reader_of(get.reader, SALES));
	test_assert(!is_reader_of(get.reader, "cn=other,dc=test"));
	test_get_free(&again);

	/* cached */
	test_get_start(&again, "joe");
	test_assert(again.callback_count == 1 && again.reader == get.reader);
	test_get_free(&again);

	/* nobody is in a group, and nobody is asked for */
	test_get_start(&other, "");
	test_assert(other.callback_count == 1);
	test_assert(!is_reader_of(other.reader, SALES));
	test_get_free(&other);
	test_assert(test_entry_searches == 1 && test_group_searches == 1);

	/* No entry: no search for groups that have nobody as a member. That is
	   cached as well. */
	test_get_start(&other, "none");
	unit_wait(other.callback_count == 1);
	test_assert(!is_reader_of(other.reader, SALES));
	test_get_free(&other);
	test_assert(test_get_error("none") == NULL);
	test_assert(test_entry_searches == 2 && test_group_searches == 1);

	/* flushed while somebody has it */
	referral_reader_cache_flush(test_cache);
	test_assert(is_reader_of(get.reader, SALES));
	test_get_free(&get);
	test_assert(test_get_error("joe") == NULL);
	test_assert(test_entry_searches == 3 && test_group_searches == 2);
	test_end_cache();
}

static void test_referral_reader_cache_escaping(void)
{
	test_begin_cache("referral reader cache: escaping", "20s", "1h", "10");
	test_hold_groups = TRUE;
	test_group_request = NULL;
	struct test_get get;
	test_get_start(&get, "a,b*(");
	unit_wait(test_group_request != NULL);
	/* the DN as the server wrote it, escaped for a filter */
	test_assert_strcmp(test_group_request->filter,
		"(|(member=uid=a\\5c2Cb\\5c2A\\5c28,dc=test)"
		"(uniqueMember=uid=a\\5c2Cb\\5c2A\\5c28,dc=test)"
		"(memberUid=a,b\\2a\\28))");
	groups_answer(test_group_request);
	unit_wait(get.callback_count == 1);
	test_assert(is_reader_of(get.reader, "uid=a\\,b*(,dc=test"));
	test_get_free(&get);
	test_end_cache();
}

static void test_referral_reader_cache_failures(void)
{
	const char *error;

	test_begin_cache("referral reader cache: failures", "20s", "1h", "10");
	/* failures are never cached, and never an answer */
	test_group_result = LDAP_INSUFFICIENT_ACCESS;
	test_assert(test_get_error("joe") != NULL);
	test_group_result = LDAP_SIZELIMIT_EXCEEDED;
	test_assert(test_get_error("joe") != NULL);
	test_group_result = LDAP_NO_SUCH_OBJECT;
	test_assert(test_get_error("joe") != NULL);
	test_group_result = LDAP_SUCCESS;
	test_entry_result = LDAP_INSUFFICIENT_ACCESS;
	test_assert(test_get_error("joe") != NULL);
	test_entry_result = LDAP_SUCCESS;
	error = test_get_error("twice");
	test_assert(error != NULL &&
		    strstr(error, "several entries") != NULL);
	test_assert(test_get_error("joe") == NULL);
	test_assert(test_entry_searches == 6);
	test_end_cache();
}

static void test_referral_reader_cache_bounds(void)
{
	const char *error;

	test_begin_cache("referral reader cache: bounds", "20s", "1h", "2");
	test_assert(test_get_error("a") == NULL);
	test_assert(test_get_error("b") == NULL);
	test_assert(test_get_error("a") == NULL);
	/* b was not used for longer */
	test_assert(test_get_error("c") == NULL);
	test_assert(test_get_error("a") == NULL);
	test_assert(test_entry_searches == 3);
	test_assert(test_get_error("b") == NULL);
	test_assert(test_entry_searches == 4);
	/* no more groups than that, and not some of them */
	test_group_count = 9999;
	test_group_result = LDAP_SIZELIMIT_EXCEEDED;
	error = test_get_error("joe");
	test_assert(error != NULL && strstr(error, "more than") != NULL);
	test_end_cache();
}

static void test_referral_reader_cache_bytes(void)
{
	char parent[2002];
	struct test_get get;
	unsigned int searches;

	test_begin_cache("referral reader cache: bytes", "20s", "1h", "100");
	memset(parent, 'x', sizeof(parent));
	memcpy(parent, "ou=", 3);
	parent[2000] = ',';
	parent[2001] = '\0';
	test_group_parent = parent;
	/* 4 MB each */
	test_group_count = 2000;
	for (unsigned int i = 0; i < 12; i++) T_BEGIN {
		test_get_start(&get, t_strdup_printf("big%u", i));
		unit_wait(get.callback_count == 1);
		test_assert(get.error == NULL);
		test_get_free(&get);
	} T_END;
	searches = test_group_searches;
	/* the last one is still there, the first one is not */
	test_assert(test_get_error("big11") == NULL);
	test_assert(test_group_searches == searches);
	test_assert(test_get_error("big0") == NULL);
	test_assert(test_group_searches == searches + 1);
	test_end_cache();
}

static void test_referral_reader_cache_off(void)
{
	test_begin_cache("referral reader cache: off", "20s", "0s", "2");
	test_assert(test_get_error("joe") == NULL);
	test_assert(test_get_error("joe") == NULL);
	test_assert(test_entry_searches == 2);
	test_end_cache();
}

static void test_referral_reader_cache_ttl(void)
{
	test_begin_cache("referral reader cache: TTL", "20s", "100ms", "2");
	test_assert(test_get_error("joe") == NULL);
	unit_run_msecs(200);
	test_assert(test_get_error("joe") == NULL);
	test_assert(test_entry_searches == 2);
	test_end_cache();
}

static void test_referral_reader_cache_stale(void)
{
	struct test_get get;

	test_begin_stale_cache("referral reader cache: stale", "500ms", "1ms",
			       "10", "1h");
	test_assert(test_get_error("joe") == NULL);
	unit_run_msecs(50);

	/* no time for it */
	test_hold_groups = TRUE;
	test_expect_error_string("giving stale answers");
	test_get_start(&get, "joe");
	unit_wait(get.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(get.error == NULL && get.stale);
	if (get.reader != NULL)
		test_assert(is_reader_of(get.reader, SALES));
	test_get_free(&get);
	/* not known */
	test_assert(test_get_error("a,b*(") != NULL);
	test_hold_groups = FALSE;

	/* the server cannot serve */
	test_group_result = LDAP_BUSY;
	test_get_start(&get, "joe");
	unit_wait(get.callback_count == 1);
	test_assert(get.error == NULL && get.stale);
	test_get_free(&get);

	/* it can be asked again */
	test_group_result = LDAP_SUCCESS;
	unit_wait(test_get_error("a,b*(") == NULL);
	unit_run_msecs(50);
	test_get_start(&get, "joe");
	unit_wait(get.callback_count == 1);
	test_assert(get.error == NULL && !get.stale);
	test_get_free(&get);

	/* a refusal is an answer, and ends what was known */
	unit_run_msecs(50);
	test_group_result = LDAP_INSUFFICIENT_ACCESS;
	test_assert(test_get_error("joe") != NULL);
	test_group_result = LDAP_BUSY;
	test_assert(test_get_error("joe") != NULL);
	test_end_cache();
}

static void test_referral_reader_cache_timeout(void)
{
	struct test_get get;

	test_begin_cache("referral reader cache: timeout", "300ms", "1h", "2");
	test_hold_groups = TRUE;
	test_get_start(&get, "joe");
	unit_wait(get.callback_count == 1);
	test_assert(get.error != NULL);
	test_get_free(&get);
	test_hold_groups = FALSE;
	unit_wait(test_get_error("joe") == NULL);
	test_end_cache();
}

static void test_referral_reader_cache_deinit(void)
{
	struct test_get get, get2;

	test_begin_cache("referral reader cache: deinit", "20s", "1h", "2");
	test_hold_groups = TRUE;
	test_get_start(&get, "joe");
	unit_wait(test_group_searches == 1);
	test_get_start(&get2, "joe");
	referral_ldap_connection_deinit(&test_conn);
	test_assert(get.error != NULL && get2.error != NULL);
	test_get_free(&get);
	test_get_free(&get2);
	test_end_cache();
}

static void test_referral_reader_cache_flush(void)
{
	struct test_get get, get2;

	test_begin_cache("referral reader cache: flush", "20s", "1h", "2");
	test_hold_groups = TRUE;
	test_get_start(&get, "joe");
	unit_wait(test_group_searches == 1);
	referral_reader_cache_flush(test_cache);
	/* what is on its way may be old already */
	struct fake_ldap_request *request = test_group_request;
	test_hold_groups = FALSE;
	test_get_start(&get2, "joe");
	unit_wait(get2.callback_count == 1);
	test_assert(get.callback_count == 0);
	test_assert(test_entry_searches == 2 && test_group_searches == 2);
	groups_answer(request);
	unit_wait(get.callback_count == 1);
	test_get_free(&get);
	test_get_start(&get, "joe");
	test_assert(get.reader == get2.reader);
	test_get_free(&get);
	test_get_free(&get2);
	test_end_cache();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_reader_cache_groups,
		test_referral_reader_cache_escaping,
		test_referral_reader_cache_failures,
		test_referral_reader_cache_bounds,
		test_referral_reader_cache_bytes,
		test_referral_reader_cache_off,
		test_referral_reader_cache_ttl,
		test_referral_reader_cache_stale,
		test_referral_reader_cache_timeout,
		test_referral_reader_cache_deinit,
		test_referral_reader_cache_flush,
		NULL
	};
	return unit_run(test_functions);
}
