/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-ldap-connection.h"
#include "referral-mailbox-load.h"
#include "referral-mailbox-map.h"
#include "unit-loader.h"

static void
test_loader_begin(struct unit_loader *test, const char *page_size,
		  const char *limit)
{
	unit_loader_begin(test, referral_mailbox_load_get, page_size, limit);
}

/* "<name>=<value>; ..." with "-" for broken */
static const char *map_dump(struct referral_map *map)
{
	string_t *str = t_str_new(256);
	struct referral_mailbox_list *list = referral_mailbox_map_get_list(map);
	const char *name, *value;
	unsigned int i;

	for (i = 0; i < referral_mailbox_list_count(list); i++) {
		referral_mailbox_list_get(list, i, &name, &value);
		if (str_len(str) > 0)
			str_append(str, "; ");
		str_printfa(str, "%s=%s", name, value == NULL ? "-" : value);
	}
	referral_mailbox_list_unref(&list);
	return str_c(str);
}

#define URI(value) { "labeledURI", value, 0 }
#define HOST(value) { "mailHost", value, 0 }
#define NAME(value) { "cn", value, 0 }
#define BYTES(attribute, value) { attribute, value, sizeof(value) - 1 }
#define END { NULL, NULL, 0 }

static void test_referral_mailbox_load_entry(void)
{
	static const struct {
		struct fake_ldap_entry entry;
		const char *map;
		/* What is logged of the only bad value, after "cn=x,dc=test:
		   Skipping " */
		const char *error;
	} tests[] = {
		/* 0: URIs */
		{ { "cn=x,dc=test", { URI("imap://a/Shared/x"),
		      NAME("ignored"), END } },
		  "Shared/x=imap://a/Shared/x", NULL },
		{ { "cn=x,dc=test", { URI("imap://a:993/Shared/x The label"),
		      END } },
		  "Shared/x=imap://a:993/Shared/x", NULL },
		{ { "cn=x,dc=test", { URI("imap://a/x 2"),
		      URI("imap://b/x 1"), END } },
		  "x=imap://b/x imap://a/x", NULL },
		{ { "cn=x,dc=test", { URI("imap://a/x"), URI("imap://a/y"),
		      END } },
		  "x=imap://a/x; y=imap://a/y", NULL },
		{ { "cn=x,dc=test", { URI("imap://a/B%C3%BCro"), END } },
		  "B\xc3\xbcro=imap://a/B%C3%BCro", NULL },
		/* 5: without a mailbox, that of the entry */
		{ { "cn=x,dc=test", { URI("imap://a/"), NAME("Shared/x"),
		      END } },
		  "Shared/x=imap://a/Shared/x", NULL },
		{ { "cn=x,dc=test", { URI("imap://a"), URI("imap://b/ 1"),
		      NAME("x"), NAME("y"), END } },
		  "x=imap://a/x imap://b/x; y=imap://a/y imap://b/y", NULL },
		/* 7: hosts */
		{ { "cn=x,dc=test", { HOST("a"), NAME("Shared/x"), END } },
		  "Shared/x=imap://a:10143/Shared/x", NULL },
		{ { "cn=x,dc=test", { HOST("a:143 2"), HOST("b 1"),
		      NAME("x"), END } },
		  "x=imap://b:10143/x imap://a/x", NULL },
		{ { "cn=x,dc=test", { HOST("imap://a/x"), NAME("y"), END } },
		  "x=imap://a/x", NULL },
		/* 10: a host only where there is no URI */
		{ { "cn=x,dc=test", { URI("imap://a/x"), HOST("b"),
		      NAME("y"), END } },
		  "x=imap://a/x", NULL },
		{ { "cn=x,dc=test", { HOST("b"), END } }, "", NULL },
		{ { "cn=x,dc=test", { NAME("y"), END } }, "", NULL },
		{ { "cn=x,dc=test", { END } }, "", NULL },
		/* 14: broken, and still listed: it is not here */
		{ { "cn=x,dc=test", { URI("imap://h_1/Shared/x"), END } },
		  "Shared/x=-", "labeledURI='imap://h_1/Shared/x': " },
		{ { "cn=x,dc=test", { URI("imap://joe@a/x 10"), HOST("b"),
		      NAME("y"), END } },
		  "x=-", "labeledURI='imap://joe@a/x 10': " },
		/* a web page is no mailbox */
		{ { "cn=x,dc=test", { URI("https://a/y Our page"), HOST("b"),
		      NAME("z"), END } },
		  "z=imap://b:10143/z", NULL },
		{ { "cn=x,dc=test", { HOST("https://a/"), NAME("y"), END } },
		  "y=-", "mailHost='https://a/': " },
		{ { "cn=x,dc=test", { URI("imap://a/%FF"), NAME("y"),
		      NAME("z"), END } },
		  "y=-; z=-", "labeledURI='imap://a/%FF': " },
		{ { "cn=x,dc=test", { URI("junk"), NAME("y"), END } },
		  "y=imap://junk:10143/y", NULL },
		{ { "cn=x,dc=test", { HOST("h_1"), NAME("x"), END } },
		  "x=-", "mailHost='h_1': " },
		/* 20 */
		{ { "cn=x,dc=test", { HOST(""), NAME("x"), END } },
		  "x=-", "mailHost='': the value is empty" },
		{ { "cn=x,dc=test", { BYTES("mailHost", "a\0b"), NAME("x"),
		      END } },
		  "x=-", "mailHost='a': " },
		{ { "cn=x,dc=test", { HOST("a\r\n* BYE"), NAME("x"), END } },
		  "x=-", "mailHost='a??* BYE': " },
		{ { "cn=x,dc=test", { HOST("a:65536"), NAME("x"), END } },
		  "x=-", "mailHost='a:65536': the port" },
		/* 24: with one that is not */
		{ { "cn=x,dc=test", { HOST("h_1"), HOST("a"), NAME("x"),
		      END } },
		  "x=imap://a:10143/x", "mailHost='h_1': " },
		{ { "cn=x,dc=test", { URI("imap://a/x"),
		      URI("imap://b:0/x"), END } },
		  "x=imap://a/x", "labeledURI='imap://b:0/x': " },
		{ { "cn=x,dc=test", { URI("imap://a/x"),
		      URI("imap://b:0/y"), END } },
		  "x=imap://a/x; y=-", "labeledURI='imap://b:0/y': " },
		/* 27: names */
		{ { "cn=x,dc=test", { HOST("a"), NAME("Shared//x"), END } },
		  "", "cn='Shared//x': the mailbox name has an empty level" },
		{ { "cn=x,dc=test", { HOST("a"), NAME("x\ny"), NAME("z"),
		      END } },
		  "z=imap://a:10143/z", "cn='x?y': the mailbox name has a " },
		{ { "cn=x,dc=test", { HOST("a"), BYTES("cn", "x\0y"),
		      END } },
		  "", "cn='x': the mailbox name has a NUL byte" },
		/* 30 */
		{ { "cn=x,dc=test", { HOST("a"), NAME("B\xfcro"), END } },
		  "", ": the mailbox name is not UTF-8" },
		{ { "cn=x,dc=test", { HOST("a"), NAME("Shared/*()\\"),
		      END } },
		  "Shared/*()\\=imap://a:10143/Shared/%2A%28%29%5C", NULL },
		/* 32: a broken URL's mailbox is that of a good one */
		{ { "cn=x,dc=test", { URI("imap://h_1/Shared/x/"), NAME("y"),
		      END } },
		  "Shared/x=-", "labeledURI='imap://h_1/Shared/x/': " },
		{ { "cn=x,dc=test", { URI("imap://a/x;UIDVALIDITY=1"),
		      NAME("y"), END } },
		  "x=-", "labeledURI='imap://a/x;UIDVALIDITY=1': " },
	};
	struct unit_loader test;
	unsigned int i;

	test_begin("referral mailbox load: entries");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		test_loader_begin(&test, "500", "100");
		if (tests[i].error != NULL)
			test_expect_error_string(tests[i].error);
		referral_loader_start(test.loader);
		unit_wait(test.server->search_count == 1);
		fake_ldap_send_entry(fake_ldap_search(test.server, 0),
				     &tests[i].entry);
		fake_ldap_send_result(fake_ldap_search(test.server, 0),
				      LDAP_SUCCESS, NULL);
		unit_wait(test.callback_count == 1);
		test_assert_strcmp_idx(test.error, NULL, i);
		if (test.map != NULL) {
			test_assert_strcmp_idx(map_dump(test.map),
					       tests[i].map, i);
		}
		test_expect_no_more_errors();
		unit_loader_end(&test);
	} T_END;
	test_end();
}

