/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-mailbox-load.h"
#include "referral-mailbox-map.h"
#include "referral-map-keeper.h"
#include "referral-status.h"
#include "referral-value-log.h"
#include "unit-ldap.h"
#include "fake-ldap-sync.h"

/* What the directory has: each entry's name is also its UUID and the name of
   its mailbox, which is at this host. */
struct test_mailbox {
	char name;
	const char *host;
};

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct event *test_event;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;
static struct referral_value_log *test_log;
static struct referral_map_keeper *test_keeper;

static const struct test_mailbox *test_mailboxes;
static unsigned int test_mailbox_count;
/* Live searches: what they get as a result, LDAP_SUCCESS for a refresh of
   everything and no result, or TEST_HOLD for nothing */
#define TEST_HOLD -1
static int test_live_result;
static struct fake_ldap_request *test_live;
static unsigned int test_live_count;
/* Loads in pages: their result, or TEST_HOLD */
static int test_load_result;
static struct fake_ldap_request *test_load;
static unsigned int test_load_count;

static const struct fake_ldap_entry *
test_entry(const struct test_mailbox *mailbox)
{
	struct fake_ldap_entry *entry = t_new(struct fake_ldap_entry, 1);

	entry->dn = t_strdup_printf("cn=%c,dc=test", mailbox->name);
	entry->values[0].attribute = "cn";
	entry->values[0].value = t_strdup_printf("%c", mailbox->name);
	if (mailbox->host != NULL) {
		entry->values[1].attribute = "mailHost";
		entry->values[1].value = mailbox->host;
	}
	return entry;
}

static void send_entry(char name, int state, const char *host)
{
	const struct test_mailbox mailbox = { name, host };

	fake_ldap_send_sync_entry(test_live, test_entry(&mailbox), state, name,
				  NULL);
}

/* That is all. */
static void send_done(const char *cookie)
{
	fake_ldap_send_sync_phase(test_live, LDAP_TAG_SYNC_REFRESH_DELETE,
				  cookie, TRUE);
}

static void send_everything(const char *cookie)
{
	unsigned int i;

	for (i = 0; i < test_mailbox_count; i++) {
		send_entry(test_mailboxes[i].name, LDAP_SYNC_ADD,
			   test_mailboxes[i].host);
	}
	send_done(cookie);
}

static void load_answer(void)
{
	unsigned int i;

	for (i = 0; i < test_mailbox_count; i++) {
		fake_ldap_send_entry(test_load,
				     test_entry(&test_mailboxes[i]));
	}
	fake_ldap_send_page(test_load, "");
}

static void
test_handler(struct fake_ldap_request *request, void *context ATTR_UNUSED)
{
	if (request->sync_cookie != NULL) {
		test_live_count++;
		test_live = request;
		if (test_live_result == LDAP_SUCCESS)
			send_everything("1");
		else if (test_live_result != TEST_HOLD) {
			fake_ldap_send_result(request, test_live_result,
					      NULL);
		}
	} else {
		test_load_count++;
		test_load = request;
		test_assert(request->page_size > 0);
		if (test_load_result == LDAP_SUCCESS)
			load_answer();
		else if (test_load_result != TEST_HOLD) {
			fake_ldap_send_result(request, test_load_result,
					      NULL);
		}
	}
}

#define SET_MAILBOXES(...) STMT_START { \
	static const struct test_mailbox mailboxes_[] = { __VA_ARGS__ }; \
	test_mailboxes = mailboxes_; \
	test_mailbox_count = N_ELEMENTS(mailboxes_); \
	} STMT_END

static void
test_keeper_begin(const char *name, const char *refresh, const char *stale_time,
		  const char *limit)
{
	struct referral_ldap_settings *set;
	struct referral_load load;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test keeper", 1024);
	test_event = event_create(NULL);
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_live_result = test_load_result = LDAP_SUCCESS;
	test_live_count = test_load_count = 0;
	SET_MAILBOXES({ 'a', "h1" }, { 'b', "h1" });
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", "20s", "connect_timeout", "20s",
				 "mailbox_refresh", refresh,
				 "stale_time", stale_time,
				 "mailbox_limit", limit, "live", "maps", NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), test_event);
	test_log = referral_value_log_init(test_event);
	referral_mailbox_load_get(set, &load);
	test_keeper = referral_map_keeper_init(test_conn, set, &load,
					       set->mailbox_refresh_msecs,
					       test_log, test_event);
}

