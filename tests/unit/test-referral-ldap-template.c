/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-entry-values.h"
#include "unit-common.h"

#include <ldap.h>

#define USER REFERRAL_LDAP_VARIABLE_USER
#define USERNAME REFERRAL_LDAP_VARIABLE_USERNAME
#define DOMAIN REFERRAL_LDAP_VARIABLE_DOMAIN
#define MAILBOX REFERRAL_LDAP_VARIABLE_MAILBOX
#define USER_DN REFERRAL_LDAP_VARIABLE_USER_DN
#define HOSTNAME REFERRAL_LDAP_VARIABLE_HOSTNAME

struct test_check {
	const char *template;
	bool need_user;
	/* what is expected, NULL = it is right */
	const char *error;
};

static void
test_checks(enum referral_ldap_template_type type,
	    const struct test_check *tests, unsigned int count)
{
	const char *error;
	unsigned int i;
	int ret;

	for (i = 0; i < count; i++) {
		error = NULL;
		ret = referral_ldap_template_check(type, "the_setting",
			tests[i].template, tests[i].need_user ?
			USER | USERNAME | DOMAIN | HOSTNAME : HOSTNAME,
			tests[i].need_user ? USER | USERNAME : 0, &error);
		test_assert_idx(ret == (tests[i].error == NULL ? 0 : -1), i);
		if (ret == 0)
			continue;
		test_assert_idx(error != NULL &&
				strstr(error, "the_setting=") == error, i);
		if (tests[i].error == NULL ||
		    strstr(error, tests[i].error) == NULL)
			test_assert_strcmp_idx(error, tests[i].error, i);
	}
}

static void test_referral_ldap_template_check_filter(void)
{
	static const struct test_check tests[] = {
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
		{ "(cn=*%{user}*)", TRUE, NULL },
		/* 10 */
		{ "(uid:1.2.840.113556.1.4.1941:=%{user})", TRUE, NULL },
		{ "(ou:dn:=%{hostname})", FALSE, NULL },
		{ "(cn=\\2a%{hostname}\\2a)", FALSE, NULL },
		{ "(uid=imap%{user}=x)", TRUE, NULL },
		{ "(&(uid=%{user})(l=%{hostname}))", TRUE, NULL },
		/* 15: parentheses */
		{ "", TRUE, "matching parentheses" },
		{ "uid=%{user}", TRUE, "matching parentheses" },
		{ "(uid=%{user}", TRUE, "matching parentheses" },
		{ "uid=%{user})", TRUE, "matching parentheses" },
		{ "(uid=%{user}))", TRUE, "matching parentheses" },
		/* 20 */
		{ "((uid=%{user})", TRUE, "matching parentheses" },
		{ "(uid=%{user})(a=b)", TRUE, "matching parentheses" },
		{ "(uid=%{user}) ", TRUE, "matching parentheses" },
		{ " (uid=%{user})", TRUE, "matching parentheses" },
		{ ")uid=%{user}(", TRUE, "matching parentheses" },
		{ "&(a=b)(c=d)", FALSE, "matching parentheses" },
		/* 26: variables */
		{ "(uid=%u)", TRUE, "%{user}, %{username}" },
		{ "(uid=%)", TRUE, "%{user}, %{username}" },
		{ "(uid=%{user)", TRUE, "%{user}, %{username}" },
		{ "(uid=%{})", TRUE, "%{user}, %{username}" },
		/* 30 */
		{ "(uid=%{User})", TRUE, "%{user}, %{username}" },
		{ "(uid=%{user | lower})", TRUE, "%{user}, %{username}" },
		{ "(&(uid=%{user})(a=%{home}))", TRUE,
		  "%{user}, %{username}" },
		{ "(&(uid=%{user})(a=%{mailbox}))", TRUE,
		  "%{user}, %{username}" },
		{ "(uid=joe)", TRUE, "%{user} or %{username} in it" },
		{ "(associatedDomain=%{domain})", TRUE,
		  "%{user} or %{username} in it" },
		{ "(uid=%%{user})", TRUE, "%{user} or %{username} in it" },
		{ "(uid=%{user})", FALSE, "%{hostname}, or %% where a % is" },
		{ "(uid=%{domain})", FALSE, "%% where a % is" },
		{ "(uid=%)", FALSE, "%% where a % is" },
		/* 40: where they are */
		{ "(%{user}=x)", TRUE, "only in values" },
		{ "(u%{user}d=x)", TRUE, "only in values" },
		{ "(%{user})", TRUE, "only in values" },
		{ "(&%{user}(a=b))", TRUE, "only in values" },
		{ "(&(a=b)%{user})", TRUE, "only in values" },
		{ "(uid:%{user}:=x)", TRUE, "only in values" },
		{ "(uid=\\%{user})", TRUE, "two hexadecimal digits" },
		{ "(uid=\\2%{user})", TRUE, "two hexadecimal digits" },
		{ "(uid=\\2g)", FALSE, "two hexadecimal digits" },
		{ "(uid=x\\)", FALSE, "two hexadecimal digits" },
		/* 50: nothing between * is everything */
		{ "(&(uid=%{user})(d=*%{domain}))", TRUE,
		  "may be empty" },
		{ "(uid=%{username}*)", TRUE, "may be empty" },
		{ "(&(uid=%{user})(d=a*%{domain}%{username}*b))", TRUE,
		  "may be empty" },
		{ "(uid=%{username}@*)", TRUE, NULL },
		{ "(&(uid=%{user})(d=*.%{domain}))", TRUE, NULL },
		/* 55: libldap does not like */
		{ "(uid~=%{user}*)", TRUE, "valid LDAP filter" },
		{ "(uid=%{user}**)", TRUE, "valid LDAP filter" },
		{ "(%%=%{user})", TRUE, "valid LDAP filter" },
		/* 58: what is no filter at all */
		{ "(uid)", FALSE, "a valid LDAP filter" },
		{ "(&(a=b)(c))", FALSE, "a valid LDAP filter" },
		{ "(=x)", FALSE, "a valid LDAP filter" },
		{ "(a b=x)", FALSE, "a valid LDAP filter" },
		{ "()", FALSE, "a valid LDAP filter" },
	};

	test_begin("referral ldap template: check filter");
	test_checks(REFERRAL_LDAP_TEMPLATE_FILTER, tests, N_ELEMENTS(tests));
	test_end();
}

