/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-compat.h"
#include "referral-setting.h"
#include "unit-common.h"

struct test_settings {
	const char *name;
	unsigned int count;
	unsigned int wait_msecs;
	unsigned int color;
	unsigned int any;
	const char *even;
};

static const char *const color_choices[] = { "red", "green", "blue", NULL };

static int even_check(const char *name, const char *value,
		      const char **error_r)
{
	if (strlen(value) % 2 == 0)
		return 0;
	*error_r = t_strdup_printf("%s=%s: expected pairs", name, value);
	return -1;
}

static const struct referral_setting test_settings[] = {
	{ "test_name", REFERRAL_SETTING_TYPE_STR,
	  offsetof(struct test_settings, name), .default_value = "nobody" },
	{ "test_count", REFERRAL_SETTING_TYPE_UINT,
	  offsetof(struct test_settings, count), .default_value = "5",
	  .min = 1, .max = 65535 },
	{ "test_wait", REFERRAL_SETTING_TYPE_MSECS,
	  offsetof(struct test_settings, wait_msecs), .default_value = "2s",
	  .min = 100, .max = 60*1000 },
	{ "test_color", REFERRAL_SETTING_TYPE_ENUM,
	  offsetof(struct test_settings, color), .default_value = "green",
	  .choices = color_choices },
	{ "test_any", REFERRAL_SETTING_TYPE_UINT,
	  offsetof(struct test_settings, any), .default_value = "0",
	  .min = 0, .max = UINT_MAX },
	{ "test_even", REFERRAL_SETTING_TYPE_STR,
	  offsetof(struct test_settings, even), .default_value = "",
	  .check = even_check },
	{ .name = NULL }
};

static void test_referral_settings_init(void)
{
	struct test_settings set;

	test_begin("referral settings: defaults");
	memset(&set, 0xff, sizeof(set));
	referral_settings_init(test_settings, pool_datastack_create(), &set);
	test_assert_strcmp(set.name, "nobody");
	test_assert(set.count == 5);
	test_assert(set.wait_msecs == 2000);
	test_assert(set.color == 1);
	test_assert(set.any == 0);
	test_assert_strcmp(set.even, "");
	test_end();
}

static void test_referral_settings_set(void)
{
	static const struct {
		const char *name, *value;
		struct test_settings set;
	} tests[] = {
		{ "test_name", "joe", { "joe", 5, 2000, 1, 0, NULL } },
		{ "test_name", "", { "", 5, 2000, 1, 0, NULL } },
		{ "test_name", " \xff=#\"\\ ",
		  { " \xff=#\"\\ ", 5, 2000, 1, 0, NULL } },
		{ "test_count", "1", { "nobody", 1, 2000, 1, 0, NULL } },
		{ "test_count", "65535", { "nobody", 65535, 2000, 1, 0, NULL } },
		{ "test_any", "0", { "nobody", 5, 2000, 1, 0, NULL } },
		{ "test_any", "4294967295", { "nobody", 5, 2000, 1,
		  UINT_MAX, NULL } },
		{ "test_wait", "100ms", { "nobody", 5, 100, 1, 0, NULL } },
		{ "test_wait", "2500ms", { "nobody", 5, 2500, 1, 0, NULL } },
		{ "test_wait", "3s", { "nobody", 5, 3000, 1, 0, NULL } },
		{ "test_wait", "3 secs", { "nobody", 5, 3000, 1, 0, NULL } },
		{ "test_wait", "1m", { "nobody", 5, 60000, 1, 0, NULL } },
		{ "test_color", "red", { "nobody", 5, 2000, 0, 0, NULL } },
		{ "test_color", "blue", { "nobody", 5, 2000, 2, 0, NULL } },
		{ "test_even", "ab", { "nobody", 5, 2000, 1, 0, "ab" } },
	};
	struct test_settings set;
	const char *error;
	unsigned int i;

	test_begin("referral settings: set");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		referral_settings_init(test_settings, pool_datastack_create(),
				       &set);
		test_assert_idx(referral_settings_set(test_settings,
			pool_datastack_create(), &set, tests[i].name,
			tests[i].value, &error) == 0, i);
		test_assert_strcmp_idx(set.name, tests[i].set.name, i);
		test_assert_idx(set.count == tests[i].set.count, i);
		test_assert_idx(set.wait_msecs == tests[i].set.wait_msecs, i);
		test_assert_idx(set.color == tests[i].set.color, i);
		test_assert_idx(set.any == tests[i].set.any, i);
		test_assert_strcmp_idx(set.even, tests[i].set.even == NULL ?
				       "" : tests[i].set.even, i);
	}
	test_end();
}

