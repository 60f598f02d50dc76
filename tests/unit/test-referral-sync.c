/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-sync.h"
#include "unit-ldap.h"
#include "fake-ldap-sync.h"

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct event *test_event;
static struct fake_ldap *test_server, *test_server2;
static struct referral_ldap_connection *test_conn;
static struct referral_sync *test_sync;
/* What the callbacks were called with, separated by a space */
static string_t *test_trace;
/* Stop it when that is called. */
static const char *test_stop_at;

static const struct fake_ldap_entry test_entry = {
	"cn=a,dc=test", { { "cn", "a", 0 }, { NULL, NULL, 0 } }
};

static void trace(const char *text)
{
	if (str_len(test_trace) > 0)
		str_append_c(test_trace, ' ');
	str_append(test_trace, text);
	if (test_stop_at != NULL && strcmp(test_stop_at, text) == 0)
		referral_sync_stop(test_sync);
}

static void test_begin_cb(bool everything, void *context ATTR_UNUSED)
{
	trace(everything ? "everything" : "changes");
}

static void
test_entry_cb(const struct referral_ldap_entry *entry, const guid_128_t uuid,
	      void *context ATTR_UNUSED)
{
	test_assert_strcmp(entry->dn, "cn=a,dc=test");
	trace(t_strdup_printf("+%c", uuid[0]));
}

static void test_present_cb(const guid_128_t uuid, void *context ATTR_UNUSED)
{
	trace(t_strdup_printf("=%c", uuid[GUID_128_SIZE - 1]));
}

static void test_gone_cb(const guid_128_t uuid, void *context ATTR_UNUSED)
{
	trace(t_strdup_printf("-%c", uuid[0]));
}

static void test_refreshed_cb(bool only_present, void *context ATTR_UNUSED)
{
	trace(only_present ? "only-present" : "refreshed");
}

static void
test_end_cb(enum referral_sync_end reason, const char *error,
	    void *context ATTR_UNUSED)
{
	static const char *const reasons[] = {
		"unsupported", "size-limit", "refused", "garbage", "lost"
	};

	test_assert(error != NULL);
	test_assert(!referral_sync_is_running(test_sync));
	trace(reasons[reason]);
}

static void test_sync_begin(const char *name, const char *timeout)
{
	static const struct referral_sync_callbacks callbacks = {
		.begin = test_begin_cb,
		.entry = test_entry_cb,
		.present = test_present_cb,
		.gone = test_gone_cb,
		.refreshed = test_refreshed_cb,
		.end = test_end_cb,
	};
	static const char *const attributes[] = { "cn", NULL };
	static const struct referral_ldap_search search = {
		.base = "dc=test",
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(cn=*)",
		.attributes = attributes,
	};
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test sync", 1024);
	test_event = event_create(NULL);
	test_server = fake_ldap_init("ldap");
	test_server2 = fake_ldap_init("ldap2");
	test_trace = str_new(default_pool, 128);
	test_stop_at = NULL;
	set = unit_ldap_settings(test_pool, "uris", t_strconcat(
		test_server->uri, " ", test_server2->uri, NULL),
		"timeout", timeout, "connect_timeout", "20s", NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), test_event);
	test_sync = referral_sync_init(test_conn, &search, set->timeout_msecs,
				       &callbacks, NULL);
}

static void test_sync_end(void)
{
	referral_sync_deinit(&test_sync);
	test_assert(test_sync == NULL);
	referral_ldap_connection_deinit(&test_conn);
	fake_ldap_deinit(&test_server);
	fake_ldap_deinit(&test_server2);
	str_free(&test_trace);
	event_unref(&test_event);
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

/* Start it, and wait for the search at this server. */
static struct fake_ldap_request *start_at(struct fake_ldap *server)
{
	unsigned int count = server->search_count;

	referral_sync_start(test_sync);
	test_assert(referral_sync_is_running(test_sync));
	test_assert(!referral_sync_is_live(test_sync));
	unit_wait(server->search_count == count + 1);
	return fake_ldap_search(server, count);
}

static struct fake_ldap_request *start(void)
{
	return start_at(test_server);
}

/* Wait for the trace, and forget it. */
#define expect(wanted) STMT_START { \
	unit_wait(strlen(str_c(test_trace)) >= strlen(wanted)); \
	test_assert_strcmp(str_c(test_trace), wanted); \
	str_truncate(test_trace, 0); \
	} STMT_END