static void test_referral_ldap_template_check_dn(void)
{
	static const struct test_check tests[] = {
		{ "dc=example,dc=org", FALSE, NULL },
		{ "ou=people,uid=%{user},dc=example,dc=org", TRUE, NULL },
		{ "uid=%{username}+dc=%{domain},dc=org", TRUE, NULL },
		{ "cn=x-%{user}-y,dc=org", TRUE, NULL },
		{ "cn=(%{user})*,dc=org", TRUE, NULL },
		{ "cn = %{user} , dc=org", TRUE, NULL },
		{ "ou=50%%,dc=org", FALSE, NULL },
		{ "ou=a\\,b%{hostname},dc=org", FALSE, NULL },
		{ "ou=a\\2C%{hostname},dc=org", FALSE, NULL },
		{ "ou=\\#%{hostname},dc=org", FALSE, NULL },
		/* 10 */
		{ "ou=#0401ab,cn=%{hostname}", FALSE, NULL },
		{ "ou=B\xc3\xbcro,cn=%{hostname}", FALSE, NULL },
		{ "cn=a=%{hostname},dc=org", FALSE, NULL },
		/* 13 */
		{ "", FALSE, "a DN such as" },
		{ "people", FALSE, "a DN such as" },
		{ "=x", FALSE, "a DN such as" },
		{ "ou=x,", FALSE, "a DN such as" },
		{ "ou=50%,dc=org", FALSE, "%% where a % is" },
		{ "ou=%{user},dc=org", FALSE, "%% where a % is" },
		{ "dc=example,dc=org", TRUE, "%{user} or %{username} in it" },
		/* 20 */
		{ "%{user}", TRUE, "only in values" },
		{ "%{user},dc=org", TRUE, "only in values" },
		{ "%{user}=x,dc=org", TRUE, "only in values" },
		{ "uid=x,%{user},dc=org", TRUE, "only in values" },
		{ "uid=x+%{user},dc=org", TRUE, "only in values" },
		{ "uid=x;%{user}=y,dc=org", TRUE, "a DN such as" },
		{ "uid=\\%{user},dc=org", TRUE, "after each \\" },
		{ "uid=\\2%{user},dc=org", TRUE, "after each \\" },
		{ "uid=%{user}\\", TRUE, "after each \\" },
		{ "uid=#%{user},dc=org", TRUE, "quoted or encoded" },
		/* 30 */
		{ "uid=#04%{user},dc=org", TRUE, "quoted or encoded" },
		{ "uid= #04%{user},dc=org", TRUE, "quoted or encoded" },
		{ "uid=\"%{user}\",dc=org", TRUE, "quoted or encoded" },
	};

	test_begin("referral ldap template: check DN");
	test_checks(REFERRAL_LDAP_TEMPLATE_DN, tests, N_ELEMENTS(tests));
	test_end();
}