static void test_referral_settings_set_bad(void)
{
	static const char count_error[] =
		"expected a number from 1 to 65535";
	static const char wait_error[] =
		"expected a time with its unit (ms, s, m, h) such as 2s, "
		"from 100 ms to 60 s";
	static const char color_error[] =
		"expected one of: red, green, blue";
	static const struct {
		const char *name, *value, *error;
	} tests[] = {
		{ "test_count", "", count_error },
		{ "test_count", "0", count_error },
		{ "test_count", "65536", count_error },
		{ "test_count", "-1", count_error },
		{ "test_count", "+1", count_error },
		{ "test_count", "1x", count_error },
		{ "test_count", " 1", count_error },
		{ "test_count", "0x10", count_error },
		{ "test_count", "4294967297", count_error },
		{ "test_count", "99999999999999999999", count_error },
		/* 10 */
		{ "test_any", "4294967296",
		  "expected a number from 0 to 4294967295" },
		{ "test_wait", "", wait_error },
		{ "test_wait", "5", wait_error },
		{ "test_wait", "0s", wait_error },
		{ "test_wait", "99ms", wait_error },
		{ "test_wait", "60001ms", wait_error },
		{ "test_wait", "61s", wait_error },
		{ "test_wait", "1h", wait_error },
		{ "test_wait", "-1s", wait_error },
		{ "test_wait", "s", wait_error },
		/* 20 */
		{ "test_wait", "2 parsecs", wait_error },
		{ "test_wait", "99999999999999999999s", wait_error },
		{ "test_wait", "4294968s", wait_error },
		{ "test_wait", "7102h", wait_error },
		{ "test_color", "", color_error },
		{ "test_color", "yellow", color_error },
		{ "test_color", "Red", color_error },
		{ "test_color", "1", color_error },
		{ "test_color", "red green", color_error },
		{ "test_even", "abc", "expected pairs" },
	};
	struct test_settings set;
	const char *error;
	unsigned int i;

	test_begin("referral settings: set to bad values");
	referral_settings_init(test_settings, pool_datastack_create(), &set);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(referral_settings_set(test_settings,
			pool_datastack_create(), &set, tests[i].name,
			tests[i].value, &error) == -1, i);
		test_assert_strcmp_idx(error, t_strdup_printf("%s=%s: %s",
			tests[i].name, tests[i].value, tests[i].error), i);
	}
	/* and nothing was changed */
	test_assert_strcmp(set.name, "nobody");
	test_assert(set.count == 5 && set.wait_msecs == 2000 &&
		    set.color == 1 && set.any == 0);
	test_assert_strcmp(set.even, "");
	test_end();
}

static void test_referral_settings_set_unknown(void)
{
	static const struct {
		const char *name, *nearest;
	} tests[] = {
		{ "test_cuont", "test_count" },
		{ "test_counts", "test_count" },
		{ "test_colour", "test_color" },
		{ "TEST_wait", "test_wait" },
		{ "test_waiting", "test_wait" },
		{ "tset_name", "test_name" },
		{ "test-any", "test_any" },
		{ "name", "test_name" },
		/* no nearer than any other, but it is one */
		{ "", NULL },
		{ "x", NULL },
		{ "test_count ", "test_count" },
	};
	struct test_settings set;
	const char *error, *prefix;
	unsigned int i;

	test_begin("referral settings: set unknown");
	referral_settings_init(test_settings, pool_datastack_create(), &set);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = "";
		test_assert_idx(referral_settings_set(test_settings,
			pool_datastack_create(), &set, tests[i].name,
			"1", &error) == -1, i);
		prefix = t_strdup_printf("Unknown setting %s: "
					 "expected a setting such as test_",
					 tests[i].name);
		test_assert_idx(str_begins_with(error, prefix), i);
		if (tests[i].nearest != NULL) {
			test_assert_strcmp_idx(error + strlen(prefix),
				tests[i].nearest + strlen("test_"), i);
		}
	}
	test_end();
}

/* Strings are copied: the caller's may go away. */
static void test_referral_settings_set_copies(void)
{
	pool_t pool = pool_alloconly_create("test settings", 256);
	struct test_settings set;
	const char *error;
	char value[] = "joe";

	test_begin("referral settings: values are copied");
	referral_settings_init(test_settings, pool, &set);
	test_assert(referral_settings_set(test_settings, pool, &set,
					  "test_name", value, &error) == 0);
	value[0] = 'x';
	test_assert_strcmp(set.name, "joe");
	pool_unref(&pool);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_settings_init,
		test_referral_settings_set,
		test_referral_settings_set_bad,
		test_referral_settings_set_unknown,
		test_referral_settings_set_copies,
		NULL
	};
	return unit_run(test_functions);
}