static void send_entry(struct fake_ldap_request *request, int state, char uuid,
		       const char *cookie)
{
	fake_ldap_send_sync_entry(request, &test_entry, state, uuid, cookie);
}

/* With this cookie */
static struct fake_ldap_request *start_and_refresh(const char *cookie)
{
	struct fake_ldap_request *request = start();

	send_entry(request, LDAP_SYNC_ADD, 'a', NULL);
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, cookie,
				  TRUE);
	expect("everything +a only-present");
	test_assert(referral_sync_is_live(test_sync));
	return request;
}

static void test_referral_sync_changes(void)
{
	struct fake_ldap_request *request;

	test_sync_begin("referral sync: changes", "20s");
	request = start();
	test_assert_strcmp(request->sync_cookie, "");
	test_assert_strcmp(request->filter, "(cn=*)");
	test_assert(request->page_size == 0 && request->size_limit == 0);
	send_entry(request, LDAP_SYNC_ADD, 'a', NULL);
	send_entry(request, LDAP_SYNC_ADD, 'b', "too early");
	expect("everything +a +b");
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_PRESENT, NULL,
				  FALSE);
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, "1",
				  TRUE);
	expect("only-present");
	test_assert(referral_sync_is_live(test_sync));
	/* it does not end when nothing comes, and may be started again */
	referral_sync_start(test_sync);
	test_assert(test_server->search_count == 1);

	send_entry(request, LDAP_SYNC_ADD, 'c', "2");
	send_entry(request, LDAP_SYNC_MODIFY, 'a', NULL);
	send_entry(request, LDAP_SYNC_DELETE, 'b', "3");
	/* what is there does not matter now, what is not there does */
	send_entry(request, LDAP_SYNC_PRESENT, 'a', NULL);
	fake_ldap_send_sync_ids(request, FALSE, "ab", NULL);
	fake_ldap_send_sync_ids(request, TRUE, "xy", NULL);
	/* others are none of our business */
	fake_ldap_send_reference(request, "ldap://elsewhere/");
	fake_ldap_send_sync_cookie(request, "4");
	send_entry(request, LDAP_SYNC_MODIFY, 'd', NULL);
	expect("+c +a -b -x -y +d");

	/* with the last cookie */
	fake_ldap_disconnect(test_server);
	expect("lost");
	request = start();
	test_assert_strcmp(request->sync_cookie, "4");
	fake_ldap_send_sync_ids(request, FALSE, "ac", NULL);
	send_entry(request, LDAP_SYNC_PRESENT, 'd', NULL);
	send_entry(request, LDAP_SYNC_ADD, 'e', NULL);
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_PRESENT, "5",
				  TRUE);
	expect("changes =a =c =d +e only-present");

	fake_ldap_disconnect(test_server);
	expect("lost");
	request = start();
	test_assert_strcmp(request->sync_cookie, "5");
	fake_ldap_send_sync_ids(request, TRUE, "a", NULL);
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, "6",
				  TRUE);
	expect("changes -a refreshed");
	test_sync_end();
}

/* What it has sent so far is no reason to believe that all has come. */
static void test_referral_sync_interrupted(void)
{
	struct fake_ldap_request *request;

	test_sync_begin("referral sync: interrupted refresh", "20s");
	request = start();
	send_entry(request, LDAP_SYNC_ADD, 'a', "x");
	fake_ldap_send_sync_cookie(request, "y");
	expect("everything +a");
	fake_ldap_disconnect(test_server);
	expect("lost");

	(void)start_and_refresh("1");
	fake_ldap_disconnect(test_server);
	expect("lost");
	request = start();
	test_assert_strcmp(request->sync_cookie, "1");
	send_entry(request, LDAP_SYNC_ADD, 'b', "2");
	expect("changes +b");
	fake_ldap_disconnect(test_server);
	expect("lost");
	/* still the old one */
	request = start();
	test_assert_strcmp(request->sync_cookie, "1");
	expect("changes");
	/* without one there is no way to go on */
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, NULL,
				  TRUE);
	expect("refreshed");
	fake_ldap_disconnect(test_server);
	expect("lost");
	request = start();
	test_assert_strcmp(request->sync_cookie, "");
	expect("everything");
	test_sync_end();
}