static void test_referral_ldap_template_variables(void)
{
	static const struct {
		const char *template;
		enum referral_ldap_variable variables;
	} tests[] = {
		{ "", 0 },
		{ "(a=50%%)", 0 },
		{ "%%{user}", 0 },
		{ "%{user}", USER },
		{ "%{username} %{domain}", USERNAME | DOMAIN },
		{ "%{mailbox}%{hostname}%{user_dn}",
		  MAILBOX | HOSTNAME | USER_DN },
		{ "%{user}%{user}", USER },
	};
	const struct referral_ldap_variables variables = {
		.user = "joe@example.org",
		.mailbox = "Shared/sales",
		.user_dn = "uid=joe,dc=example",
		.hostname = "imap1",
	};
	unsigned int i;

	test_begin("referral ldap template: variables");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_ldap_template_get_variables(
			tests[i].template) == tests[i].variables, i);
	}
	test_assert_strcmp(referral_ldap_filter_expand(
		"%{user} %{username} %{domain} %{mailbox} %{user_dn} "
		"%{hostname} %%", &variables),
		"joe@example.org joe example.org Shared/sales "
		"uid=joe,dc=example imap1 %");
	test_assert_strcmp(referral_ldap_name_expand(
		"a%%b/%{mailbox}", &variables), "a%b/Shared/sales");
	test_end();
}

static void test_referral_ldap_template_expand_dn(void)
{
	static const struct {
		const char *template, *user, *result;
	} tests[] = {
		{ "ou=%{domain},dc=a", "joe@example.org",
		  "ou=example.org,dc=a" },
		{ "uid=%{user},dc=a", "joe", "uid=joe,dc=a" },
		{ "uid=%{user},ou=50%%", "joe", "uid=joe,ou=50%" },
		/* 3: there is no such DN */
		{ "ou=%{domain},dc=a", "joe", NULL },
		{ "ou=%{domain},dc=a", "joe@", NULL },
		{ "ou=x%{domain},dc=a", "joe", NULL },
		{ "uid=%{username},dc=a", "@x", NULL },
		{ "uid=%{user},dc=a", "", NULL },
		/* 8: RFC 4514 section 2.4 */
		{ "uid=%{user},dc=a", "a,b", "uid=a\\2Cb,dc=a" },
		{ "uid=%{user},dc=a", "a+b", "uid=a\\2Bb,dc=a" },
		{ "uid=%{user},dc=a", "\"a\"", "uid=\\22a\\22,dc=a" },
		{ "uid=%{user},dc=a", "a\\", "uid=a\\5C,dc=a" },
		{ "uid=%{user},dc=a", "<a>;", "uid=\\3Ca\\3E\\3B,dc=a" },
		{ "uid=%{user},dc=a", "#a", "uid=\\23a,dc=a" },
		{ "uid=%{user},dc=a", " a ", "uid=\\20a\\20,dc=a" },
		{ "uid=%{user},dc=a", "a=b", "uid=a\\3Db,dc=a" },
		{ "uid=%{user},dc=a", "a,dc=b", "uid=a\\2Cdc\\3Db,dc=a" },
		{ "uid=%{user},dc=a", "\xc3\xbc", "uid=\xc3\xbc,dc=a" },
		{ "uid=%{user},dc=a", "%{user}", "uid=%{user},dc=a" },
		{ "uid=%{user},dc=a", "*()", "uid=*(),dc=a" },
	};
	struct referral_ldap_variables variables = { .user = NULL };
	unsigned int i;

	test_begin("referral ldap template: expand DN");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		variables.user = tests[i].user;
		test_assert_strcmp_idx(referral_ldap_dn_expand(
			tests[i].template, &variables), tests[i].result, i);
	}
	test_end();
}

static const char *expand(const char *filter, const char *user)
{
	const struct referral_ldap_variables variables = { .user = user };

	return referral_ldap_filter_expand(filter, &variables);
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
		test_assert_strcmp_idx(expand(tests[i].filter, tests[i].user),
				       tests[i].result, i);
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
		filter = expand("(uid=%{user})", user);
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
	filter = expand("(uid=%{user})", str_c(user));
	test_assert_strcmp(filter_value(filter), str_c(user));
	test_end();
}

/* Take "uid=value,dc=a" apart as libldap does. Returns NULL if it is anything
   else. */
