/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

/* The other half of referral-ldap-connection.c: servers that refuse, hang,
   leave and come back. */

/* Before the connection is allowed to try again after all servers failed it
   waits a while, and longer each time: more than that is never needed. */
#define TEST_BACKOFF_TRIES 1000

static struct ioloop *test_ioloop;
static pool_t test_pool;
/* Tried in this order */
static struct fake_ldap *test_server, *test_server2;
static struct referral_ldap_connection *test_conn;

static void test_reconnect_servers(const char *name)
{
	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test reconnect", 1024);
	test_server = fake_ldap_init("ldap1");
	test_server2 = fake_ldap_init("ldap2");
	test_server->handler = unit_answer_handler;
	test_server2->handler = unit_answer_handler;
}

static void test_reconnect_begin(const char *name, bool both,
				 const char *timeout)
{
	struct referral_ldap_settings *set;

	test_reconnect_servers(name);
	set = unit_ldap_settings(test_pool, "uris", !both ? test_server->uri :
		t_strconcat(test_server->uri, " ", test_server2->uri, NULL),
		"timeout", timeout, NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
}

static void test_reconnect_end(void)
{
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	fake_ldap_deinit(&test_server);
	fake_ldap_deinit(&test_server2);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static bool search_has_error(struct unit_search *search, const char *str)
{
	return search->error != NULL && strstr(search->error, str) != NULL;
}

/* Search until it works, as it does when the servers are back and the backoff
   is over. Returns how often it did not. */
static unsigned int test_search_until_works(void)
{
	struct unit_search search;
	unsigned int i;
	bool success = FALSE;

	for (i = 0; !success && i < TEST_BACKOFF_TRIES; i++) {
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(search.callback_count == 1);
		success = search.error == NULL;
		unit_search_free(&search);
		if (!success)
			unit_run_msecs(10);
	}
	test_assert(success);
	return i - 1;
}

/* That all searches so far were answered by the server, with one warning if
   it is the second one. */
static void test_search_works(void)
{
	struct unit_search search;

	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.entries, "cn=(cn=a),dc=test: (cn=a)");
	unit_search_free(&search);
}

/*
 * Connecting
 */

static void test_referral_ldap_reconnect_refused(void)
{
	test_reconnect_begin("referral ldap reconnect: refused, next server",
			     TRUE, "10s");
	fake_ldap_stop(test_server);
	test_expect_error_string("trying the next server");
	test_search_works();
	test_expect_no_more_errors();
	test_assert(test_server2->search_count == 1);
	/* and it stays there */
	fake_ldap_start(test_server);
	test_search_works();
	test_assert(test_server2->search_count == 2);
	test_assert(test_server2->conn_count == 1);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_refused_tcp(void)
{
	struct referral_ldap_settings *set;
	struct fake_ldap *tcp_server;

	test_reconnect_servers("referral ldap reconnect: refused, ldap://");
	tcp_server = fake_ldap_init_tcp();
	fake_ldap_stop(tcp_server);
	set = unit_ldap_settings(test_pool, "uris", t_strconcat(
		tcp_server->uri, " ", test_server2->uri, NULL), NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
	test_expect_error_string("Connection refused");
	test_search_works();
	test_expect_no_more_errors();
	test_assert(test_server2->search_count == 1);
	fake_ldap_deinit(&tcp_server);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_all_refused(void)
{
	struct unit_search searches[3];
	struct timeval start;
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: all refused", TRUE,
			     "20s");
	fake_ldap_stop(test_server);
	fake_ldap_stop(test_server2);
	start = ioloop_timeval;
	test_expect_error_string("trying the next server");
	unit_search(test_conn, &searches[0], "(cn=a)");
	unit_wait(searches[0].callback_count == 1);
	test_expect_no_more_errors();
	test_assert(search_has_error(&searches[0], "connect() failed"));
	test_assert(search_has_error(&searches[0], test_server2->uri));
	unit_search_free(&searches[0]);
	/* they are known to be down: at once, nobody is asked */
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		unit_search(test_conn, &searches[i], "(cn=a)");
		test_assert_idx(searches[i].callback_count == 1, i);
		test_assert_idx(search_has_error(&searches[i],
						 "connect() failed"), i);
		unit_search_free(&searches[i]);
	}
	/* not after the timeout */
	test_assert(unit_msecs_since(&start) < 10000);
	test_reconnect_end();
}

/* Those that wait for an attempt which fails later, too */
static void test_referral_ldap_reconnect_all_fail(void)
{
	struct unit_search searches[3];
	struct timeval start;
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: all fail while "
			     "searches wait", FALSE, "20s");
	test_server->ignore_binds = TRUE;
	start = ioloop_timeval;
	for (i = 0; i < N_ELEMENTS(searches); i++)
		unit_search(test_conn, &searches[i], "(cn=a)");
	unit_wait(test_server->bind_count == 1);
	fake_ldap_stop(test_server);
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		unit_wait(searches[i].callback_count == 1);
		test_assert_idx(search_has_error(&searches[i],
						 "Connection lost"), i);
		unit_search_free(&searches[i]);
	}
	test_assert(unit_msecs_since(&start) < 10000);

	test_server->ignore_binds = FALSE;
	fake_ldap_start(test_server);
	test_assert(test_search_until_works() < TEST_BACKOFF_TRIES);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_backoff(void)
{
	struct unit_search search;
	unsigned int failed = 0;
	struct timeval start;

	test_reconnect_begin("referral ldap reconnect: backoff", FALSE,
			     "20s");
	test_server->bind_result = LDAP_UNAVAILABLE;
	start = ioloop_timeval;
	/* For half a second, searches all the time */
	while (unit_msecs_since(&start) < 500) {
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(search.callback_count == 1);
		test_assert(search_has_error(&search, "unavailable"));
		unit_search_free(&search);
		failed++;
		unit_run_msecs(1);
	}
	/* are few for the server: 50 + 100 + 200 + .. ms */
	test_assert(test_server->bind_count >= 2);
	test_assert(test_server->bind_count <= 5);
	test_assert(failed > test_server->bind_count);

	test_server->bind_result = LDAP_SUCCESS;
	(void)test_search_until_works();
	test_search_works();
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_hung_bind(void)
{
	test_reconnect_begin("referral ldap reconnect: hung while binding, "
			     "next server", TRUE, "2s");
	test_server->ignore_binds = TRUE;
	test_expect_error_string("Timeout while binding");
	test_search_works();
	test_expect_no_more_errors();
	test_assert(test_server->bind_count == 1);
	test_assert(test_server->search_count == 0);
	test_assert(test_server2->search_count == 1);
	unit_wait(test_server->open_count == 0);
	test_reconnect_end();
}

/* The process is stopped: the kernel accepts, and nothing comes. */
static void test_referral_ldap_reconnect_hung_all(void)
{
	struct unit_search search;
	struct timeval start;

	test_reconnect_begin("referral ldap reconnect: all hung", TRUE,
			     "500ms");
	test_server->deaf = test_server2->deaf = TRUE;
	start = ioloop_timeval;
	test_expect_error_string("Timeout while binding");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL);
	/* the deadline holds, however many servers there are */
	test_assert(unit_msecs_since(&start) >= 400);
	test_assert(unit_msecs_since(&start) < 10000);
	unit_search_free(&search);
	test_expect_no_more_errors();
	test_reconnect_end();
}

/*
 * Binding
 */

static void test_referral_ldap_reconnect_bind_fails(void)
{
	struct unit_search search;

	test_reconnect_begin("referral ldap reconnect: bind fails", FALSE,
			     "20s");
	test_server->bind_result = LDAP_INVALID_CREDENTIALS;
	test_server->bind_text = "who\r\nare you";
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert(search_has_error(&search, test_server->uri));
	test_assert(search_has_error(&search, "Bind as '' failed: "
				     "Invalid credentials (who??are you)"));
	test_assert(test_server->search_count == 0);
	unit_search_free(&search);
	unit_wait(test_server->open_count == 0);
	test_reconnect_end();

	test_reconnect_begin("referral ldap reconnect: bind fails, next "
			     "server", TRUE, "20s");
	test_server->bind_result = LDAP_INVALID_CREDENTIALS;
	test_expect_error_string("Invalid credentials");
	test_search_works();
	test_expect_no_more_errors();
	test_assert(test_server2->search_count == 1);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_password(void)
{
	struct referral_ldap_settings *set;
	struct fake_ldap_request *request;

	test_reconnect_servers("referral ldap reconnect: password file");
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
		"bind_dn", "cn=reader,dc=test",
		"password_file", unit_file("password", "first\n"), NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
	test_search_works();
	request = fake_ldap_bind(test_server, 0);
	test_assert_strcmp(request->dn, "cn=reader,dc=test");
	test_assert_strcmp(request->password, "first");

	/* it is read for each bind */
	(void)unit_file("password", "second\n");
	test_search_works();
	test_assert(test_server->bind_count == 1);
	fake_ldap_disconnect(test_server);
	test_expect_error_string("reconnecting");
	test_search_works();
	test_expect_no_more_errors();
	test_assert(test_server->bind_count == 2);
	test_assert_strcmp(fake_ldap_bind(test_server, 1)->password,
			   "second");
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_no_password(void)
{
	static const char *const contents[] = { NULL, "", "\n" };
	struct referral_ldap_settings *set;
	struct unit_search search;
	const char *path;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(contents); i++) {
		test_reconnect_servers("referral ldap reconnect: no password");
		path = unit_path("no-password");
		i_unlink_if_exists(path);
		if (contents[i] != NULL)
			(void)unit_file("no-password", contents[i]);
		set = unit_ldap_settings(test_pool, "uris", test_server->uri,
					 "bind_dn", "cn=reader,dc=test",
					 "password_file", path, NULL);
		test_conn = referral_ldap_connection_init(set, unit_dir(),
							  NULL);
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(search.callback_count == 1);
		test_assert_idx(search_has_error(&search, path), i);
		test_assert_idx(search_has_error(&search,
			"referral_ldap_password_file"), i);
		unit_search_free(&search);
		/* it never becomes an anonymous bind */
		test_assert_idx(test_server->bind_count == 0, i);

		(void)unit_file("no-password", "secret\n");
		(void)test_search_until_works();
		test_assert_strcmp(fake_ldap_bind(test_server, 0)->password,
				   "secret");
		test_reconnect_end();
	}
}

/*
 * Losing the connection
 */

static void test_referral_ldap_reconnect_idle(void)
{
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: closed while idle",
			     FALSE, "20s");
	for (i = 0; i < 3; i++) {
		/* that is normal: nothing is logged */
		test_search_works();
		test_assert_idx(test_server->conn_count == i + 1, i);
		fake_ldap_disconnect(test_server);
		/* it is seen */
		unit_wait(unit_is_disconnected(test_conn));
	}
	test_reconnect_end();
}

/* The next search comes before we see that the server has left. */
static void test_referral_ldap_reconnect_closed_unseen(void)
{
	struct unit_search search;

	test_reconnect_begin("referral ldap reconnect: closed, not seen yet",
			     FALSE, "20s");
	test_search_works();
	fake_ldap_disconnect(test_server);
	test_expect_error_string("reconnecting");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);
	test_assert(test_server->conn_count == 2);
	test_reconnect_end();
}