/* Each server's cookie is for itself. */
static void test_referral_sync_servers(void)
{
	struct fake_ldap_request *request;

	test_sync_begin("referral sync: another server", "20s");
	(void)start_and_refresh("1");
	fake_ldap_stop(test_server);
	expect("lost");
	/* until it is known that the first one does not work */
	test_expect_error_string("trying the next server");
	while (test_server2->search_count == 0) {
		referral_sync_start(test_sync);
		unit_run_msecs(10);
	}
	request = fake_ldap_search(test_server2, 0);
	test_assert_strcmp(request->sync_cookie, "");
	test_assert(strstr(str_c(test_trace), "changes") == NULL);
	test_assert(strstr(str_c(test_trace), "everything") != NULL);
	str_truncate(test_trace, 0);
	test_expect_no_more_errors();
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, "2",
				  TRUE);
	expect("only-present");
	fake_ldap_disconnect(test_server2);
	expect("lost");
	/* nobody at all */
	fake_ldap_stop(test_server2);
	referral_sync_start(test_sync);
	expect("lost");
	test_sync_end();
}

static void test_referral_sync_results(void)
{
	static const struct {
		int code;
		const char *reason;
		/* It is asked again without the cookie, if there was one. */
		bool again;
	} tests[] = {
		{ LDAP_SUCCESS, "unsupported", FALSE },
		{ LDAP_UNAVAILABLE_CRITICAL_EXTENSION, "unsupported", TRUE },
		{ LDAP_SIZELIMIT_EXCEEDED, "size-limit", TRUE },
		{ LDAP_ADMINLIMIT_EXCEEDED, "size-limit", TRUE },
		{ LDAP_INSUFFICIENT_ACCESS, "refused", TRUE },
		{ LDAP_NO_SUCH_OBJECT, "refused", TRUE },
		{ LDAP_UNWILLING_TO_PERFORM, "lost", TRUE },
		{ LDAP_BUSY, "lost", FALSE },
		{ LDAP_UNAVAILABLE, "lost", FALSE },
	};
	struct fake_ldap_request *request;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_sync_begin(t_strdup_printf(
			"referral sync: result %d", tests[i].code), "20s");
		/* without a cookie */
		request = start();
		fake_ldap_send_result(request, tests[i].code, "no");
		expect(t_strdup_printf("everything %s", tests[i].reason));

		/* with one */
		(void)start_and_refresh("1");
		fake_ldap_disconnect(test_server);
		expect("lost");
		request = start();
		test_assert_strcmp_idx(request->sync_cookie, "1", i);
		fake_ldap_send_result(request, tests[i].code, "no");
		if (!tests[i].again) {
			expect(t_strdup_printf("changes %s", tests[i].reason));
		} else {
			unit_wait(test_server->search_count == 4);
			expect("changes everything");
			request = fake_ldap_search(test_server, 3);
			test_assert_strcmp_idx(request->sync_cookie, "", i);
			/* once */
			fake_ldap_send_result(request, tests[i].code, "no");
			expect(tests[i].reason);
		}
		test_sync_end();
	}
}

static void test_referral_sync_refresh_required(void)
{
	struct fake_ldap_request *request;

	test_sync_begin("referral sync: refresh required", "20s");
	/* also in the midst of changes */
	request = start_and_refresh("1");
	fake_ldap_send_result(request, LDAP_SYNC_REFRESH_REQUIRED, NULL);
	unit_wait(test_server->search_count == 2);
	expect("everything");
	request = fake_ldap_search(test_server, 1);
	test_assert_strcmp(request->sync_cookie, "");
	/* a server that never has enough */
	fake_ldap_send_result(request, LDAP_SYNC_REFRESH_REQUIRED, NULL);
	expect("unsupported");
	test_assert(test_server->search_count == 2);
	test_sync_end();
}

