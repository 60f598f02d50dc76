/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

/* One server that works; test-referral-ldap-reconnect is about the others. */

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;

static void test_connection_begin(const char *name, const char *timeout)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test connection", 1024);
	test_server = fake_ldap_init("ldap");
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", timeout, NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
}

static void test_connection_end(void)
{
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	test_assert(test_conn == NULL);
	fake_ldap_deinit(&test_server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}


/* What was asked, and all that a result can have. */

static const char test_nul_value[] = "a\0b";
static const struct fake_ldap_entry test_entries[] = {
	{ "uid=joe,dc=test", {
		{ "objectClass", "person", 0 },
		{ "mailHost", "imap1", 0 },
		{ "mailHost", "imap2", 0 },
		{ "empty", "", 0 },
		{ "nul", test_nul_value, sizeof(test_nul_value) },
		{ NULL, NULL, 0 } } },
	{ "uid=jane\\2Cx,dc=test", { { NULL, NULL, 0 } } },
};

static const char *
values_join(const struct referral_ldap_entry *entry, const char *attribute)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	string_t *str = t_str_new(64);

	referral_ldap_entry_get_values(entry, attribute, &values);
	array_foreach(&values, value) {
		test_assert(value->data[value->size] == '\0');
		str_printfa(str, "%zu=%s,", value->size, value->data);
	}
	return str_c(str);
}

static void
search_callback(struct referral_ldap_result *result, bool *called)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	struct referral_ldap_entry entry;

	*called = TRUE;
	test_assert_strcmp(result->error, NULL);
	test_assert(!result->truncated);
	test_assert(result->cookie.bv_len == 0);

	test_assert(referral_ldap_result_next(result, &entry));
	test_assert_strcmp(entry.dn, "uid=joe,dc=test");
	test_assert_strcmp(values_join(&entry, "mailHost"),
			   "5=imap1,5=imap2,");
	/* RFC 4512 section 2.5 */
	test_assert_strcmp(values_join(&entry, "MAILhost"),
			   "5=imap1,5=imap2,");
	test_assert_strcmp(values_join(&entry, "empty"), "0=,");
	test_assert_strcmp(values_join(&entry, "mail"), "");
	test_assert_strcmp(values_join(&entry, "mailHostX"), "");
	referral_ldap_entry_get_values(&entry, "nul", &values);
	test_assert(array_count(&values) == 1);
	value = array_front(&values);
	test_assert_memcmp(value->data, value->size, test_nul_value,
			   sizeof(test_nul_value));

	test_assert(referral_ldap_result_next(result, &entry));
	test_assert_strcmp(entry.dn, "uid=jane\\2Cx,dc=test");
	test_assert_strcmp(values_join(&entry, "mailHost"), "");
	test_assert(!referral_ldap_result_next(result, &entry));
	test_assert(!referral_ldap_result_next(result, &entry));
}

static void test_referral_ldap_connection_search(void)
{
	static const char *const attributes[] = {
		"mailHost", "empty", "nul", NULL
	};
	static const struct referral_ldap_search search = {
		.base = "ou=people,dc=test",
		.scope = LDAP_SCOPE_ONELEVEL,
		.filter = "(&(objectClass=person)(!(uid=a\\2a\\00\\c3\\bc)))",
		.attributes = attributes,
		.size_limit = 7,
	};
	struct fake_ldap_request *request;
	bool called = FALSE;

	test_connection_begin("referral ldap connection: search", "10s");
	/* nothing happens before somebody asks */
	test_assert(test_server->conn_count == 0);
	referral_ldap_connection_search(test_conn, &search,
					search_callback, &called);
	unit_wait(test_server->search_count == 1);
	request = fake_ldap_bind(test_server, 0);
	test_assert_strcmp(request->dn, "");
	test_assert_strcmp(request->password, "");
	request = fake_ldap_search(test_server, 0);
	test_assert_strcmp(request->dn, "ou=people,dc=test");
	test_assert(request->scope == LDAP_SCOPE_ONELEVEL);
	test_assert_strcmp(request->filter,
		"(&(objectClass=person)(!(uid=a\\2a\\00\xc3\xbc)))");
	test_assert_strcmp(request->attributes, "mailHost empty nul");
	test_assert(request->size_limit == 7);
	test_assert(request->page_size == 0);

	fake_ldap_send_entry(request, &test_entries[0]);
	/* we never go where a server sends us */
	fake_ldap_send_reference(request, "ldap://other.example.org/dc=test");
	fake_ldap_send_entry(request, &test_entries[1]);
	test_assert(!called);
	fake_ldap_send_result(request, LDAP_SUCCESS, "");
	unit_wait(called);
	test_assert(test_server->conn_count == 1);
	test_connection_end();
}

