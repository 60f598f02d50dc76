/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

/* What referral-ldap-server.c and referral-ldap-request.c do with several
   servers. Those that refuse and hang are in test-referral-ldap-reconnect.c. */

static struct ioloop *test_ioloop;
static pool_t test_pool;
/* In order of preference */
static struct fake_ldap *test_server, *test_server2;
static struct referral_ldap_connection *test_conn;

static void test_servers_begin(const char *name)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test servers", 1024);
	test_server = fake_ldap_init("ldap1");
	test_server2 = fake_ldap_init("ldap2");
	test_server->handler = unit_answer_handler;
	test_server2->handler = unit_answer_handler;
	set = unit_ldap_settings(test_pool, "uris", t_strconcat(
		test_server->uri, " ", test_server2->uri, NULL),
		"timeout", "40s", "connect_timeout", "20s", NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
}

static void test_servers_end(void)
{
	referral_ldap_connection_deinit(&test_conn);
	fake_ldap_deinit(&test_server);
	fake_ldap_deinit(&test_server2);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void test_search_works(void)
{
	struct unit_search search;

	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.entries, "cn=(cn=a),dc=test: (cn=a)");
	unit_search_free(&search);
}

static const char *test_state(const char **uri_r)
{
	struct referral_ldap_status status;

	referral_ldap_connection_get_status(test_conn, &status);
	*uri_r = status.uri;
	return status.state;
}

/*
 * Results
 */

static void result_handler(struct fake_ldap_request *request, void *context)
{
	const int *result = context;

	fake_ldap_send_result(request, *result, "text");
}

static void test_referral_ldap_servers_result(void)
{
	static const int server_errors[] = {
		LDAP_BUSY, LDAP_UNAVAILABLE, LDAP_UNWILLING_TO_PERFORM,
		LDAP_TIMELIMIT_EXCEEDED, LDAP_OTHER, LDAP_REFERRAL
	};
	static const int refusals[] = {
		LDAP_NO_SUCH_OBJECT, LDAP_INSUFFICIENT_ACCESS,
		LDAP_SIZELIMIT_EXCEEDED, LDAP_OPERATIONS_ERROR,
		LDAP_PROTOCOL_ERROR, LDAP_ADMINLIMIT_EXCEEDED
	};
	struct unit_search search;
	unsigned int i;
	int result;

	test_servers_begin("referral ldap servers: a server's error");
	test_server->handler = result_handler;
	test_server->context = &result;
	for (i = 0; i < N_ELEMENTS(server_errors); i++) {
		result = server_errors[i];
		/* complained about once */
		if (i == 0)
			test_expect_error_string("trying the next server");
		test_search_works();
		if (i == 0)
			test_expect_no_more_errors();
		test_assert_idx(test_server->search_count == i + 1, i);
		test_assert_idx(test_server2->search_count == i + 1, i);
	}
	/* all of them */
	test_server2->handler = result_handler;
	test_server2->context = &result;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL &&
		    strstr(search.error, test_server2->uri) != NULL);
	test_assert(!search.refused);
	unit_search_free(&search);
	test_assert(test_server->conn_count == 1);
	test_assert(test_server2->conn_count == 1);
	test_servers_end();

	test_servers_begin("referral ldap servers: a refusal");
	test_server->handler = result_handler;
	test_server->context = &result;
	for (i = 0; i < N_ELEMENTS(refusals); i++) {
		result = refusals[i];
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(search.callback_count == 1);
		test_assert_idx(search.error != NULL && search.refused, i);
		unit_search_free(&search);
	}
	/* that is an answer */
	test_assert(test_server2->conn_count == 0);
	test_servers_end();
}

/*
 * Pages
 */

static void page_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	fake_ldap_send_page(request, "more");
}

static void test_referral_ldap_servers_cookie(void)
{
	struct unit_search search;

	test_servers_begin("referral ldap servers: cookie of a lost "
			   "connection");
	test_server->handler = page_handler;
	i_zero(&search);
	search.conn = test_conn;
	unit_search_start(&search, "(cn=a)", 0, 10, NULL);
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.cookie, "more");
	unit_search_free(&search);

	/* on its own connection it is of use */
	unit_search_start(&search, "(cn=a)", 0, 10, "more");
	unit_wait(search.callback_count == 1);
	test_assert(!search.cookie_lost && search.error == NULL);
	unit_search_free(&search);

	/* lost while the page is waited for */
	test_server->handler = NULL;
	unit_search_start(&search, "(cn=a)", 0, 10, "more");
	unit_wait(test_server->search_count == 3);
	test_expect_error_string("reconnecting");
	fake_ldap_disconnect(test_server);
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(search.cookie_lost && search.error != NULL);
	unit_search_free(&search);

	/* lost before, and on a new connection */
	test_server->handler = unit_answer_handler;
	unit_search_start(&search, "(cn=a)", 0, 10, "more");
	unit_wait(search.callback_count == 1);
	test_assert(search.cookie_lost && search.error != NULL);
	unit_search_free(&search);
	test_search_works();
	unit_search_start(&search, "(cn=a)", 0, 10, "more");
	unit_wait(search.callback_count == 1);
	test_assert(search.cookie_lost && search.error != NULL);
	unit_search_free(&search);
	test_servers_end();
}

/*
 * Back
 */

static void test_referral_ldap_servers_back(void)
{
	const char *uri;

	test_servers_begin("referral ldap servers: back to the preferred one");
	test_assert_strcmp(test_state(&uri), "disconnected");
	fake_ldap_stop(test_server);
	test_expect_error_string("trying the next server");
	test_search_works();
	test_expect_no_more_errors();
	test_assert_strcmp(test_state(&uri), "connected");
	test_assert_strcmp(uri, test_server2->uri);

	/* it binds, and does not answer searches */
	test_server->ignore_probes = TRUE;
	fake_ldap_start(test_server);
	unit_wait(test_server->probe_count == 1);
	test_search_works();
	test_assert(test_server->search_count == 0);
	fake_ldap_disconnect(test_server);
	/* it answers that it cannot */
	test_server->ignore_probes = FALSE;
	test_server->probe_result = LDAP_UNAVAILABLE;
	unit_wait(test_server->probe_count == 2);
	test_search_works();
	test_assert(test_server->search_count == 0);

	test_server->probe_result = LDAP_SUCCESS;
	unit_wait(test_server->probe_count == 3);
	unit_wait(test_state(&uri)[0] == 'c' &&
		  strcmp(uri, test_server->uri) == 0);
	test_search_works();
	test_assert(test_server->search_count == 1);
	test_assert(test_server2->search_count == 3);
	/* the other one is not needed any more */
	unit_wait(test_server2->open_count == 0);
	test_servers_end();
}

static void test_referral_ldap_servers_all_down(void)
{
	struct unit_search search;
	const char *uri;

	test_servers_begin("referral ldap servers: all down");
	fake_ldap_stop(test_server);
	fake_ldap_stop(test_server2);
	test_expect_error_string("trying the next server");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(search.error != NULL && !search.refused);
	unit_search_free(&search);
	test_assert_strcmp(test_state(&uri), "failed");
	/* they are tried without anybody asking */
	fake_ldap_start(test_server2);
	unit_wait(strcmp(test_state(&uri), "connected") == 0);
	test_assert_strcmp(uri, test_server2->uri);
	test_search_works();
	test_servers_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_servers_result,
		test_referral_ldap_servers_cookie,
		test_referral_ldap_servers_back,
		test_referral_ldap_servers_all_down,
		NULL
	};

	return unit_run(test_functions);
}
