/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "dict.h"
#include "unit-ldap.h"

/* The module's functions, which compat-2.3/dict-driver.c has. */
struct module;
void dict_referral_ldap_init(struct module *module);
void dict_referral_ldap_deinit(void);
extern const char *dict_referral_ldap_version;

static void test_lookup_callback(const struct dict_lookup_result *result,
				 int *ret)
{
	*ret = result->ret;
}

static void test_dict_driver(void)
{
	static const struct dict_op_settings op_set = { .username = "joe" };
	const struct dict_settings set = { .base_dir = unit_dir() };
	const char *path, *value, *error = "";
	struct dict *dict, *dict2;
	struct fake_ldap *server;
	struct ioloop *ioloop;
	int ret = INT_MAX, ret2 = INT_MAX;

	test_begin("dict driver");
	ioloop = io_loop_create();
	server = fake_ldap_init("ldap");
	server->handler = unit_answer_handler;
	dict_referral_ldap_init(NULL);
	test_assert_strcmp(dict_referral_ldap_version, DOVECOT_ABI_VERSION);
	path = unit_file("ldap.conf", t_strdup_printf(
		"referral_ldap_uris = %s\nreferral_ldap_base = dc=test\n",
		server->uri));
	path = t_strconcat("referral-ldap:", path, NULL);
	test_assert(dict_init(path, &set, &dict, &error) == 0);
	test_assert_strcmp(error, "");
	/* the same configuration is the same connection */
	test_assert(dict_init(path, &set, &dict2, &error) == 0);
	dict_lookup_async(dict, &op_set, "shared/imap-referral/home/a",
			  test_lookup_callback, &ret);
	dict_lookup_async(dict2, &op_set, "shared/imap-referral/mailbox/a",
			  test_lookup_callback, &ret2);
	unit_wait(ret != INT_MAX && ret2 != INT_MAX);
	test_assert(ret == 0 && ret2 == 0);
	test_assert(server->conn_count == 1);

	/* it never blocks */
	error = NULL;
	test_assert(dict_lookup(dict, &op_set, pool_datastack_create(),
				"shared/imap-referral/home/a", &value,
				&error) == -1);
	test_assert(error != NULL);
	dict_deinit(&dict);
	dict_deinit(&dict2);
	dict_referral_ldap_deinit();
	fake_ldap_deinit(&server);
	/* logs leaks, which are errors */
	io_loop_destroy(&ioloop);
	test_end();
}

static void test_dict_driver_bad(void)
{
	const struct dict_settings set = { .base_dir = unit_dir() };
	struct ioloop *ioloop;
	const char *path, *error;
	struct dict *dict;

	test_begin("dict driver: bad settings");
	ioloop = io_loop_create();
	dict_referral_ldap_init(NULL);
	path = unit_path("missing.conf");
	error = NULL;
	test_assert(dict_init(t_strconcat("referral-ldap:", path, NULL),
			      &set, &dict, &error) == -1);
	test_assert(error != NULL && strstr(error, path) != NULL);

	path = unit_file("bad.conf", "\nreferral_ldap_uris\n");
	error = NULL;
	test_assert(dict_init(t_strconcat("referral-ldap:", path, NULL),
			      &set, &dict, &error) == -1);
	test_assert(error != NULL && strstr(error, t_strconcat(path,
		":2: 'referral_ldap_uris': expected name = value", NULL)) !=
		NULL);

	error = NULL;
	test_assert(dict_init("referral-ldap:", &set, &dict, &error) == -1);
	test_assert(error != NULL);
	dict_referral_ldap_deinit();
	io_loop_destroy(&ioloop);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_dict_driver,
		test_dict_driver_bad,
		NULL
	};
	return unit_run(test_functions);
}