static void test_referral_ldap_connection_tcp(void)
{
	struct referral_ldap_settings *set;
	struct unit_search search;

	test_begin("referral ldap connection: ldap://");
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test connection", 1024);
	test_server = fake_ldap_init_tcp();
	test_server->handler = unit_answer_handler;
	set = unit_ldap_settings(test_pool, "uris", test_server->uri, NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.entries, "cn=(cn=a),dc=test: (cn=a)");
	unit_search_free(&search);
	test_connection_end();
}

static void test_referral_ldap_connection_bind_first(void)
{
	struct unit_search search, search2;

	test_connection_begin("referral ldap connection: bind, then search",
			      "10s");
	test_server->handler = unit_answer_handler;
	test_server->ignore_binds = TRUE;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(test_server->bind_count == 1);
	unit_search(test_conn, &search2, "(cn=b)");
	test_assert(test_server->search_count == 0);
	fake_ldap_send_result(fake_ldap_bind(test_server, 0), LDAP_SUCCESS,
			      NULL);
	unit_wait(search.callback_count == 1 && search2.callback_count == 1);
	test_assert_strcmp(search.entries, "cn=(cn=a),dc=test: (cn=a)");
	test_assert_strcmp(search2.entries, "cn=(cn=b),dc=test: (cn=b)");
	/* in the order in which they came */
	test_assert_strcmp(fake_ldap_search(test_server, 0)->filter,
			   "(cn=a)");
	test_assert_strcmp(fake_ldap_search(test_server, 1)->filter,
			   "(cn=b)");
	test_assert(test_server->bind_count == 1);
	unit_search_free(&search);
	unit_search_free(&search2);
	test_connection_end();
}

static void test_referral_ldap_connection_out_of_order(void)
{
	static const unsigned int order[] = { 3, 0, 4, 1, 2 };
	struct unit_search searches[N_ELEMENTS(order)];
	unsigned int i, j;

	test_connection_begin("referral ldap connection: several in flight, "
			      "answered out of order", "10s");
	for (i = 0; i < N_ELEMENTS(order); i++) {
		unit_search(test_conn, &searches[i],
			    t_strdup_printf("(cn=%u)", i));
	}
	unit_wait(test_server->search_count == N_ELEMENTS(order));
	for (i = 0; i < N_ELEMENTS(order); i++) {
		j = order[i];
		unit_answer(fake_ldap_search(test_server, j),
			    t_strdup_printf("answer%u", j));
		unit_wait(searches[j].callback_count == 1);
		test_assert_strcmp_idx(searches[j].entries, t_strdup_printf(
			"cn=answer%u,dc=test: answer%u", j, j), j);
	}
	/* and entries of several between each other */
	for (i = 0; i < 2; i++) {
		unit_search_free(&searches[i]);
		unit_search(test_conn, &searches[i], "(cn=x)");
	}
	unit_wait(test_server->search_count == N_ELEMENTS(order) + 2);
	for (i = 0; i < 4; i++) {
		fake_ldap_send_entry(fake_ldap_search(test_server,
						      N_ELEMENTS(order) + i % 2),
				     &test_entries[i / 2]);
	}
	for (i = 0; i < 2; i++) {
		fake_ldap_send_result(fake_ldap_search(test_server,
						       N_ELEMENTS(order) + i),
				      LDAP_SUCCESS, NULL);
	}
	unit_wait(searches[0].callback_count == 1 &&
		  searches[1].callback_count == 1);
	for (i = 0; i < N_ELEMENTS(order); i++) {
		if (i < 2) {
			test_assert_strcmp(searches[i].entries,
				"uid=joe,dc=test:; uid=jane\\2Cx,dc=test:");
		}
		unit_search_free(&searches[i]);
	}
	test_assert(test_server->conn_count == 1);
	test_connection_end();
}

