/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-ldap-value.h"
#include "unit-common.h"

#define DEFAULT_PORT 10143

static void test_referral_ldap_value_parse(void)
{
	static const struct {
		const char *data, *url;
		unsigned int preference;
	} tests[] = {
		/* 0: hosts */
		{ "imap2.example.org", "imap://imap2.example.org:10143/", 0 },
		{ "IMAP2.Example.org.", "imap://imap2.example.org:10143/", 0 },
		{ "imap2:143", "imap://imap2/", 0 },
		{ "imap2:993", "imap://imap2:993/", 0 },
		{ "192.0.2.1", "imap://192.0.2.1:10143/", 0 },
		{ "2001:db8::1", "imap://[2001:db8::1]:10143/", 0 },
		{ "[2001:db8::1]:143", "imap://[2001:db8::1]/", 0 },
		{ "imap2 10", "imap://imap2:10143/", 10 },
		{ "imap2:143 0", "imap://imap2/", 0 },
		{ "imap2 4294967295", "imap://imap2:10143/", 4294967295 },
		/* 10: URLs: the default port is not for them */
		{ "imap://imap2.example.org/", "imap://imap2.example.org/",
		  0 },
		{ "imap://imap2", "imap://imap2/", 0 },
		{ "imap://imap2:993/Shared/sales",
		  "imap://imap2:993/Shared/sales", 0 },
		{ "imap://imap2/B%C3%BCro", "imap://imap2/B%C3%BCro", 0 },
		{ "IMAP://imap2/Shared/sales/", "imap://imap2/Shared/sales",
		  0 },
		{ "imap://imap2/Shared 10", "imap://imap2/Shared", 10 },
		/* 16: labels (RFC 2079) */
		{ "imap://imap2/Shared The sales folder",
		  "imap://imap2/Shared", 0 },
		{ "imap://imap2/Shared 10 folders", "imap://imap2/Shared", 0 },
		{ "imap://imap2/Shared B\xc3\xbcro", "imap://imap2/Shared",
		  0 },
		{ "imap://imap2/Shared -1", "imap://imap2/Shared", 0 },
		{ "imap://imap2/Shared ", "imap://imap2/Shared", 0 },
		{ "imap://imap2/Shared see http://x/", "imap://imap2/Shared",
		  0 },
	};
	struct referral_ldap_value value;
	const char *error;
	unsigned int i;

	test_begin("referral ldap value: parse");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = "";
		test_assert_idx(referral_ldap_value_parse(
			pool_datastack_create(), tests[i].data,
			strlen(tests[i].data), DEFAULT_PORT, &value,
			&error) == 0, i);
		test_assert_strcmp_idx(error, "", i);
		if (*error == '\0') {
			test_assert_strcmp_idx(
				referral_url_create(&value.url, NULL),
				tests[i].url, i);
			test_assert_idx(value.preference ==
					tests[i].preference, i);
		}
	} T_END;
	test_end();
}

#define BYTES(str) str, sizeof(str) - 1