static void test_keeper_end(void)
{
	referral_map_keeper_stop(test_keeper);
	referral_ldap_connection_deinit(&test_conn);
	referral_map_keeper_deinit(&test_keeper);
	test_assert(test_keeper == NULL);
	referral_value_log_deinit(&test_log);
	fake_ldap_deinit(&test_server);
	event_unref(&test_event);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

struct test_get {
	unsigned int callback_count;
	char *dump;
};

/* "a=h1 b=h2", or "error" */
static void
test_get_callback(struct referral_map *map, const char *error,
		  struct test_get *get)
{
	struct referral_mailbox_list *list;
	string_t *str = t_str_new(64);
	const char *name, *value;
	unsigned int i;

	get->callback_count++;
	test_assert((map == NULL) == (error != NULL));
	if (map == NULL) {
		get->dump = i_strdup("error");
		return;
	}
	list = referral_mailbox_map_get_list(map);
	for (i = 0; i < referral_mailbox_list_count(list); i++) {
		referral_mailbox_list_get(list, i, &name, &value);
		/* imap://host/name */
		str_printfa(str, "%s%s=%s", i == 0 ? "" : " ", name,
			    t_strcut(value + strlen("imap://"), '/'));
	}
	referral_mailbox_list_unref(&list);
	get->dump = i_strdup(str_c(str));
}

static void get_start(struct test_get *get_r)
{
	i_zero(get_r);
	referral_map_keeper_get(test_keeper, test_get_callback, get_r);
}

static const char *get_finish(struct test_get *get)
{
	const char *dump;

	unit_wait(get->callback_count > 0);
	test_assert(get->callback_count == 1);
	dump = t_strdup(get->dump);
	i_free(get->dump);
	return dump;
}

static const char *get_map(void)
{
	struct test_get get;

	get_start(&get);
	return get_finish(&get);
}

#define wait_map(wanted) unit_wait(strcmp(get_map(), wanted) == 0)

static struct referral_map_status status(void)
{
	struct referral_map_status status;

	referral_map_keeper_get_status(test_keeper, &status);
	return status;
}

static void test_referral_map_keeper_live(void)
{
	test_keeper_begin("referral map keeper: live", "1s", "0", "100");
	test_assert(!status().loaded);
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	test_assert(status().loaded && status().live && !status().stale);
	test_assert(status().count == 2);

	send_entry('c', LDAP_SYNC_ADD, "h2");
	wait_map("a=h1 b=h1 c=h2");
	send_entry('a', LDAP_SYNC_MODIFY, "h3");
	send_entry('b', LDAP_SYNC_DELETE, NULL);
	wait_map("a=h3 c=h2");
	/* an entry that says nothing */
	send_entry('c', LDAP_SYNC_MODIFY, NULL);
	wait_map("a=h3");
	send_entry('c', LDAP_SYNC_DELETE, NULL);
	send_entry('x', LDAP_SYNC_DELETE, NULL);
	/* nothing is loaded again */
	unit_run_msecs(1200);
	test_assert(test_live_count == 1 && test_load_count == 0);
	test_assert_strcmp(get_map(), "a=h3");
	test_keeper_end();
}

/* Half of a refresh never shows. */
static void test_referral_map_keeper_half(void)
{
	struct test_get get;

	test_keeper_begin("referral map keeper: half of a refresh", "1h", "0",
			  "100");
	test_live_result = TEST_HOLD;
	get_start(&get);
	unit_wait(test_live_count == 1);
	test_assert_strcmp(test_live->sync_cookie, "");
	send_entry('a', LDAP_SYNC_ADD, "h1");
	send_entry('b', LDAP_SYNC_ADD, "h1");
	send_entry('c', LDAP_SYNC_ADD, "h1");
	send_entry('d', LDAP_SYNC_ADD, "h1");
	unit_run_msecs(50);
	test_assert(get.callback_count == 0);
	send_done("1");
	test_assert_strcmp(get_finish(&get), "a=h1 b=h1 c=h1 d=h1");

	/* only what has changed */
	fake_ldap_disconnect(test_server);
	unit_wait(test_live_count == 2);
	test_assert_strcmp(test_live->sync_cookie, "1");
	send_entry('b', LDAP_SYNC_ADD, "h2");
	fake_ldap_send_sync_ids(test_live, TRUE, "a", NULL);
	unit_run_msecs(50);
	test_assert_strcmp(get_map(), "a=h1 b=h1 c=h1 d=h1");
	send_done("2");
	wait_map("b=h2 c=h1 d=h1");

	/* what is still there, after a while in which connections are not lost
	   twice */
	unit_run_msecs(1000);
	fake_ldap_disconnect(test_server);
	unit_wait(test_live_count == 3);
	test_assert_strcmp(test_live->sync_cookie, "2");
	send_entry('e', LDAP_SYNC_ADD, "h5");
	fake_ldap_send_sync_ids(test_live, FALSE, "bd", NULL);
	unit_run_msecs(50);
	test_assert_strcmp(get_map(), "b=h2 c=h1 d=h1");
	fake_ldap_send_sync_phase(test_live, LDAP_TAG_SYNC_REFRESH_PRESENT,
				  "3", TRUE);
	wait_map("b=h2 d=h1 e=h5");
	test_assert(test_load_count == 0);

	/* one that is not finished changes nothing; pages are loaded instead,
	   and then everything is refreshed */
	unit_run_msecs(1000);
	fake_ldap_disconnect(test_server);
	unit_wait(test_live_count == 4);
	send_entry('z', LDAP_SYNC_ADD, "h1");
	unit_run_msecs(50);
	test_load_result = TEST_HOLD;
	fake_ldap_disconnect(test_server);
	unit_wait(test_load_count > 0);
	test_assert_strcmp(get_map(), "b=h2 d=h1 e=h5");
	SET_MAILBOXES({ 'n', "h9" });
	load_answer();
	wait_map("n=h9");
	unit_wait(test_live_count == 5);
	test_assert_strcmp(test_live->sync_cookie, "");
	send_entry('m', LDAP_SYNC_ADD, "h9");
	test_assert_strcmp(get_map(), "n=h9");
	send_done("4");
	wait_map("m=h9");
	test_keeper_end();
}

/* A server that does not know its cookie, and does not say so */
static void test_referral_map_keeper_suspicious(void)
{
	test_keeper_begin("referral map keeper: suspicious refresh", "1h", "0",
			  "100");
	SET_MAILBOXES({ 'a', "h1" }, { 'b', "h1" }, { 'c', "h1" });
	test_assert_strcmp(get_map(), "a=h1 b=h1 c=h1");
	SET_MAILBOXES({ 'b', "h1" }, { 'c', "h1" });
	fake_ldap_disconnect(test_server);
	/* 'a' is not said to be gone */
	wait_map("b=h1 c=h1");
	test_assert(test_live_count == 3);
	test_assert_strcmp(test_live->sync_cookie, "");
	test_keeper_end();
}

/* Loaded again and again while there is no live search; and live when there
   is. */
static void test_referral_map_keeper_timed(void)
{
	static const int results[] = {
		LDAP_UNAVAILABLE_CRITICAL_EXTENSION, LDAP_SIZELIMIT_EXCEEDED,
		LDAP_INSUFFICIENT_ACCESS, LDAP_SYNC_REFRESH_REQUIRED,
	};
	unsigned int i, loads, lives;

	for (i = 0; i < N_ELEMENTS(results); i++) {
		test_keeper_begin(t_strdup_printf(
			"referral map keeper: timed, result %d", results[i]),
			"1s", "0", "100");
		test_live_result = results[i];
		test_assert_strcmp(get_map(), "a=h1 b=h1");
		test_assert(status().loaded && !status().live &&
			    !status().stale);
		test_assert_idx(test_load_count == 1, i);
		SET_MAILBOXES({ 'c', "h1" });
		wait_map("c=h1");

		loads = test_load_count;
		lives = test_live_count;
		test_live_result = LDAP_SUCCESS;
		SET_MAILBOXES({ 'd', "h1" });
		unit_wait(status().live);
		test_assert_strcmp(get_map(), "d=h1");
		test_assert_idx(test_live_count > lives, i);
		test_assert_idx(test_load_count >= loads, i);
		test_keeper_end();
	}
}

static void test_referral_map_keeper_garbage(void)
{
	test_keeper_begin("referral map keeper: garbage", "1s", "0", "100");
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	send_entry('c', LDAP_SYNC_ADD, "h2");
	wait_map("a=h1 b=h1 c=h2");
	test_load_result = TEST_HOLD;
	fake_ldap_send_sync_info_bytes(test_live, "garbage", 7);
	unit_wait(test_load_count == 1);
	/* as long as nothing else is known */
	test_assert(!status().live);
	test_assert_strcmp(get_map(), "a=h1 b=h1 c=h2");
	load_answer();
	wait_map("a=h1 b=h1");
	/* tried again, after a while */
	test_load_result = LDAP_SUCCESS;
	unit_wait(status().live);
	test_assert_strcmp(test_live->sync_cookie, "");
	test_keeper_end();
}

static void test_referral_map_keeper_limit(void)
{
	test_keeper_begin("referral map keeper: too many", "1h", "1h", "2");
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	/* with the next one, there are too many; and that is an answer */
	SET_MAILBOXES({ 'a', "h1" }, { 'b', "h1" }, { 'c', "h1" });
	test_expect_error_string("Loading the mailboxes failed: The directory "
				 "has more than 2 mailboxes: "
				 "referral_ldap_mailbox_limit has to be "
				 "raised");
	send_entry('c', LDAP_SYNC_ADD, "h1");
	unit_wait(test_load_count > 0);
	unit_wait(strcmp(get_map(), "error") == 0);
	test_expect_no_more_errors();
	test_keeper_end();

	test_keeper_begin("referral map keeper: too many in a refresh", "1h",
			  "0", "2");
	SET_MAILBOXES({ 'a', "h1" }, { 'b', "h1" }, { 'c', "h1" },
		      { 'd', "h1" });
	test_expect_error_string("Loading the mailboxes failed: ");
	test_assert_strcmp(get_map(), "error");
	test_expect_no_more_errors();
	test_keeper_end();
}

static void test_referral_map_keeper_stale(void)
{
	test_keeper_begin("referral map keeper: stale", "1h", "1h", "100");
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	test_expect_error_string("Loading the mailboxes failed: ");
	fake_ldap_stop(test_server);
	unit_wait(status().stale);
	test_expect_no_more_errors();
	test_expect_error_string("giving stale answers, for at most 3600 s");
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	test_expect_no_more_errors();
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	/* what was known is kept, so that only changes have to come */
	fake_ldap_start(test_server);
	SET_MAILBOXES({ 'c', "h2" });
	wait_map("c=h2");
	unit_wait(status().live);
	test_assert(!status().stale);

	/* who refuses can be asked */
	test_expect_error_string("Loading the mailboxes failed: ");
	test_live_result = test_load_result = LDAP_INSUFFICIENT_ACCESS;
	fake_ldap_send_result(test_live, LDAP_INSUFFICIENT_ACCESS, NULL);
	unit_wait(strcmp(get_map(), "error") == 0);
	test_expect_no_more_errors();
	test_assert(!status().loaded);
	test_keeper_end();

	test_keeper_begin("referral map keeper: not stale", "1h", "0", "100");
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	test_expect_error_string("Loading the mailboxes failed: ");
	fake_ldap_stop(test_server);
	unit_wait(strcmp(get_map(), "error") == 0);
	test_expect_no_more_errors();
	fake_ldap_start(test_server);
	wait_map("a=h1 b=h1");
	test_keeper_end();
}

/* Nobody gets any more what was known. */
static void test_referral_map_keeper_reload(void)
{
	struct test_get get;

	test_keeper_begin("referral map keeper: reload", "1h", "1h", "100");
	test_assert(!referral_map_keeper_reload(test_keeper));
	test_assert_strcmp(get_map(), "a=h1 b=h1");
	test_live_result = TEST_HOLD;
	test_assert(referral_map_keeper_reload(test_keeper));
	get_start(&get);
	unit_wait(test_live_count == 2);
	test_assert_strcmp(test_live->sync_cookie, "");
	test_assert(get.callback_count == 0);
	/* also what is on its way */
	test_assert(referral_map_keeper_reload(test_keeper));
	unit_wait(test_live_count == 3);
	SET_MAILBOXES({ 'c', "h1" });
	send_everything("9");
	test_assert_strcmp(get_finish(&get), "c=h1");

	/* the same with pages */
	test_live_result = LDAP_UNAVAILABLE_CRITICAL_EXTENSION;
	test_load_result = TEST_HOLD;
	test_assert(referral_map_keeper_reload(test_keeper));
	get_start(&get);
	unit_wait(test_load_count == 1);
	test_assert(referral_map_keeper_reload(test_keeper));
	load_answer();
	unit_wait(test_load_count == 2);
	test_assert(get.callback_count == 0);
	SET_MAILBOXES({ 'd', "h1" });
	load_answer();
	test_assert_strcmp(get_finish(&get), "d=h1");
	test_keeper_end();
}

/* Whoever waits gets an error, whatever is being tried. */
static void test_referral_map_keeper_stop(void)
{
	struct test_get get, get2;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		test_keeper_begin("referral map keeper: stop", "1h", "0",
				  "100");
		test_live_result = i == 0 ? TEST_HOLD :
			LDAP_UNAVAILABLE_CRITICAL_EXTENSION;
		test_load_result = TEST_HOLD;
		get_start(&get);
		unit_wait(i == 0 ? test_live_count == 1 : test_load_count == 1);
		referral_map_keeper_stop(test_keeper);
		referral_ldap_connection_abort(test_conn);
		test_assert_strcmp(get_finish(&get), "error");
		get_start(&get2);
		test_assert_strcmp(get_finish(&get2), "error");
		test_keeper_end();
	}

	test_keeper_begin("referral map keeper: stop before anything", "1h",
			  "0", "100");
	get_start(&get);
	referral_map_keeper_stop(test_keeper);
	referral_ldap_connection_abort(test_conn);
	test_assert_strcmp(get_finish(&get), "error");
	test_keeper_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_map_keeper_live,
		test_referral_map_keeper_half,
		test_referral_map_keeper_suspicious,
		test_referral_map_keeper_timed,
		test_referral_map_keeper_garbage,
		test_referral_map_keeper_limit,
		test_referral_map_keeper_stale,
		test_referral_map_keeper_reload,
		test_referral_map_keeper_stop,
		NULL
	};
	return unit_run(test_functions);
}