static void test_referral_ldap_connection_errors(void)
{
	static const struct {
		int result;
		const char *text;
		/* in the error, besides the URI and the base */
		const char *error;
	} tests[] = {
		{ LDAP_NO_SUCH_OBJECT, NULL, "No such object" },
		{ LDAP_INSUFFICIENT_ACCESS, "go away",
		  "Insufficient access (go away)" },
		{ LDAP_OPERATIONS_ERROR, "a\r\nb\x1b\xff", "(a??b" },
		{ LDAP_BUSY, NULL, "Server is busy" },
		{ LDAP_UNAVAILABLE, NULL, "Server is unavailable" },
		{ LDAP_REFERRAL, NULL, "Referral" },
		{ LDAP_TIMELIMIT_EXCEEDED, NULL, "Time limit exceeded" },
		{ LDAP_ADMINLIMIT_EXCEEDED, NULL,
		  "Administrative limit exceeded" },
		{ LDAP_SIZELIMIT_EXCEEDED, NULL, "has to be raised" },
		{ 4242, NULL, "" },
	};
	struct unit_search search;
	unsigned int i;

	test_connection_begin("referral ldap connection: errors", "10s");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		unit_search(test_conn, &search, "(cn=a)");
		unit_wait(test_server->search_count == i + 1);
		fake_ldap_send_entry(fake_ldap_search(test_server, i),
				     &test_entries[0]);
		fake_ldap_send_result(fake_ldap_search(test_server, i),
				      tests[i].result, tests[i].text);
		unit_wait(search.callback_count == 1);
		test_assert_idx(search.error != NULL, i);
		if (search.error != NULL) {
			test_assert_idx(strstr(search.error,
					       test_server->uri) != NULL, i);
			test_assert_idx(strstr(search.error,
					       "dc=test") != NULL, i);
			test_assert_idx(strstr(search.error,
					       tests[i].error) != NULL, i);
			test_assert_idx(strpbrk(search.error,
						"\r\n\x1b") == NULL, i);
		}
		/* a part of the entries is no result */
		test_assert_strcmp_idx(search.entries, "", i);
		unit_search_free(&search);
	}
	/* none of them is the connection's */
	test_assert(test_server->conn_count == 1);
	test_connection_end();
}

static void test_referral_ldap_connection_size_limit(void)
{
	static const struct {
		unsigned int size_limit, entries;
		int result;
		bool success, truncated;
	} tests[] = {
		{ 2, 2, LDAP_SUCCESS, TRUE, FALSE },
		{ 2, 2, LDAP_SIZELIMIT_EXCEEDED, TRUE, TRUE },
		/* the server's limit is lower than ours */
		{ 2, 1, LDAP_SIZELIMIT_EXCEEDED, FALSE, FALSE },
		{ 2, 0, LDAP_SIZELIMIT_EXCEEDED, FALSE, FALSE },
		{ 0, 2, LDAP_SIZELIMIT_EXCEEDED, FALSE, FALSE },
		{ 0, 0, LDAP_SIZELIMIT_EXCEEDED, FALSE, FALSE },
		{ 0, 2, LDAP_SUCCESS, TRUE, FALSE },
	};
	struct fake_ldap_request *request;
	struct unit_search search;
	unsigned int i, j;

	test_connection_begin("referral ldap connection: size limit", "10s");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		i_zero(&search);
		search.conn = test_conn;
		unit_search_start(&search, "(cn=a)", tests[i].size_limit, 0,
				  NULL);
		unit_wait(test_server->search_count == i + 1);
		request = fake_ldap_search(test_server, i);
		test_assert_idx(request->size_limit ==
				(int)tests[i].size_limit, i);
		for (j = 0; j < tests[i].entries; j++)
			fake_ldap_send_entry(request, &test_entries[j]);
		fake_ldap_send_result(request, tests[i].result, NULL);
		unit_wait(search.callback_count == 1);
		test_assert_idx((search.error == NULL) == tests[i].success, i);
		test_assert_idx(search.truncated == tests[i].truncated, i);
		if (tests[i].success && tests[i].entries == 2) {
			test_assert_strcmp_idx(search.entries,
				"uid=joe,dc=test:; uid=jane\\2Cx,dc=test:", i);
		}
		unit_search_free(&search);
	}
	test_connection_end();
}