static void test_referral_ldap_value_parse_bad(void)
{
	static const struct {
		const char *data;
		size_t size;
	} tests[] = {
		{ BYTES("") },
		{ BYTES(" ") },
		{ BYTES(" imap2") },
		{ BYTES("imap2 ") },
		{ BYTES("imap2 x") },
		{ BYTES("imap2 -1") },
		{ BYTES("imap2 +1") },
		{ BYTES("imap2 1 2") },
		{ BYTES("imap2  1") },
		{ BYTES("imap2 4294967296") },
		/* 10 */
		{ BYTES("imap2\n") },
		{ BYTES("imap2\r\n* BYE") },
		{ BYTES("imap2\t10") },
		{ BYTES("imap2\0") },
		{ BYTES("imap2\0.example.org") },
		{ BYTES("\0imap2") },
		{ BYTES("imap://imap2/\0") },
		{ BYTES("imap://imap2/a\0b") },
		{ BYTES("imap://imap2/a \0") },
		{ BYTES("imap_2") },
		/* 20 */
		{ BYTES("imap2%") },
		{ BYTES("imap2]") },
		{ BYTES("imap2:0") },
		{ BYTES("imap2:65536") },
		{ BYTES("imap2:99999999999") },
		{ BYTES("127.1") },
		{ BYTES("010.0.0.1") },
		{ BYTES("joe@imap2") },
		{ BYTES("imap2/Shared") },
		{ BYTES("//imap2/Shared") },
		/* 30 */
		{ BYTES("imap:/imap2") },
		{ BYTES("imaps://imap2/") },
		{ BYTES("http://imap2/") },
		{ BYTES("http://imap2/ 10") },
		{ BYTES("://imap2/") },
		{ BYTES("imap:///Shared") },
		{ BYTES("imap://joe@imap2/Shared") },
		{ BYTES("imap://imap2/a%0Db") },
		{ BYTES("imap://imap2/a%FF") },
		{ BYTES("imap://imap2/a\tb") },
		/* 40 */
		{ BYTES("imap://imap2/a;UIDVALIDITY=1") },
		{ BYTES("lmtp:imap2") },
		{ BYTES("\xff\xfe") },
	};
	struct referral_ldap_value value;
	const char *error;
	char *data;
	unsigned int i;

	test_begin("referral ldap value: parse bad values");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		/* The size counts, there is no NUL byte: memory checkers see
		   who reads on. */
		data = i_malloc(tests[i].size + 1);
		memcpy(data, tests[i].data, tests[i].size);
		data[tests[i].size] = 'x';
		error = NULL;
		test_assert_idx(referral_ldap_value_parse(
			pool_datastack_create(), data, tests[i].size,
			DEFAULT_PORT, &value, &error) == -1, i);
		test_assert_idx(error != NULL && *error != '\0' &&
				strpbrk(error, "\r\n") == NULL, i);
		i_free(data);
	}
	test_end();
}

static void test_referral_ldap_value_parse_long(void)
{
	struct referral_ldap_value value;
	const char *error;
	string_t *str = t_str_new(1024*1024);

	test_begin("referral ldap value: long values");
	str_append(str, "imap://imap2/");
	while (str_len(str) < strlen("imap://imap2/") +
	       REFERRAL_MAX_MAILBOX_LENGTH * 3)
		str_append(str, "%41");
	test_assert(referral_ldap_value_parse(pool_datastack_create(),
		str_c(str), str_len(str), DEFAULT_PORT, &value,
		&error) == 0);
	str_append(str, " 10");
	test_assert(referral_ldap_value_parse(pool_datastack_create(),
		str_c(str), str_len(str), DEFAULT_PORT, &value,
		&error) == 0);
	test_assert(value.preference == 10);

	while (str_len(str) < 1000*1000)
		str_append_c(str, 'x');
	test_assert(referral_ldap_value_parse(pool_datastack_create(),
		str_c(str), str_len(str), DEFAULT_PORT, &value,
		&error) == -1);
	test_end();
}

static void test_referral_ldap_value_get_mailbox(void)
{
	static const struct {
		const char *data;
		size_t size;
		const char *mailbox;
	} tests[] = {
		/* values that are broken elsewhere */
		{ BYTES("imap://h_1/Shared/sales"), "Shared/sales" },
		{ BYTES("imap://joe@h/Shared/sales"), "Shared/sales" },
		{ BYTES("imap://h:0/Shared/sales"), "Shared/sales" },
		{ BYTES("imap:///Shared/sales"), "Shared/sales" },
		{ BYTES("imaps://h/Shared/sales"), "Shared/sales" },
		{ BYTES("http://h/Shared/sales"), "Shared/sales" },
		{ BYTES("imap://h_1/Shared/sales 10"), "Shared/sales" },
		{ BYTES("imap://h_1/Shared/sales my label"), "Shared/sales" },
		{ BYTES("imap://h_1/B%C3%BCro"), "B\xc3\xbcro" },
		{ BYTES("imap://h\r\n/Shared/sales"), "Shared/sales" },
		/* 10: the name is the one that it would be in a good one */
		{ BYTES("imap://h_1/Shared/sales/"), "Shared/sales" },
		{ BYTES("imap://h_1/Shared/sales/ 10"), "Shared/sales" },
		{ BYTES("imap://h/Shared/sales;UIDVALIDITY=1"),
		  "Shared/sales" },
		{ BYTES("imap://h/Shared/sales/;UID=1"), "Shared/sales" },
		{ BYTES("imap://h/Shared/sales?ALL"), "Shared/sales" },
		/* 15: no mailbox name at all */
		{ BYTES(""), NULL },
		{ BYTES("h_1"), NULL },
		{ BYTES("h_1/Shared/sales"), NULL },
		{ BYTES("imap://h_1"), NULL },
		{ BYTES("imap://h_1/"), NULL },
		{ BYTES("imap://h_1/ Shared"), NULL },
		{ BYTES("imap://"), NULL },
		{ BYTES("imap:///"), NULL },
		/* 23: nothing that can be one */
		{ BYTES("imap://h/a%0Db"), NULL },
		{ BYTES("imap://h/a%00b"), NULL },
		{ BYTES("imap://h/a%FFb"), NULL },
		{ BYTES("imap://h/a%"), NULL },
		{ BYTES("imap://h/a\tb"), NULL },
		{ BYTES("imap://h/a\xff"), NULL },
		{ BYTES("imap://h/%2Fa"), NULL },
		{ BYTES("imap://h_1/Shared\0x"), NULL },
		{ BYTES("\0imap://h_1/Shared"), NULL },
	};
	unsigned int i;

	test_begin("referral ldap value: mailboxes of broken values");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(referral_ldap_value_get_mailbox(
			tests[i].data, tests[i].size), tests[i].mailbox, i);
	}
	test_end();
}

