/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;

struct test_persist {
	struct referral_ldap_persist *persist;
	/* What its callbacks were told */
	string_t *told;
	unsigned int control_count, end_count;
	/* To cancel it by its callback */
	bool cancel;
};

static void test_persist_control(const char *uri, LDAPControl *control_r,
				 void *context)
{
	struct test_persist *test = context;

	test_assert_strcmp(uri, test_server->uri);
	test->control_count++;
	control_r->ldctl_oid = t_strdup_noconst(LDAP_CONTROL_MANAGEDSAIT);
	control_r->ldctl_value.bv_val = t_strdup_noconst("x");
	control_r->ldctl_value.bv_len = 1;
}

static void test_persist_entry(const struct referral_ldap_entry *entry,
			       LDAPControl **controls, void *context)
{
	struct test_persist *test = context;

	test_assert(controls == NULL);
	str_printfa(test->told, "entry %s;", entry->dn);
	if (test->cancel)
		referral_ldap_persist_cancel(&test->persist);
}

static void test_persist_info(const char *oid, const struct berval *data,
			      void *context)
{
	struct test_persist *test = context;

	str_printfa(test->told, "info %s %s;", oid, data == NULL ? "" :
		    t_strndup(data->bv_val, data->bv_len));
}

static void test_persist_end_cb(const struct referral_ldap_persist_end *end,
				void *context)
{
	struct test_persist *test = context;

	test->persist = NULL;
	test->end_count++;
	test_assert((end->error == NULL) == (end->code == LDAP_SUCCESS));
	str_printfa(test->told, "end %d;", end->code);
}

static const struct referral_ldap_persist_callbacks test_callbacks = {
	.entry = test_persist_entry,
	.info = test_persist_info,
	.end = test_persist_end_cb,
};

static void test_persist_start(struct test_persist *test)
{
	static const char *const attributes[] = { "cn", NULL };
	const struct referral_ldap_search search = {
		.base = "dc=test",
		.scope = LDAP_SCOPE_SUBTREE,
		.filter = "(cn=live)",
		.attributes = attributes,
	};

	test->persist = referral_ldap_connection_persist(test_conn, &search,
		test_persist_control, &test_callbacks, test);
	test_assert(test->end_count == 0);
}

static void test_persist_begin(struct test_persist *test, const char *name)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test persist", 1024);
	test_server = fake_ldap_init("ldap");
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", "20s", NULL);
	test_conn = referral_ldap_connection_init(set, unit_dir(), NULL);
	i_zero(test);
	test->told = str_new(default_pool, 128);
	test_persist_start(test);
}

static void test_persist_end(struct test_persist *test)
{
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	fake_ldap_deinit(&test_server);
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	str_free(&test->told);
	test_end();
}

static void test_referral_ldap_persist_messages(void)
{
	struct test_persist test;
	struct fake_ldap_request *request;
	struct unit_search search;

	test_persist_begin(&test, "referral ldap persist: messages");
	unit_wait(test_server->search_count == 1);
	test_assert(test.control_count == 1);
	request = fake_ldap_search(test_server, 0);
	test_assert_strcmp(request->filter, "(cn=live)");
	fake_ldap_send_info(request, "1.2.3", "hello");
	unit_wait(str_len(test.told) > 0);
	test_assert_strcmp(str_c(test.told), "info 1.2.3 hello;");

	/* ordinary searches go on beside it */
	test_server->handler = unit_answer_handler;
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);

	str_truncate(test.told, 0);
	unit_answer(request, "x");
	unit_wait(test.end_count == 1);
	test_assert_strcmp(str_c(test.told), "entry cn=x,dc=test;end 0;");
	test_persist_end(&test);

	test_persist_begin(&test, "referral ldap persist: refused");
	unit_wait(test_server->search_count == 1);
	fake_ldap_send_result(fake_ldap_search(test_server, 0),
			      LDAP_UNAVAILABLE_CRITICAL_EXTENSION, NULL);
	unit_wait(test.end_count == 1);
	test_assert_strcmp(str_c(test.told), "end 12;");
	test_persist_end(&test);
}

static void test_referral_ldap_persist_lost(void)
{
	struct test_persist test;

	test_persist_begin(&test, "referral ldap persist: connection lost");
	unit_wait(test_server->search_count == 1);
	fake_ldap_disconnect(test_server);
	unit_wait(test.end_count == 1);
	test_assert_strcmp(str_c(test.told), "end -1;");
	/* it is not sent again */
	unit_run_msecs(20);
	test_assert(test_server->search_count == 1);
	test_persist_end(&test);

	test_persist_begin(&test, "referral ldap persist: no server");
	fake_ldap_stop(test_server);
	unit_wait(test.end_count == 1);
	test_assert_strcmp(str_c(test.told), "end -1;");
	/* known already, but not before the call returns */
	test.end_count = 0;
	test_persist_start(&test);
	unit_wait(test.end_count == 1);
	test_persist_end(&test);

	test_persist_begin(&test, "referral ldap persist: shut down");
	unit_wait(test_server->search_count == 1);
	referral_ldap_connection_deinit(&test_conn);
	test_assert(test.end_count == 1);
	test_persist_end(&test);
}

static void test_referral_ldap_persist_cancel(void)
{
	struct test_persist test;

	test_persist_begin(&test, "referral ldap persist: cancel");
	unit_wait(test_server->search_count == 1);
	referral_ldap_persist_cancel(&test.persist);
	unit_wait(test_server->abandon_count == 1);
	unit_answer(fake_ldap_search(test_server, 0), "x");
	unit_run_msecs(20);
	test_assert(str_len(test.told) == 0);
	test_persist_end(&test);

	test_persist_begin(&test, "referral ldap persist: cancel by a "
			   "callback");
	test.cancel = TRUE;
	unit_wait(test_server->search_count == 1);
	unit_answer(fake_ldap_search(test_server, 0), "x");
	unit_wait(test_server->abandon_count == 1);
	test_assert_strcmp(str_c(test.told), "entry cn=x,dc=test;");
	test_persist_end(&test);

	test_persist_begin(&test, "referral ldap persist: cancel before it is "
			   "sent");
	referral_ldap_persist_cancel(&test.persist);
	unit_run_msecs(20);
	test_assert(test_server->search_count == 0);
	test_persist_end(&test);
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_persist_messages,
		test_referral_ldap_persist_lost,
		test_referral_ldap_persist_cancel,
		NULL
	};

	return unit_run(test_functions);
}