/* What no LDAP server sends: nothing of it is an answer. */
static void test_referral_ldap_connection_garbage(void)
{
	/* 30: the message, 02 01 nn: its number, 64: an entry, 04 03 "a=b", and
	   among the attributes what is none */
	unsigned char bad_entry[] = {
		0x30, 0x0e, 0x02, 0x01, 0, 0x64, 0x09, 0x04, 0x03, 'a', '=', 'b',
		0x30, 0x02, 0x05, 0x00
	};
	struct fake_ldap_request *request;
	struct unit_search search;
	unsigned int i;

	test_connection_begin("referral ldap connection: garbage", "10s");
	/* more than was asked for: it is left before it ends */
	i_zero(&search);
	search.conn = test_conn;
	unit_search_start(&search, "(cn=a)", 2, 0, NULL);
	unit_wait(test_server->search_count == 1);
	request = fake_ldap_search(test_server, 0);
	for (i = 0; i < 3; i++)
		fake_ldap_send_entry(request, &test_entries[0]);
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL &&
		    strstr(search.error, "more entries than") != NULL);
	unit_search_free(&search);
	test_connection_end();

	test_connection_begin("referral ldap connection: bad entry", "10s");
	i_zero(&search);
	search.conn = test_conn;
	unit_search_start(&search, "(cn=a)", 2, 0, NULL);
	unit_wait(test_server->search_count == 1);
	request = fake_ldap_search(test_server, 0);
	bad_entry[4] = request->msgid;
	fake_ldap_send_bytes(request, bad_entry, sizeof(bad_entry));
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL &&
		    strstr(search.error, "cannot be read") != NULL);
	unit_search_free(&search);
	test_connection_end();
}

static void test_referral_ldap_connection_pages(void)
{
	struct fake_ldap_request *request;
	struct unit_search search;

	test_connection_begin("referral ldap connection: pages", "10s");
	i_zero(&search);
	search.conn = test_conn;
	unit_search_start(&search, "(cn=a)", 0, 100, NULL);
	unit_wait(test_server->search_count == 1);
	request = fake_ldap_search(test_server, 0);
	test_assert(request->page_size == 100);
	test_assert_strcmp(request->cookie, "");
	fake_ldap_send_entry(request, &test_entries[0]);
	fake_ldap_send_page(request, "the cookie");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.cookie, "the cookie");
	unit_search_free(&search);

	unit_search_start(&search, "(cn=a)", 0, 100, "the cookie");
	unit_wait(test_server->search_count == 2);
	request = fake_ldap_search(test_server, 1);
	test_assert(request->page_size == 100);
	test_assert_strcmp(request->cookie, "the cookie");
	fake_ldap_send_entry(request, &test_entries[1]);
	fake_ldap_send_page(request, "");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.cookie, "");
	test_assert_strcmp(search.entries, "uid=jane\\2Cx,dc=test:");
	unit_search_free(&search);

	/* not knowing whether there are more is no success */
	unit_search_start(&search, "(cn=a)", 0, 100, NULL);
	unit_wait(test_server->search_count == 3);
	fake_ldap_send_entry(fake_ldap_search(test_server, 2),
			     &test_entries[0]);
	fake_ldap_send_broken_page(fake_ldap_search(test_server, 2));
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL);
	unit_search_free(&search);

	/* a server that does not know pages */
	unit_search_start(&search, "(cn=a)", 0, 100, NULL);
	unit_wait(test_server->search_count == 4);
	unit_answer(fake_ldap_search(test_server, 3), "x");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(search.cookie, "");
	unit_search_free(&search);
	test_connection_end();
}

static void test_referral_ldap_connection_deadline(void)
{
	struct fake_ldap_request *request;
	struct unit_search slow, fast;
	struct timeval start;

	test_connection_begin("referral ldap connection: deadline of one "
			      "search", "1s");
	start = ioloop_timeval;
	unit_search(test_conn, &slow, "(cn=slow)");
	unit_wait(test_server->search_count == 1);
	/* others go on meanwhile */
	unit_search(test_conn, &fast, "(cn=fast)");
	unit_wait(test_server->search_count == 2);
	unit_answer(fake_ldap_search(test_server, 1), "fast");
	unit_wait(fast.callback_count == 1);
	test_assert_strcmp(fast.error, NULL);
	test_assert(slow.callback_count == 0);
	unit_search_free(&fast);

	unit_wait(slow.callback_count == 1);
	test_assert(unit_msecs_since(&start) >= 900);
	test_assert(slow.error != NULL &&
		    strstr(slow.error, test_server->uri) != NULL &&
		    strstr(slow.error, "1000 ms") != NULL);
	unit_search_free(&slow);

	/* the server is told, and what it says all the same is ignored */
	unit_wait(test_server->abandon_count == 1);
	request = fake_ldap_search(test_server, 0);
	test_assert(fake_ldap_abandon(test_server)->abandon_msgid ==
		    request->msgid);
	unit_answer(request, "slow");
	unit_search(test_conn, &fast, "(cn=last)");
	unit_wait(test_server->search_count == 3);
	unit_answer(fake_ldap_search(test_server, 2), "last");
	unit_wait(fast.callback_count == 1);
	test_assert_strcmp(fast.error, NULL);
	test_assert_strcmp(fast.entries, "cn=last,dc=test: last");
	test_assert(test_server->conn_count == 1);
	unit_search_free(&fast);
	test_connection_end();
}