/* As slapd says good-bye (RFC 4511 section 4.4.1) */
static void test_referral_ldap_reconnect_notice(void)
{
	struct unit_search search;

	test_reconnect_begin("referral ldap reconnect: notice of "
			     "disconnection", FALSE, "20s");
	test_search_works();
	fake_ldap_send_notice(test_server);
	test_search_works();
	test_server->handler = NULL;
	unit_search(test_conn, &search, "(cn=b)");
	unit_wait(test_server->search_count == 3);
	fake_ldap_send_notice(test_server);
	test_server->handler = unit_answer_handler;
	test_expect_error_string("reconnecting");
	fake_ldap_disconnect(test_server);
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_in_flight(void)
{
	static const struct fake_ldap_entry entry = {
		"cn=half,dc=test", { { "cn", "half", 0 }, { NULL, NULL, 0 } }
	};
	struct unit_search searches[5];
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: lost with searches in "
			     "flight", FALSE, "20s");
	test_server->handler = NULL;
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		unit_search(test_conn, &searches[i],
			    t_strdup_printf("(cn=%u)", i));
	}
	unit_wait(test_server->search_count == N_ELEMENTS(searches));
	/* One has its answer, one a half of it. */
	unit_answer(fake_ldap_search(test_server, 1), "early");
	fake_ldap_send_entry(fake_ldap_search(test_server, 2), &entry);
	unit_wait(searches[1].callback_count == 1);
	test_assert_strcmp(searches[1].entries, "cn=early,dc=test: early");
	unit_search_free(&searches[1]);

	test_server->handler = unit_answer_handler;
	test_expect_error_string("reconnecting");
	fake_ldap_disconnect(test_server);
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		if (i == 1)
			continue;
		unit_wait(searches[i].callback_count == 1);
		test_assert_strcmp_idx(searches[i].error, NULL, i);
		/* nothing of the half is left */
		test_assert_strcmp_idx(searches[i].entries, t_strdup_printf(
			"cn=(cn=%u),dc=test: (cn=%u)", i, i), i);
		unit_search_free(&searches[i]);
	}
	test_expect_no_more_errors();
	test_assert(test_server->conn_count == 2);
	test_assert(test_server->search_count == N_ELEMENTS(searches) * 2 - 1);
	/* in the same order */
	test_assert_strcmp(fake_ldap_search(test_server, 5)->filter,
			   "(cn=0)");
	test_assert_strcmp(fake_ldap_search(test_server, 6)->filter,
			   "(cn=2)");
	test_assert_strcmp(fake_ldap_search(test_server, 8)->filter,
			   "(cn=4)");
	test_reconnect_end();
}