static void
values_parse(const char *const *strings,
	     ARRAY_TYPE(referral_ldap_value) *values_r)
{
	const char *error;

	t_array_init(values_r, 8);
	for (; *strings != NULL; strings++) {
		if (referral_ldap_value_parse(pool_datastack_create(),
			*strings, strlen(*strings), DEFAULT_PORT,
			array_append_space(values_r), &error) < 0)
			i_panic("%s: %s", *strings, error);
	}
}

static void test_referral_ldap_values_sort(void)
{
	static const struct {
		const char *values, *sorted;
	} tests[] = {
		{ "", "" },
		{ "a", "imap://a:10143/" },
		{ "b|a|c", "imap://a:10143/ imap://b:10143/ imap://c:10143/" },
		{ "a 30|b 10|c 20",
		  "imap://b:10143/ imap://c:10143/ imap://a:10143/" },
		/* no number is the most preferred one, and numbers are
		   numbers */
		{ "a 9|b 10|c", "imap://c:10143/ imap://a:10143/ "
		  "imap://b:10143/" },
		{ "b 1|a 1|imap://a/ 1",
		  "imap://a/ imap://a:10143/ imap://b:10143/" },
		{ "imap://a/y|imap://a/x|imap://a/",
		  "imap://a/ imap://a/x imap://a/y" },
		{ "imap://b/x 4294967295|imap://a/x 4294967294",
		  "imap://a/x imap://b/x" },
		{ "imap://a/x second|imap://b/x 1|imap://c/x 0",
		  "imap://a/x imap://c/x imap://b/x" },
		{ "[::1]|192.0.2.1|a",
		  "imap://192.0.2.1:10143/ imap://[::1]:10143/ "
		  "imap://a:10143/" },
	};
	ARRAY_TYPE(referral_ldap_value) values;
	string_t *str = t_str_new(128);
	const char **strings;
	unsigned int i, j, count;

	test_begin("referral ldap value: sort and append");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		strings = t_strsplit(tests[i].values, "|");
		if (*tests[i].values == '\0')
			strings[0] = NULL;
		count = str_array_length(strings);
		/* whatever the order is in which the server has them */
		for (j = 0; j == 0 || j < count; j++) {
			values_parse(strings, &values);
			referral_ldap_values_sort(&values);
			str_truncate(str, 0);
			referral_ldap_values_append(str, &values);
			test_assert_strcmp_idx(str_c(str), tests[i].sorted, i);
			if (count > 1) {
				const char *first = strings[0];

				memmove(strings, strings + 1,
					(count - 1) * sizeof(*strings));
				strings[count - 1] = first;
			}
		}
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_value_parse,
		test_referral_ldap_value_parse_bad,
		test_referral_ldap_value_parse_long,
		test_referral_ldap_value_get_mailbox,
		test_referral_ldap_values_sort,
		NULL
	};
	return unit_run(test_functions);
}