static void test_referral_mailbox_load_request(void)
{
	struct unit_loader test;
	struct fake_ldap_request *request;

	test_begin("referral mailbox load: request");
	test_loader_begin(&test, "500", "100");
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 1);
	request = fake_ldap_search(test.server, 0);
	test_assert_strcmp(request->dn, "dc=test");
	test_assert(request->scope == LDAP_SCOPE_SUBTREE);
	test_assert_strcmp(request->filter,
		"(&(|(&(objectClass=labeledURIObject)(labeledURI=*))"
		"(&(objectClass=inetLocalMailRecipient)(mailHost=*)))"
		"(!(uid=*)))");
	test_assert_strcmp(request->attributes, "labeledURI mailHost cn");
	test_assert(request->page_size == 500);
	test_assert(request->size_limit == 0);

	/* one at a time */
	referral_loader_start(test.loader);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
	unit_wait(test.callback_count == 1);
	test_assert(test.map != NULL &&
		    referral_map_count(test.map) == 0);
	test_assert(test.server->search_count == 1);
	unit_loader_end(&test);
	test_end();
}

/* "Shared/<idx>" at "imap://a/Shared/<idx>" */
static void
send_mailbox(struct fake_ldap_request *request, unsigned int idx)
{
	const struct fake_ldap_entry entry = {
		t_strdup_printf("cn=%u,dc=test", idx), {
			URI(t_strdup_printf("imap://a/Shared/%u", idx)),
			END
		}
	};

	fake_ldap_send_entry(request, &entry);
}