static void search_again(struct unit_search *search)
{
	struct unit_search *next = search->context;

	if (next != NULL)
		unit_search_start(next, "(cn=next)", 0, 0, NULL);
}

static void test_referral_ldap_connection_again(void)
{
	struct unit_search searches[4];
	unsigned int i;

	test_connection_begin("referral ldap connection: search by a "
			      "callback", "10s");
	test_server->handler = unit_answer_handler;
	i_zero(&searches);
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		searches[i].conn = test_conn;
		if (i + 1 == N_ELEMENTS(searches))
			break;
		/* the result is valid also after that */
		if (i % 2 == 0)
			searches[i].before = search_again;
		else
			searches[i].after = search_again;
		searches[i].context = &searches[i + 1];
	}
	unit_search_start(&searches[0], "(cn=first)", 0, 0, NULL);
	unit_wait(searches[N_ELEMENTS(searches) - 1].callback_count == 1);
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		test_assert_idx(searches[i].callback_count == 1, i);
		test_assert_strcmp_idx(searches[i].error, NULL, i);
		test_assert_strcmp_idx(searches[i].entries, i == 0 ?
			"cn=(cn=first),dc=test: (cn=first)" :
			"cn=(cn=next),dc=test: (cn=next)", i);
		unit_search_free(&searches[i]);
	}
	test_assert(test_server->conn_count == 1);
	test_connection_end();
}

/* What libldap refuses to send is that search's problem alone. */
static void test_referral_ldap_connection_bad_filter(void)
{
	static const char *const filters[] = { "(cn=a", "(", "(cn=\\zz)" };
	struct unit_search bad[N_ELEMENTS(filters)], good;
	unsigned int i;

	test_connection_begin("referral ldap connection: bad filters", "10s");
	test_server->handler = unit_answer_handler;
	for (i = 0; i < N_ELEMENTS(filters); i++)
		unit_search(test_conn, &bad[i], filters[i]);
	unit_search(test_conn, &good, "(cn=good)");
	unit_wait(good.callback_count == 1);
	test_assert_strcmp(good.error, NULL);
	for (i = 0; i < N_ELEMENTS(filters); i++) {
		test_assert_idx(bad[i].callback_count == 1, i);
		test_assert_idx(bad[i].error != NULL, i);
		unit_search_free(&bad[i]);
	}
	unit_search_free(&good);

	/* and when it is sent at once */
	unit_search(test_conn, &bad[0], filters[0]);
	test_assert(bad[0].callback_count == 1 && bad[0].error != NULL);
	unit_search_free(&bad[0]);
	test_assert(test_server->conn_count == 1);
	test_connection_end();
}

/* More than the socket takes while the server does something else: libldap
   writes a part of a request, and is busy for the next one. */
static void test_referral_ldap_connection_busy(void)
{
#define BUSY_COUNT 2000
	struct unit_search *searches, last;
	string_t *filter = t_str_new(1024);
	unsigned int i;

	test_connection_begin("referral ldap connection: full socket", "60s");
	searches = i_new(struct unit_search, BUSY_COUNT);
	test_server->handler = unit_answer_handler;
	unit_search(test_conn, &last, "(cn=first)");
	unit_wait(last.callback_count == 1);
	unit_search_free(&last);

	test_server->deaf = TRUE;
	for (i = 0; i < BUSY_COUNT; i++) {
		str_truncate(filter, 0);
		str_printfa(filter, "(cn=%u-", i);
		while (str_len(filter) < 600)
			str_append_c(filter, 'x');
		str_append_c(filter, ')');
		unit_search(test_conn, &searches[i], str_c(filter));
		if (searches[i].callback_count > 0)
			break;
	}
	test_assert(i == BUSY_COUNT);
	/* nobody is told anything, but one that has waited */
	unit_search(test_conn, &last, "(cn=last)");
	test_assert(test_server->search_count == 1);
	fake_ldap_listen_again(test_server);
	unit_wait(last.callback_count == 1);
	test_assert_strcmp(last.error, NULL);
	test_assert_strcmp(last.entries, "cn=(cn=last),dc=test: (cn=last)");
	unit_search_free(&last);

	for (i = 0; i < BUSY_COUNT; i++) {
		const char *start = t_strdup_printf("cn=(cn=%u-x", i);

		test_assert_idx(searches[i].callback_count == 1, i);
		test_assert_idx(searches[i].error == NULL, i);
		test_assert_idx(searches[i].entries != NULL &&
				strncmp(searches[i].entries, start,
					strlen(start)) == 0, i);
		unit_search_free(&searches[i]);
	}
	/* each of them once */
	test_assert(test_server->search_count == BUSY_COUNT + 2);
	test_assert(test_server->conn_count == 1);
	i_free(searches);
	test_connection_end();
}

