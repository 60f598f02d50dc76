/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-ldap-template.h"
#include "unit-common.h"

static void test_referral_ldap_template_check(void)
{
	static const struct {
		const char *filter;
		bool need_user;
		/* what is expected, NULL = it is right */
		const char *error;
	} tests[] = {
		{ "(uid=%{user})", TRUE, NULL },
		{ "(uid=%{username})", TRUE, NULL },
		{ "(&(uid=%{username})(associatedDomain=%{domain}))", TRUE,
		  NULL },
		{ "(&(objectClass=person)(|(uid=%{user})(mail=%{user})))",
		  TRUE, NULL },
		{ "(&(uid=%{user})(x=50%%))", TRUE, NULL },
		{ "(cn=a\\28b\\29)", FALSE, NULL },
		{ "(objectClass=*)", FALSE, NULL },
		{ "(x=50%%)", FALSE, NULL },
		{ "(!(&(a=b)(c=d)))", FALSE, NULL },
		/* 9: parentheses */
		{ "", TRUE, "matching parentheses" },
		{ "uid=%{user}", TRUE, "matching parentheses" },
		{ "(uid=%{user}", TRUE, "matching parentheses" },
		{ "uid=%{user})", TRUE, "matching parentheses" },
		{ "(uid=%{user}))", TRUE, "matching parentheses" },
		{ "((uid=%{user})", TRUE, "matching parentheses" },
		{ "(uid=%{user})(a=b)", TRUE, "matching parentheses" },
		{ "(uid=%{user}) ", TRUE, "matching parentheses" },
		{ " (uid=%{user})", TRUE, "matching parentheses" },
		{ ")uid=%{user}(", TRUE, "matching parentheses" },
		{ "&(a=b)(c=d)", FALSE, "matching parentheses" },
		/* 20: variables */
		{ "(uid=%u)", TRUE, "%{user}, %{username}" },
		{ "(uid=%)", TRUE, "%{user}, %{username}" },
		{ "(uid=%{user)", TRUE, "%{user}, %{username}" },
		{ "(uid=%{})", TRUE, "%{user}, %{username}" },
		{ "(uid=%{User})", TRUE, "%{user}, %{username}" },
		{ "(uid=%{user | lower})", TRUE, "%{user}, %{username}" },
		{ "(&(uid=%{user})(a=%{home}))", TRUE,
		  "%{user}, %{username}" },
		{ "(uid=joe)", TRUE, "%{user} or %{username}" },
		{ "(associatedDomain=%{domain})", TRUE,
		  "%{user} or %{username}" },
		{ "(uid=%%{user})", TRUE, "%{user} or %{username}" },
		/* 30 */
		{ "(uid=%{user})", FALSE, "%% where a % is" },
		{ "(uid=%{domain})", FALSE, "%% where a % is" },
		{ "(uid=%)", FALSE, "%% where a % is" },
	};
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral ldap template: check");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_ldap_template_check("the_setting",
						   tests[i].filter,
						   tests[i].need_user, &error);
		if (tests[i].error == NULL)
			test_assert_idx(ret == 0, i);
		else {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL &&
				strstr(error, "the_setting=") == error, i);
			test_assert_idx(error != NULL &&
				strstr(error, tests[i].error) != NULL, i);
		}
	}
	test_end();
}

static void test_referral_ldap_template_expand(void)
{
	static const struct {
		const char *filter, *user, *result;
	} tests[] = {
		{ "(uid=%{user})", "joe", "(uid=joe)" },
		{ "(uid=%{user})", "joe@example.org", "(uid=joe@example.org)" },
		{ "(uid=%{username})", "joe@example.org", "(uid=joe)" },
		{ "(uid=%{username})", "joe", "(uid=joe)" },
		{ "(uid=%{username})", "@example.org", "(uid=)" },
		{ "(d=%{domain})", "joe@example.org", "(d=example.org)" },
		{ "(d=%{domain})", "joe", "(d=)" },
		{ "(d=%{domain})", "joe@", "(d=)" },
		/* the first @, in both */
		{ "(&(uid=%{username})(d=%{domain}))", "a@b@c",
		  "(&(uid=a)(d=b@c))" },
		{ "(|(uid=%{user})(mail=%{user}))", "joe",
		  "(|(uid=joe)(mail=joe))" },
		/* 10 */
		{ "(objectClass=*)", "", "(objectClass=*)" },
		{ "(x=50%%)", "", "(x=50%)" },
		{ "(x=%%{user})", "joe", "(x=%{user})" },
		{ "(uid=%{user})", "%{user}", "(uid=%{user})" },
		{ "(uid=%{user})", "%%", "(uid=%%)" },
		/* 15: RFC 4515 section 3 */
		{ "(uid=%{user})", "*", "(uid=\\2A)" },
		{ "(uid=%{user})", "a*b", "(uid=a\\2Ab)" },
		{ "(uid=%{user})", "(", "(uid=\\28)" },
		{ "(uid=%{user})", ")", "(uid=\\29)" },
		{ "(uid=%{user})", "\\", "(uid=\\5C)" },
		{ "(uid=%{user})", "\\2a", "(uid=\\5C2a)" },
		{ "(uid=%{user})", "*)(uid=*", "(uid=\\2A\\29\\28uid=\\2A)" },
		{ "(uid=%{user})", "joe)(|(uid=*",
		  "(uid=joe\\29\\28|\\28uid=\\2A)" },
		{ "(uid=%{username})", "*@(", "(uid=\\2A)" },
		{ "(d=%{domain})", "*@(", "(d=\\28)" },
	};
	unsigned int i;

	test_begin("referral ldap template: expand");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(referral_ldap_template_expand(
			tests[i].filter, tests[i].user), tests[i].result, i);
	}
	test_end();
}

/* Take "(uid=value)" apart as RFC 4515 says. Returns NULL if the value has
   anything that would have to be escaped. */
static const char *filter_value(const char *filter)
{
	const char *p, *end = filter + strlen(filter) - 1;
	string_t *str = t_str_new(64);
	unsigned int byte;

	if (strncmp(filter, "(uid=", 5) != 0 || *end != ')')
		return NULL;
	for (p = filter + 5; p < end; p++) {
		if (*p == '*' || *p == '(' || *p == ')')
			return NULL;
		if (*p != '\\') {
			str_append_c(str, *p);
			continue;
		}
		if (end - p < 3 || str_to_uint_hex(t_strndup(p + 1, 2),
						   &byte) < 0)
			return NULL;
		str_append_c(str, byte);
		p += 2;
	}
	return str_c(str);
}

static void test_referral_ldap_template_all_bytes(void)
{
	char user[] = "aXb";
	const char *filter;
	unsigned int i;

	test_begin("referral ldap template: all bytes");
	for (i = 1; i < 256; i++) T_BEGIN {
		user[1] = i;
		filter = referral_ldap_template_expand("(uid=%{user})", user);
		test_assert_strcmp_idx(filter_value(filter), user, i);
	} T_END;
	test_end();
}

static void test_referral_ldap_template_long(void)
{
	string_t *user = t_str_new(32768);
	const char *filter;

	test_begin("referral ldap template: long names");
	while (str_len(user) < 10000)
		str_append(user, "*(\xc3\xbc)\\");
	filter = referral_ldap_template_expand("(uid=%{user})", str_c(user));
	test_assert_strcmp(filter_value(filter), str_c(user));
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_template_check,
		test_referral_ldap_template_expand,
		test_referral_ldap_template_all_bytes,
		test_referral_ldap_template_long,
		NULL
	};
	return unit_run(test_functions);
}