/* Serves "context" mailboxes in pages; the cookie is the next one. */
static void page_handler(struct fake_ldap_request *request, void *context)
{
	const unsigned int *count = context;
	unsigned int idx = 0, page;

	if (*request->cookie != '\0' &&
	    str_to_uint(request->cookie, &idx) < 0)
		i_unreached();
	for (page = request->page_size; page > 0 && idx < *count; page--)
		send_mailbox(request, idx++);
	fake_ldap_send_page(request, idx == *count ? "" : dec2str(idx));
}

static void test_referral_mailbox_load_pages(void)
{
	static const struct {
		unsigned int count;
		const char *page_size;
		unsigned int pages;
	} tests[] = {
		{ 0, "10", 1 },
		{ 1, "10", 1 },
		{ 10, "10", 1 },
		{ 11, "10", 2 },
		{ 100, "1", 100 },
		{ 95, "7", 14 },
	};
	struct unit_loader test;
	const char *value;
	unsigned int i, j;

	test_begin("referral mailbox load: pages");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		test_loader_begin(&test, tests[i].page_size, "100");
		test.server->handler = page_handler;
		test.server->context = (void *)&tests[i].count;
		referral_loader_start(test.loader);
		unit_wait(test.callback_count == 1);
		test_assert_strcmp_idx(test.error, NULL, i);
		test_assert_idx(test.map != NULL &&
				referral_map_count(test.map) ==
				tests[i].count, i);
		test_assert_idx(test.server->search_count == tests[i].pages,
				i);
		for (j = 0; j < tests[i].count; j++) {
			test_assert_idx(referral_mailbox_map_lookup(test.map,
				t_strdup_printf("Shared/%u", j),
				&value) == 1, j);
		}
		unit_loader_end(&test);
	} T_END;
	test_end();
}

static void test_referral_mailbox_load_limit(void)
{
	struct unit_loader test;
	unsigned int count;

	test_begin("referral mailbox load: limit");
	for (count = 29; count <= 32; count++) {
		test_loader_begin(&test, "7", "30");
		test.server->handler = page_handler;
		test.server->context = &count;
		referral_loader_start(test.loader);
		unit_wait(test.callback_count == 1);
		test_assert_idx((test.map != NULL) == (count <= 30), count);
		if (count > 30) {
			/* a part of them is no answer */
			test_assert_idx(test.error != NULL &&
				strstr(test.error, "30") != NULL &&
				strstr(test.error,
				       "referral_ldap_mailbox_limit") != NULL,
				count);
		}
		unit_loader_end(&test);
	}
	test_end();
}

static void test_referral_mailbox_load_fails(void)
{
	struct unit_loader test;
	unsigned int count = 10;

	test_begin("referral mailbox load: failures");
	test_loader_begin(&test, "3", "100");
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 1);
	fake_ldap_send_result(fake_ldap_search(test.server, 0),
			      LDAP_NO_SUCH_OBJECT, NULL);
	unit_wait(test.callback_count == 1);
	test_assert(test.error != NULL &&
		    strstr(test.error, "No such object") != NULL);

	/* not the first page: the others are not an answer without it */
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 2);
	send_mailbox(fake_ldap_search(test.server, 1), 0);
	fake_ldap_send_page(fake_ldap_search(test.server, 1), "1");
	unit_wait(test.server->search_count == 3);
	test_assert(test.callback_count == 1);
	fake_ldap_send_result(fake_ldap_search(test.server, 2),
			      LDAP_UNWILLING_TO_PERFORM, "bad cookie");
	unit_wait(test.callback_count == 2);
	test_assert(test.error != NULL &&
		    strstr(test.error, "bad cookie") != NULL);

	/* the server's own limit */
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 4);
	send_mailbox(fake_ldap_search(test.server, 3), 0);
	fake_ldap_send_result(fake_ldap_search(test.server, 3),
			      LDAP_SIZELIMIT_EXCEEDED, NULL);
	unit_wait(test.callback_count == 3);
	test_assert(test.error != NULL &&
		    strstr(test.error, "size limit") != NULL);

	/* and then it works, from the beginning */
	test.server->handler = page_handler;
	test.server->context = &count;
	referral_loader_start(test.loader);
	unit_wait(test.callback_count == 4);
	test_assert(test.map != NULL &&
		    referral_map_count(test.map) == 10);
	unit_loader_end(&test);
	test_end();
}