static void test_referral_ldap_connection_large(void)
{
	struct fake_ldap_entry entry = {
		"cn=large,dc=test", {
			{ "cn", NULL, 0 },
			{ NULL, NULL, 0 }
		}
	};
	struct unit_search search;
	char *value;
	unsigned int i;

	test_connection_begin("referral ldap connection: large result",
			      "60s");
	value = i_malloc(10001);
	memset(value, 'x', 10000);
	entry.values[0].value = value;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(test_server->search_count == 1);
	for (i = 0; i < 500; i++) {
		fake_ldap_send_entry(fake_ldap_search(test_server, 0),
				     &entry);
	}
	fake_ldap_send_result(fake_ldap_search(test_server, 0), LDAP_SUCCESS,
			      NULL);
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert(strlen(search.entries) > 500 * 10000);
	unit_search_free(&search);
	i_free(value);
	test_connection_end();
}

static void test_referral_ldap_connection_deinit(void)
{
	struct unit_search searches[3];
	unsigned int i;

	/* connecting */
	test_connection_begin("referral ldap connection: deinit while "
			      "connecting", "10s");
	unit_search(test_conn, &searches[0], "(cn=a)");
	referral_ldap_connection_deinit(&test_conn);
	test_assert(searches[0].callback_count == 1 &&
		    searches[0].error != NULL);
	unit_search_free(&searches[0]);
	test_connection_end();

	test_connection_begin("referral ldap connection: deinit while "
			      "binding", "10s");
	test_server->ignore_binds = TRUE;
	unit_search(test_conn, &searches[0], "(cn=a)");
	unit_wait(test_server->bind_count == 1);
	referral_ldap_connection_deinit(&test_conn);
	test_assert(searches[0].callback_count == 1 &&
		    searches[0].error != NULL);
	unit_search_free(&searches[0]);
	test_connection_end();

	test_connection_begin("referral ldap connection: deinit with searches "
			      "in flight", "10s");
	for (i = 0; i < N_ELEMENTS(searches); i++)
		unit_search(test_conn, &searches[i], "(cn=a)");
	unit_wait(test_server->search_count == N_ELEMENTS(searches));
	referral_ldap_connection_deinit(&test_conn);
	for (i = 0; i < N_ELEMENTS(searches); i++) {
		test_assert_idx(searches[i].callback_count == 1 &&
				searches[i].error != NULL, i);
		unit_search_free(&searches[i]);
	}
	/* we leave politely */
	unit_wait(test_server->unbind_count == 1 &&
		  test_server->open_count == 0);
	test_connection_end();

	test_connection_begin("referral ldap connection: deinit when idle",
			      "10s");
	test_server->handler = unit_answer_handler;
	unit_search(test_conn, &searches[0], "(cn=a)");
	unit_wait(searches[0].callback_count == 1);
	unit_search_free(&searches[0]);
	referral_ldap_connection_deinit(&test_conn);
	unit_wait(test_server->open_count == 0);
	test_connection_end();

	test_connection_begin("referral ldap connection: deinit when unused",
			      "10s");
	test_connection_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_connection_search,
		test_referral_ldap_connection_tcp,
		test_referral_ldap_connection_bind_first,
		test_referral_ldap_connection_out_of_order,
		test_referral_ldap_connection_errors,
		test_referral_ldap_connection_size_limit,
		test_referral_ldap_connection_garbage,
		test_referral_ldap_connection_pages,
		test_referral_ldap_connection_deadline,
		test_referral_ldap_connection_again,
		test_referral_ldap_connection_bad_filter,
		test_referral_ldap_connection_busy,
		test_referral_ldap_connection_large,
		test_referral_ldap_connection_deinit,
		NULL
	};
	return unit_run(test_functions);
}
