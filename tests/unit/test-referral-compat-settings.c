/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-compat.h"
#include "referral-setting.h"
#include "referral-compat-settings.h"
#include "unit-common.h"

#include <unistd.h>
#include <sys/stat.h>

struct test_settings {
	const char *name, *filter;
	unsigned int count;
};

static const struct referral_setting test_settings[] = {
	{ "name", REFERRAL_SETTING_TYPE_STR,
	  offsetof(struct test_settings, name), .default_value = "-" },
	{ "filter", REFERRAL_SETTING_TYPE_STR,
	  offsetof(struct test_settings, filter), .default_value = "-" },
	{ "count", REFERRAL_SETTING_TYPE_UINT,
	  offsetof(struct test_settings, count), .default_value = "5",
	  .min = 1, .max = 9 },
	{ .name = NULL }
};

static int
file_read(const char *path, struct test_settings *set_r, const char **error_r)
{
	pool_t pool = pool_datastack_create();

	referral_settings_init(test_settings, pool, set_r);
	return referral_settings_file_read(test_settings, pool, set_r, path,
					   error_r);
}

static void test_referral_compat_settings(void)
{
	static const struct {
		const char *data;
		struct test_settings set;
	} tests[] = {
		/* 0: lines */
		{ "", { "-", "-", 5 } },
		{ "\n\n", { "-", "-", 5 } },
		{ "name=a", { "a", "-", 5 } },
		{ "name=a\n", { "a", "-", 5 } },
		{ "name = a b\ncount = 3\n", { "a b", "-", 3 } },
		{ " \t name \t = \t a \t \n", { "a", "-", 5 } },
		{ "name = a\r\ncount = 3\r\n", { "a", "-", 3 } },
		{ "name =\n", { "", "-", 5 } },
		{ "name = a\nname = b\n", { "b", "-", 5 } },
		{ "filter = (uid=%{user})\n", { "-", "(uid=%{user})", 5 } },
		/* 10: comments */
		{ "# name = a\n", { "-", "-", 5 } },
		{ "#name = a\n", { "-", "-", 5 } },
		{ " \t# name = a\n", { "-", "-", 5 } },
		{ "#\n#\nname = a\n#", { "a", "-", 5 } },
		{ "name = a # b\n", { "a", "-", 5 } },
		{ "name = a\t# b\n", { "a", "-", 5 } },
		{ "name = # a\n", { "", "-", 5 } },
		{ "name = a#b\n", { "a#b", "-", 5 } },
		{ "name = a # b # c\n", { "a", "-", 5 } },
		{ "# don't\nname = a\n# \"\ncount = 3\n", { "a", "-", 3 } },
		/* 20: quotes */
		{ "name = \"a\"\n", { "a", "-", 5 } },
		{ "name = \"\"\n", { "", "-", 5 } },
		{ "name = \" a \"\n", { " a ", "-", 5 } },
		{ "name = \"a # b\"\n", { "a # b", "-", 5 } },
		{ "name = \"a\" # b\n", { "a", "-", 5 } },
		{ "name = \"a\\\"b\" # c\n", { "a\"b", "-", 5 } },
		{ "name = \"a\\\\\" # b\n", { "a\\", "-", 5 } },
		{ "name = \"a\\\\b\"\n", { "a\\b", "-", 5 } },
		{ "name = a\"b\n", { "a\"b", "-", 5 } },
		{ "name = \"\n", { "\"", "-", 5 } },
		/* 30 */
		{ "name = 'a'\n", { "a", "-", 5 } },
		{ "name = 'a # b' # c\n", { "a # b", "-", 5 } },
		{ "name = a\\28b\n", { "a\\28b", "-", 5 } },
		/* 33: lines that continue */
		{ "name = \\\na\n", { "a", "-", 5 } },
		{ "name \\\n = a\n", { "a", "-", 5 } },
		{ "filter = (&(a=b)\\\n (c=d))\ncount = 3\n",
		  { "-", "(&(a=b) (c=d))", 3 } },
		{ "name = a\\\n\ncount = 3\n", { "a", "-", 3 } },
		{ "\\\n\\\nname = a\n", { "a", "-", 5 } },
		{ "name = a \\\r\n\r\ncount = 3\r\n", { "a", "-", 3 } },
		/* 39: but comments do not: the next line is not one */
		{ "# a comment \\\nname = a\n", { "a", "-", 5 } },
		{ "name = a # comment \\\ncount = 3\n", { "a", "-", 3 } },
	};
	struct test_settings set;
	const char *path, *error;
	unsigned int i;

	test_begin("referral compat settings");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = "";
		path = unit_file("settings", tests[i].data);
		test_assert_idx(file_read(path, &set, &error) == 0, i);
		test_assert_strcmp_idx(error, "", i);
		test_assert_strcmp_idx(set.name, tests[i].set.name, i);
		test_assert_strcmp_idx(set.filter, tests[i].set.filter, i);
		test_assert_idx(set.count == tests[i].set.count, i);
	} T_END;
	test_end();
}