static void test_referral_sync_garbage(void)
{
	static const unsigned char garbage[] = { 0x30, 0x84, 0xff, 0xff, 0xff };
	struct fake_ldap_request *request;
	unsigned int i;

	test_sync_begin("referral sync: garbage", "20s");
	for (i = 0; i < 6; i++) {
		request = start_and_refresh("1");
		switch (i) {
		case 0:
			/* no control at all */
			fake_ldap_send_sync_entry_bytes(request, &test_entry,
							NULL, 0);
			break;
		case 1:
			fake_ldap_send_sync_entry_bytes(request, &test_entry,
							garbage,
							sizeof(garbage));
			break;
		case 2:
			fake_ldap_send_sync_info_bytes(request, garbage,
						       sizeof(garbage));
			break;
		case 3:
			fake_ldap_send_sync_info_bytes(request, "", 0);
			break;
		case 4:
			send_entry(request, 17, 'a', NULL);
			break;
		case 5: {
			char *cookie = i_malloc(5001);

			memset(cookie, 'x', 5000);
			fake_ldap_send_sync_cookie(request, cookie);
			i_free(cookie);
			break;
		}
		}
		/* start_and_refresh() sees that the cookie is not used */
		expect("garbage");
		send_entry(request, LDAP_SYNC_ADD, 'z', NULL);
	}
	test_sync_end();
}

static void test_referral_sync_timeout(void)
{
	struct fake_ldap_request *request;
	unsigned int i;

	test_sync_begin("referral sync: a refresh that stalls", "2s");
	request = start();
	/* each message is a reason to wait for the next one */
	for (i = 0; i < 4; i++) {
		unit_run_msecs(600);
		send_entry(request, LDAP_SYNC_ADD, 'a', NULL);
	}
	expect("everything +a +a +a +a");
	expect("lost");

	/* no time limit for changes */
	request = start();
	fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE, "1",
				  TRUE);
	expect("everything only-present");
	unit_run_msecs(2500);
	send_entry(request, LDAP_SYNC_ADD, 'b', NULL);
	expect("+b");
	test_sync_end();
}

/* Each callback may stop it. */
static void test_referral_sync_stop(void)
{
	static const char *const stop_at[] = {
		"+a", "=x", "-y", "refreshed", "+b",
	};
	struct fake_ldap_request *request;
	unsigned int i, trace_len;

	for (i = 0; i < N_ELEMENTS(stop_at); i++) {
		test_sync_begin(t_strdup_printf("referral sync: stop at %s",
						stop_at[i]), "20s");
		(void)start_and_refresh("1");
		fake_ldap_disconnect(test_server);
		expect("lost");
		test_stop_at = stop_at[i];
		request = start();
		send_entry(request, LDAP_SYNC_ADD, 'a', NULL);
		if (i == 1)
			fake_ldap_send_sync_ids(request, FALSE, "xx", NULL);
		fake_ldap_send_sync_ids(request, TRUE, "yy", NULL);
		fake_ldap_send_sync_phase(request, LDAP_TAG_SYNC_REFRESH_DELETE,
					  "2", TRUE);
		send_entry(request, LDAP_SYNC_ADD, 'b', NULL);
		unit_wait(!referral_sync_is_running(test_sync));
		trace_len = str_len(test_trace);
		test_assert_idx(test_server->abandon_count <= 1, i);
		unit_wait(test_server->abandon_count == 1);
		send_entry(request, LDAP_SYNC_ADD, 'c', NULL);
		unit_run_msecs(10);
		/* nothing came after that */
		test_assert_idx(str_len(test_trace) == trace_len, i);
		test_assert_idx(strcmp(str_c(test_trace) + trace_len -
				       strlen(stop_at[i]), stop_at[i]) == 0, i);
		test_sync_end();
	}

	test_sync_begin("referral sync: stop and start, forget", "20s");
	referral_sync_start(test_sync);
	referral_sync_stop(test_sync);
	referral_sync_stop(test_sync);
	unit_run_msecs(10);
	test_assert(test_server->search_count == 0);
	(void)start_and_refresh("1");
	referral_sync_stop(test_sync);
	referral_sync_forget(test_sync);
	(void)start_and_refresh("1");
	/* and a connection that ends first */
	referral_ldap_connection_abort(test_conn);
	expect("lost");
	referral_sync_start(test_sync);
	test_sync_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_sync_changes,
		test_referral_sync_interrupted,
		test_referral_sync_servers,
		test_referral_sync_results,
		test_referral_sync_refresh_required,
		test_referral_sync_garbage,
		test_referral_sync_timeout,
		test_referral_sync_stop,
		NULL
	};
	return unit_run(test_functions);
}