/* It does not come back: the other one answers. */
static void test_referral_ldap_reconnect_in_flight_next(void)
{
	struct unit_search search;

	test_reconnect_begin("referral ldap reconnect: lost, next server",
			     TRUE, "20s");
	test_server->handler = NULL;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(test_server->search_count == 1);
	fake_ldap_stop(test_server);
	/* one for the loss, one for the server that is not there */
	test_expect_errors(2);
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	test_assert(test_server2->search_count == 1);
	unit_search_free(&search);
	test_reconnect_end();

	test_reconnect_begin("referral ldap reconnect: lost, no other server",
			     FALSE, "20s");
	test_server->handler = NULL;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(test_server->search_count == 1);
	fake_ldap_stop(test_server);
	test_expect_error_string("reconnecting");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	/* at once */
	test_assert(search_has_error(&search, "connect() failed"));
	unit_search_free(&search);
	test_reconnect_end();
}

static void poison_handler(struct fake_ldap_request *request, void *context)
{
	unsigned int *poison_count = context;

	if (strcmp(request->filter, "(cn=poison)") != 0) {
		unit_answer(request, request->filter);
		return;
	}
	*poison_count += 1;
	fake_ldap_disconnect(request->server);
}

/* A search that the server dies of is not tried for ever. */
static void test_referral_ldap_reconnect_attempts(void)
{
	struct unit_search poison;
	unsigned int poison_count = 0;

	test_reconnect_begin("referral ldap reconnect: attempts", FALSE,
			     "20s");
	test_search_works();
	test_server->handler = poison_handler;
	test_server->context = &poison_count;
	/* one for each attempt that is followed by another one */
	test_expect_errors(3);
	unit_search(test_conn, &poison, "(cn=poison)");
	unit_wait(poison.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(search_has_error(&poison, "Connection lost"));
	test_assert(poison_count == 4);
	unit_search_free(&poison);

	/* nobody else is hurt */
	test_search_works();
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_garbage(void)
{
	/* more than the length that is read from it */
	static const char garbage[] =
		"HTTP/1.1 400 Bad Request\r\nServer: something else\r\n"
		"Content-Type: text/plain\r\nContent-Length: 12\r\n\r\n"
		"Bad Request\r\n";
	static const char *const where[] = { "binding", "searching" };
	struct unit_search search;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(where); i++) {
		test_reconnect_begin(t_strdup_printf(
			"referral ldap reconnect: garbage while %s",
			where[i]), TRUE, "20s");
		if (i == 0)
			test_server->ignore_binds = TRUE;
		else
			test_server->handler = NULL;
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(i == 0 ? test_server->bind_count == 1 :
			  test_server->search_count == 1);
		/* it goes on with that when we come again */
		test_server->bind_result = LDAP_UNAVAILABLE;
		test_server->ignore_binds = FALSE;
		test_expect_errors(i + 1);
		fake_ldap_send_bytes(i == 0 ? fake_ldap_bind(test_server, 0) :
				     fake_ldap_search(test_server, 0),
				     garbage, strlen(garbage));
		unit_wait(search.callback_count == 1);
		test_expect_no_more_errors();
		test_assert_idx(search.error == NULL, i);
		test_assert_idx(test_server2->search_count == 1, i);
		unit_search_free(&search);
		test_reconnect_end();
	}
}

/*
 * Hanging
 */

/* Silent to everything: left early enough that nobody fails. */
static void test_referral_ldap_reconnect_hung(void)
{
	struct unit_search hung[3];
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: hung, next server",
			     TRUE, "10s");
	test_search_works();
	test_server->deaf = TRUE;
	test_expect_error_string("No answer to anything");
	for (i = 0; i < N_ELEMENTS(hung); i++) {
		unit_search(test_conn, &hung[i],
			    t_strdup_printf("(cn=%u)", i));
	}
	for (i = 0; i < N_ELEMENTS(hung); i++) {
		unit_wait(hung[i].callback_count == 1);
		test_assert_strcmp_idx(hung[i].error, NULL, i);
		test_assert_strcmp_idx(hung[i].entries, t_strdup_printf(
			"cn=(cn=%u),dc=test: (cn=%u)", i, i), i);
		unit_search_free(&hung[i]);
	}
	test_expect_no_more_errors();
	test_assert(test_server2->search_count == N_ELEMENTS(hung));
	/* the connection is closed: it would be in the way when the server
	   goes on */
	fake_ldap_listen_again(test_server);
	unit_wait(test_server->bind_count == 2);
	test_reconnect_end();
}