static void test_referral_compat_settings_bad(void)
{
	static const struct {
		const char *data;
		/* after the path */
		const char *error;
	} tests[] = {
		{ "name\n", ":1: 'name': expected name = value" },
		{ "name = a\n\n# c\n  junk  # x\n",
		  ":4: 'junk': expected name = value" },
		{ "dict {\n", ":1: 'dict {': expected name = value" },
		{ "!include x\n", ":1: '!include x': expected name = value" },
		{ "\xff\n", ":1: '" },
		{ "name = a\ncount = 0\n",
		  ":2: count=0: expected a number from 1 to 9" },
		{ "count = \n", ":1: count=: expected a number from 1 to 9" },
		{ "cuont = 1\n", ":1: Unknown setting cuont: "
		  "expected a setting such as count" },
		{ "= 1\n", ":1: Unknown setting : expected a setting such" },
		/* the line where it ends */
		{ "count = \\\n\\\n10\nname = a\n",
		  ":3: count=10: expected a number from 1 to 9" },
		{ "name = a\\\n", ":1: expected another line after the \\" },
		{ "name = a\\", ":1: expected another line after the \\" },
		/* nothing after the first error is looked at */
		{ "count = x\ncount = y\n", ":1: count=x: expected" },
	};
	struct test_settings set;
	const char *path, *error;
	unsigned int i;

	test_begin("referral compat settings: bad lines");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = "";
		path = unit_file("settings", tests[i].data);
		test_assert_idx(file_read(path, &set, &error) == -1, i);
		/* show it if it is wrong */
		if (!str_begins_with(error, t_strconcat(path, tests[i].error,
						   NULL)))
			test_assert_strcmp_idx(error, tests[i].error, i);
	} T_END;
	test_end();
}

static void test_referral_compat_settings_unreadable(void)
{
	struct test_settings set;
	const char *path, *error = NULL;
	string_t *str;

	test_begin("referral compat settings: unreadable");
	path = unit_path("missing");
	test_assert(file_read(path, &set, &error) == -1);
	test_assert(error != NULL && strstr(error, path) != NULL &&
		    strstr(error, "No such file") != NULL);

	error = NULL;
	test_assert(file_read(unit_dir(), &set, &error) == -1);
	test_assert(error != NULL && strstr(error, unit_dir()) != NULL);

	/* root reads everything */
	if (geteuid() != 0) {
		path = unit_file("secret", "name = a\n");
		if (chmod(path, 0) < 0)
			i_fatal("chmod(%s) failed: %m", path);
		error = NULL;
		test_assert(file_read(path, &set, &error) == -1);
		test_assert(error != NULL && strstr(error, path) != NULL);
	}

	/* a line without end */
	str = t_str_new(256*1024);
	str_append(str, "count = 3\nname = ");
	while (str_len(str) < 200*1024)
		str_append_c(str, 'a');
	path = unit_file("long", str_c(str));
	error = NULL;
	test_assert(file_read(path, &set, &error) == -1);
	test_assert(error != NULL && strstr(error, path) != NULL);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_compat_settings,
		test_referral_compat_settings_bad,
		test_referral_compat_settings_unreadable,
		NULL
	};
	return unit_run(test_functions);
}