/* Each load makes a new map: who still has the old one keeps it. */
static void test_referral_mailbox_load_reload(void)
{
	struct unit_loader test;
	struct referral_map *old_map;
	unsigned int count = 3;

	test_begin("referral mailbox load: load again");
	test_loader_begin(&test, "10", "100");
	test.server->handler = page_handler;
	test.server->context = &count;
	referral_loader_start(test.loader);
	unit_wait(test.callback_count == 1);
	old_map = test.map;
	referral_map_ref(old_map);
	count = 2;
	referral_loader_start(test.loader);
	unit_wait(test.callback_count == 2);
	test_assert(test.map != old_map);
	test_assert(referral_map_count(test.map) == 2);
	test_assert(referral_map_count(old_map) == 3);
	referral_map_unref(&old_map);
	unit_loader_end(&test);
	test_end();
}

/* A bad value is told once, however often it is loaded. */
static void test_referral_mailbox_load_log_once(void)
{
	static const struct fake_ldap_entry entry = {
		"cn=x,dc=test", { HOST("h_1"), NAME("x"), END }
	};
	struct unit_loader test;
	unsigned int i;

	test_begin("referral mailbox load: bad values are logged once");
	test_loader_begin(&test, "10", "100");
	test_expect_error_string("cn=x,dc=test: Skipping mailHost='h_1': ");
	for (i = 0; i < 3; i++) {
		referral_loader_start(test.loader);
		unit_wait(test.server->search_count == i + 1);
		fake_ldap_send_entry(fake_ldap_search(test.server, i),
				     &entry);
		fake_ldap_send_result(fake_ldap_search(test.server, i),
				      LDAP_SUCCESS, NULL);
		unit_wait(test.callback_count == i + 1);
		test_expect_no_more_errors();
	}
	unit_loader_end(&test);
	test_end();
}

static void test_referral_mailbox_load_deinit(void)
{
	struct unit_loader test;

	test_begin("referral mailbox load: deinit while loading");
	test_loader_begin(&test, "3", "100");
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 1);
	fake_ldap_send_page(fake_ldap_search(test.server, 0), "next");
	unit_wait(test.server->search_count == 2);
	referral_ldap_connection_deinit(&test.conn);
	test_assert(test.callback_count == 1);
	test_assert(test.map == NULL && test.error != NULL);
	unit_loader_end(&test);
	test_end();
}

/* A page's cookie is of no use on another connection: begin again. */
static void test_referral_mailbox_load_interrupted(void)
{
	struct unit_loader test;
	struct fake_ldap_request *request;
	unsigned int count = 10, i;

	test_begin("referral mailbox load: interrupted between pages");
	test_loader_begin(&test, "3", "100");
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 1);
	/* this one is gone the next time */
	send_mailbox(fake_ldap_search(test.server, 0), 50);
	fake_ldap_send_page(fake_ldap_search(test.server, 0), "1");
	unit_wait(test.server->search_count == 2);
	test_assert_strcmp(fake_ldap_search(test.server, 1)->cookie, "1");
	test.server->handler = page_handler;
	test.server->context = &count;
	test_expect_error_string("Connection lost: ");
	fake_ldap_disconnect(test.server);
	unit_wait(test.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(test.map != NULL &&
		    referral_map_count(test.map) == 10);
	test_assert_strcmp(fake_ldap_search(test.server, 2)->cookie, "");

	/* not for ever */
	test.server->handler = NULL;
	test_expect_error_string_n_times("Connection lost: ", 4);
	referral_loader_start(test.loader);
	for (i = 0; test.callback_count == 1 && i < 100; i++) {
		unit_wait(test.callback_count == 2 ||
			  test.server->search_count > 6 + i);
		if (test.callback_count == 2)
			break;
		request = fake_ldap_search(test.server, 6 + i);
		if (*request->cookie == '\0') {
			send_mailbox(request, 0);
			fake_ldap_send_page(request, "1");
		} else
			fake_ldap_disconnect(test.server);
	}
	unit_wait(test.callback_count == 2);
	test_expect_no_more_errors();
	/* four times a first page and a second one */
	test_assert(i == 8);
	test_assert(test.map == NULL && test.error != NULL);
	unit_loader_end(&test);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_mailbox_load_request,
		test_referral_mailbox_load_entry,
		test_referral_mailbox_load_pages,
		test_referral_mailbox_load_limit,
		test_referral_mailbox_load_fails,
		test_referral_mailbox_load_interrupted,
		test_referral_mailbox_load_reload,
		test_referral_mailbox_load_log_once,
		test_referral_mailbox_load_deinit,
		NULL
	};
	return unit_run(test_functions);
}