static const char *dn_value(const char *dn)
{
	const char *value = NULL;
	LDAPDN parsed;

	if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return NULL;
	if (parsed[0] != NULL && parsed[1] != NULL && parsed[2] == NULL &&
	    parsed[0][1] == NULL) {
		value = t_strndup(parsed[0][0]->la_value.bv_val,
				  parsed[0][0]->la_value.bv_len);
	}
	ldap_dnfree(parsed);
	return value;
}

static void test_referral_ldap_template_all_bytes_dn(void)
{
	struct referral_ldap_variables variables = { .user = NULL };
	char user[] = "XaXbX";
	unsigned int i;

	test_begin("referral ldap template: all bytes in DNs");
	/* libldap reads UTF-8 only, and that is all that user names are */
	for (i = 1; i < 128; i++) T_BEGIN {
		user[0] = user[2] = user[4] = i;
		variables.user = user;
		test_assert_strcmp_idx(dn_value(referral_ldap_dn_expand(
			"uid=%{user},dc=a", &variables)), user, i);
	} T_END;
	variables.user = "\xc3\xbc,\xe2\x82\xac=\xf0\x9f\x98\x80";
	test_assert_strcmp(dn_value(referral_ldap_dn_expand(
		"uid=%{user},dc=a", &variables)), variables.user);
	test_end();
}

static void test_referral_ldap_template_tail(void)
{
	static const struct {
		const char *template, *tail;
	} tests[] = {
		{ "ou=%{domain},dc=a,dc=b", "dc=a,dc=b" },
		{ "ou=x\\,y,ou=%{domain},dc=a\\,b", "dc=a\\,b" },
		{ "ou=%{domain},ou=%{hostname},dc=a", "ou=%{hostname},dc=a" },
		{ "ou=%{user},ou=%{domain},dc=a", "dc=a" },
		{ "dc=%{domain}", NULL },
	};
	unsigned int i;

	test_begin("referral ldap template: tail");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(referral_ldap_dn_template_tail(
			tests[i].template, REFERRAL_LDAP_VARIABLES_OF_USER),
			tests[i].tail, i);
	}
	test_end();
}

/* A server says that there is no such base: no such user, or no such data? */
static void test_referral_ldap_template_missing_base(void)
{
	static const struct {
		const char *template;
		int code;
		const char *matched_dn;
		bool missing;
	} tests[] = {
		{ "ou=%{domain},dc=a", LDAP_NO_SUCH_OBJECT, "dc=a", TRUE },
		{ "ou=%{domain},dc=a", LDAP_NO_SUCH_OBJECT, "DC=A", TRUE },
		{ "ou=x,ou=%{domain},dc=a", LDAP_NO_SUCH_OBJECT,
		  "ou=example.org,dc=a", TRUE },
		{ "ou=%{domain},dc=50%%", LDAP_NO_SUCH_OBJECT, "dc=50%", TRUE },
		/* it has not got its data yet */
		{ "ou=%{domain},dc=a", LDAP_NO_SUCH_OBJECT, "", FALSE },
		{ "ou=%{domain},dc=a", LDAP_NO_SUCH_OBJECT, NULL, FALSE },
		{ "ou=%{domain},ou=x,dc=a", LDAP_NO_SUCH_OBJECT, "dc=a",
		  FALSE },
		/* everybody's */
		{ "ou=x,dc=a", LDAP_NO_SUCH_OBJECT, "dc=a", FALSE },
		{ "ou=x,dc=a", LDAP_INVALID_DN_SYNTAX, "", FALSE },
		{ "dc=%{domain}", LDAP_NO_SUCH_OBJECT, "", TRUE },
		{ "dc=%{domain},dc=a", LDAP_INVALID_DN_SYNTAX, "", TRUE },
		{ "ou=%{domain},dc=a", LDAP_INSUFFICIENT_ACCESS, "dc=a",
		  FALSE },
	};
	struct referral_ldap_result result;
	unsigned int i;

	test_begin("referral ldap template: missing base");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		i_zero(&result);
		result.error = "error";
		result.refused = TRUE;
		result.code = tests[i].code;
		result.matched_dn = tests[i].matched_dn;
		test_assert_idx(referral_ldap_base_is_missing(
			tests[i].template, &result) == tests[i].missing, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_template_check_filter,
		test_referral_ldap_template_check_dn,
		test_referral_ldap_template_variables,
		test_referral_ldap_template_expand_dn,
		test_referral_ldap_template_all_bytes_dn,
		test_referral_ldap_template_expand,
		test_referral_ldap_template_all_bytes,
		test_referral_ldap_template_long,
		test_referral_ldap_template_tail,
		test_referral_ldap_template_missing_base,
		NULL
	};
	return unit_run(test_functions);
}