/* A search that takes long is no reason to leave a server that answers
   others. */
static void test_referral_ldap_reconnect_slow_search(void)
{
	struct unit_search slow;

	test_reconnect_begin("referral ldap reconnect: slow search", TRUE,
			     "2s");
	test_server->handler = NULL;
	unit_search(test_conn, &slow, "(cn=slow)");
	unit_wait(slow.callback_count == 1);
	test_assert(search_has_error(&slow, "No answer in 2000 ms"));
	unit_search_free(&slow);
	test_assert(test_server->probe_count >= 1);
	unit_wait(test_server->abandon_count == 1);
	test_server->handler = unit_answer_handler;
	test_search_works();
	test_assert(test_server->conn_count == 1);
	test_assert(test_server2->conn_count == 0);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_hung_single(void)
{
	struct unit_search search;

	test_reconnect_begin("referral ldap reconnect: hung, no other server",
			     FALSE, "500ms");
	test_search_works();
	test_server->deaf = TRUE;
	unit_search(test_conn, &search, "(cn=hung)");
	unit_wait(search.callback_count == 1);
	test_assert(search_has_error(&search, "No answer in 500 ms"));
	unit_search_free(&search);
	fake_ldap_listen_again(test_server);
	(void)test_search_until_works();
	test_assert(test_server->conn_count <= 2);
	test_reconnect_end();
}

/*
 * Callbacks that search again
 */

struct test_again {
	struct unit_search search, again;
};

static void test_again_callback(struct unit_search *search)
{
	struct test_again *again =
		container_of(search, struct test_again, search);

	unit_search_start(&again->again, "(cn=again)", 0, 0, NULL);
}

static void test_again_start(struct test_again *again, bool before)
{
	i_zero(again);
	again->search.conn = again->again.conn = test_conn;
	if (before)
		again->search.before = test_again_callback;
	else
		again->search.after = test_again_callback;
	unit_search_start(&again->search, "(cn=first)", 0, 0, NULL);
}

static void test_again_free(struct test_again *again)
{
	unit_search_free(&again->search);
	unit_search_free(&again->again);
}

static void test_referral_ldap_reconnect_again_failed(void)
{
	struct test_again again[3];
	unsigned int i;

	test_reconnect_begin("referral ldap reconnect: search by the callback "
			     "of one that failed", FALSE, "20s");
	test_server->ignore_binds = TRUE;
	for (i = 0; i < N_ELEMENTS(again); i++)
		test_again_start(&again[i], FALSE);
	unit_wait(test_server->bind_count == 1);
	fake_ldap_stop(test_server);
	for (i = 0; i < N_ELEMENTS(again); i++) {
		unit_wait(again[i].search.callback_count == 1 &&
			  again[i].again.callback_count == 1);
		test_assert_idx(again[i].search.error != NULL, i);
		test_assert_idx(again[i].again.error != NULL, i);
		test_again_free(&again[i]);
	}
	test_reconnect_end();
}

/* The result is valid while the callback runs, whatever it starts: here the
   server has left when the new search is sent. */
static void again_handler(struct fake_ldap_request *request, void *context)
{
	bool *done = context;

	unit_answer(request, request->filter);
	if (!*done)
		fake_ldap_disconnect(request->server);
	*done = TRUE;
}

static void test_referral_ldap_reconnect_again_lost(void)
{
	struct test_again again;
	bool done = FALSE;

	test_reconnect_begin("referral ldap reconnect: search by a callback, "
			     "connection lost", FALSE, "20s");
	test_server->handler = again_handler;
	test_server->context = &done;
	test_expect_error_string("reconnecting");
	test_again_start(&again, TRUE);
	unit_wait(again.again.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(again.search.error, NULL);
	test_assert_strcmp(again.search.entries,
			   "cn=(cn=first),dc=test: (cn=first)");
	test_assert_strcmp(again.again.error, NULL);
	test_assert_strcmp(again.again.entries,
			   "cn=(cn=again),dc=test: (cn=again)");
	test_again_free(&again);
	test_reconnect_end();
}

static void test_referral_ldap_reconnect_again_deinit(void)
{
	struct test_again again;

	test_reconnect_begin("referral ldap reconnect: search by a callback "
			     "in deinit", FALSE, "20s");
	test_server->handler = NULL;
	test_again_start(&again, FALSE);
	unit_wait(test_server->search_count == 1);
	referral_ldap_connection_deinit(&test_conn);
	/* each callback exactly once */
	test_assert(again.search.callback_count == 1);
	test_assert(again.search.error != NULL);
	test_assert(again.again.callback_count == 1);
	test_assert(again.again.error != NULL);
	test_again_free(&again);
	test_reconnect_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_reconnect_refused,
		test_referral_ldap_reconnect_refused_tcp,
		test_referral_ldap_reconnect_all_refused,
		test_referral_ldap_reconnect_all_fail,
		test_referral_ldap_reconnect_backoff,
		test_referral_ldap_reconnect_hung_bind,
		test_referral_ldap_reconnect_hung_all,
		test_referral_ldap_reconnect_bind_fails,
		test_referral_ldap_reconnect_password,
		test_referral_ldap_reconnect_no_password,
		test_referral_ldap_reconnect_idle,
		test_referral_ldap_reconnect_closed_unseen,
		test_referral_ldap_reconnect_notice,
		test_referral_ldap_reconnect_in_flight,
		test_referral_ldap_reconnect_in_flight_next,
		test_referral_ldap_reconnect_attempts,
		test_referral_ldap_reconnect_garbage,
		test_referral_ldap_reconnect_hung,
		test_referral_ldap_reconnect_slow_search,
		test_referral_ldap_reconnect_hung_single,
		test_referral_ldap_reconnect_again_failed,
		test_referral_ldap_reconnect_again_deinit,
		test_referral_ldap_reconnect_again_lost,
		NULL
	};
	return unit_run(test_functions);
}
