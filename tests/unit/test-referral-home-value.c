/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "array.h"
#include "str.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-home-value.h"
#include "referral-value-log.h"
#include "unit-ldap.h"

#define V(value) { "mailHost", value, 0 }
#define END { NULL, NULL, 0 }

struct test_case {
	const char *home_value, *home_domain;
	struct fake_ldap_value values[4];
	unsigned int count;
	const char *servers;
	/* What is logged of the only bad value */
	const char *error;
};

struct test_search {
	const struct test_case *test;
	const struct referral_ldap_settings *set;
	struct referral_value_log *log;
	bool finished;
	unsigned int idx;
};

static const struct test_case tests[] = {
	{ "server", "", { V("a"), V("b:993 1"), END }, 2,
	  "imap://a/ imap://b:993/", NULL },
	{ "server", "example.org", { V("a"), V("b.example.com 1"),
	    V("imap://c:993/ 2"), END }, 3,
	  "imap://a.example.org/ imap://b.example.com/ "
	  "imap://c.example.org:993/", NULL },
	{ "server", "example.org", { V("192.0.2.1"), V("[2001:db8::1] 1"),
	    END }, 2, "imap://192.0.2.1/ imap://[2001:db8::1]/", NULL },
	{ "server", "", { V("a_b"), END }, 1, "",
	  "Skipping mailHost='a_b'" },
	{ "server", "", { END }, 0, "", NULL },
	/* 5: labeled */
	{ "labeled", "", { V("imap://a/ imap-home"), END }, 1, "imap://a/",
	  NULL },
	{ "labeled", "", { V("IMAP://a IMAP-Home"), END }, 1, "imap://a/",
	  NULL },
	{ "labeled", "", { V("imap://a/"), V("imap://b/ 1"),
	    V("imap://c/ imap-home 2"), END }, 3,
	  "imap://a/ imap://b/ imap://c/", NULL },
	{ "labeled", "", { V("http://a/"), V("http://b/ imap-home"),
	    V("b"), END }, 0, "", NULL },
	{ "labeled", "", { V("imap://a/Shared/x"), V("imap://b/ my notes"),
	    V("imap://c/ imap-homes"), END }, 0, "", NULL },
	/* 10: a home is a server */
	{ "labeled", "", { V("imap://a/INBOX imap-home"), END }, 1,
	  "imap://a/", NULL },
	{ "labeled", "", { V("imaps://a/ imap-home"), END }, 1, "",
	  "Skipping mailHost='imaps://a/" },
	{ "labeled", "example.org", { V("imap://a/ imap-home"), END }, 1,
	  "imap://a.example.org/", NULL },
	/* 13: DNs */
	{ "dn", "", { V("cn=MAIL1,cn=Servers,dc=a"), END }, 1,
	  "imap://mail1/", NULL },
	{ "dn", "example.org", { V("/o=Org/ou=Group (X)/cn=Configuration/"
	    "cn=Servers/cn=MAIL1"), END }, 1, "imap://mail1.example.org/",
	  NULL },
	{ "dn", "", { V("cn=mail1.example.org,dc=a"), END }, 1,
	  "imap://mail1.example.org/", NULL },
	{ "dn", "", { V("ou=x,dc=a"), END }, 1, "", "Skipping mailHost='ou=x" },
	{ "dn", "", { V("/o=Org"), END }, 1, "", "Skipping mailHost='/o=Org" },
	{ "dn", "", { V("mail1"), END }, 1, "", "Skipping mailHost='mail1" },
	{ "dn", "", { V("cn=a b,dc=a"), END }, 1, "",
	  "Skipping mailHost='cn=a b" },
	/* 20 */
	{ "dn", "", { { "mailHost", "cn=a\0,dc=a", 11 }, END }, 1, "",
	  "Skipping mailHost='cn=a" },
	{ "dn", "", { V("/"), END }, 1, "", "Skipping mailHost='/'" },
	{ "dn", "", { V("cn=a\\2Fevil,dc=a"), END }, 1, "",
	  "Skipping mailHost='cn=a" },
};

static void
test_callback(struct referral_ldap_result *result, struct test_search *search)
{
	ARRAY_TYPE(referral_ldap_value) servers;
	struct referral_ldap_entry entry;
	string_t *str = t_str_new(128);

	search->finished = TRUE;
	if (!referral_ldap_result_next(result, &entry)) {
		test_assert(FALSE);
		return;
	}
	test_assert_idx(referral_home_values_get(&entry, search->set,
		search->log, &servers) == search->test->count, search->idx);
	referral_ldap_values_sort(&servers);
	referral_ldap_values_append(str, &servers);
	test_assert_strcmp_idx(str_c(str), search->test->servers, search->idx);
}

static void test_handler(struct fake_ldap_request *request, void *context)
{
	struct test_search *search = context;
	struct fake_ldap_entry entry = { .dn = "uid=joe,dc=test" };

	memcpy(entry.values, search->test->values,
	       sizeof(search->test->values));
	fake_ldap_send_entry(request, &entry);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static void test_referral_home_value(void)
{
	static const char *const attributes[] = { "mailHost", NULL };
	const struct referral_ldap_search ldap_search = {
		.base = "dc=test",
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(uid=joe)",
		.attributes = attributes,
	};
	struct ioloop *ioloop = io_loop_create();
	struct fake_ldap *server = fake_ldap_init("ldap");
	struct event *event = event_create(NULL);
	struct test_search search;
	struct referral_ldap_connection *conn;
	pool_t pool = pool_alloconly_create("test home value", 4096);
	unsigned int i;

	test_begin("referral home value");
	server->handler = test_handler;
	server->context = &search;
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		i_zero(&search);
		search.idx = i;
		search.test = &tests[i];
		search.set = unit_ldap_settings(pool, "uris", server->uri,
			"home_value", tests[i].home_value,
			"home_domain", tests[i].home_domain, NULL);
		search.log = referral_value_log_init(event);
		conn = referral_ldap_connection_init(search.set, unit_dir(),
						     event);
		if (tests[i].error != NULL)
			test_expect_error_string(tests[i].error);
		referral_ldap_connection_search(conn, &ldap_search,
						test_callback, &search);
		unit_wait(search.finished);
		test_expect_no_more_errors();
		referral_ldap_connection_deinit(&conn);
		referral_value_log_deinit(&search.log);
	}
	event_unref(&event);
	fake_ldap_deinit(&server);
	io_loop_destroy(&ioloop);
	pool_unref(&pool);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_home_value,
		NULL
	};
	return unit_run(test_functions);
}
