/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-preset.h"
#include "referral-ldap-settings.h"
#include "unit-common.h"
#include "unit-conf.h"

#include <ldap.h>

#define P "referral_ldap_"
#define DEFAULT_URI "ldap://ldap.example.org"

/* Settings with what is required, and one that differs. */
static int
settings_check(const char *name, const char *value,
	       struct referral_ldap_settings *set_r, const char **error_r)
{
	pool_t pool = pool_datastack_create();

	memset(set_r, 0xff, sizeof(*set_r));
	referral_settings_init(referral_ldap_setting_defs, pool, set_r);
	set_r->uris = DEFAULT_URI;
	set_r->base = "dc=example,dc=org";
	if (name != NULL &&
	    referral_settings_set(referral_ldap_setting_defs, pool, set_r,
				  name, value, error_r) < 0)
		return -1;
	return referral_ldap_settings_check(set_r, pool, error_r);
}

static void test_referral_ldap_settings_defaults(void)
{
	struct referral_ldap_settings set;
	const struct referral_ldap_uri *uri;
	const char *error = "";

	test_begin("referral ldap settings: defaults");
	test_assert(settings_check(NULL, NULL, &set, &error) == 0);
	test_assert_strcmp(error, "");
	test_assert_strcmp(set.bind_dn, "");
	test_assert_strcmp(set.password_file, "");
	test_assert(set.timeout_msecs == 2000);
	test_assert(set.default_port == 143);
	test_assert_strcmp(set.home_base, "dc=example,dc=org");
	test_assert(set.home_scope == LDAP_SCOPE_SUBTREE);
	test_assert_strcmp(set.home_filter, "(uid=%{user})");
	test_assert_strcmp(set.home_attribute, "mailHost");
	test_assert(set.home_ttl_msecs == 60*1000);
	test_assert(set.home_negative_ttl_msecs == 10*1000);
	test_assert(set.home_cache_size == 10000);
	test_assert_strcmp(set.home_login_attribute, "imapLoginReferral");
	test_assert_strcmp(set.mailbox_base, "dc=example,dc=org");
	test_assert(set.mailbox_scope == LDAP_SCOPE_SUBTREE);
	test_assert_strcmp(set.mailbox_uri_attribute, "labeledURI");
	test_assert_strcmp(set.mailbox_host_attribute, "mailHost");
	test_assert_strcmp(set.mailbox_name_attribute, "cn");
	test_assert(set.mailbox_refresh_msecs == 60*1000);
	test_assert(set.mailbox_page_size == 500);
	test_assert(set.mailbox_limit == 100000);
	test_assert_strcmp(set.server_base, "dc=example,dc=org");
	test_assert(set.server_scope == LDAP_SCOPE_SUBTREE);
	test_assert_strcmp(set.server_filter, "(objectClass=imapServer)");
	test_assert_strcmp(set.server_name_attribute, "cn");
	test_assert_strcmp(set.server_state_attribute, "imapServerState");
	test_assert_strcmp(set.server_home_attribute, "imapHomeServer");
	test_assert(set.server_refresh_msecs == 60*1000);
	test_assert(set.server_limit == 1000);

	test_assert(array_count(&set.parsed_uris) == 1);
	uri = array_front(&set.parsed_uris);
	test_assert_strcmp(uri->uri, DEFAULT_URI);
	test_assert_strcmp(uri->host, "ldap.example.org");
	test_assert(uri->port == 389);
	test_assert(uri->path == NULL);
	test_end();
}

static void test_referral_ldap_settings_values(void)
{
	static const struct {
		const char *name, *value;
		/* what it begins with; NULL = it is right */
		const char *error;
	} tests[] = {
		/* 0 */
		{ "timeout", "100ms", NULL },
		{ "timeout", "60s", NULL },
		{ "timeout", "99ms", P"timeout=99ms: expected a time" },
		{ "timeout", "61s", P"timeout=61s: expected a time" },
		{ "timeout", "2", P"timeout=2: expected a time" },
		{ "default_port", "1", NULL },
		{ "default_port", "65535", NULL },
		{ "default_port", "0", P"default_port=0: expected a number" },
		{ "default_port", "65536",
		  P"default_port=65536: expected a number from 1 to 65535" },
		{ "default_port", "imap", P"default_port=imap: expected" },
		/* 10 */
		{ "home_scope", "base", NULL },
		{ "home_scope", "sub", P"home_scope=sub: expected one of: "
		  "base, onelevel, subtree" },
		{ "home_ttl", "0s", NULL },
		{ "home_ttl", "8d", P"home_ttl=8d: expected a time" },
		{ "home_negative_ttl", "0s", NULL },
		{ "home_cache_size", "0", NULL },
		{ "home_cache_size", "10000001", P"home_cache_size=10000001: "
		  "expected a number from 0 to 10000000" },
		{ "mailbox_refresh", "1s", NULL },
		{ "mailbox_refresh", "999ms", P"mailbox_refresh=999ms: "
		  "expected a time" },
		{ "mailbox_page_size", "0", P"mailbox_page_size=0: expected" },
		/* 20 */
		{ "mailbox_limit", "0", P"mailbox_limit=0: expected" },
		{ "base", "", P"base is not set: expected a DN" },
		{ "base", "example.org", P"base=example.org: expected a DN" },
		{ "base", "ou=a\\,b,dc=example", NULL },
		{ "base", "ou=B\xc3\xbcro,dc=example", NULL },
		{ "home_base", "ou=people,dc=example,dc=org", NULL },
		{ "home_base", "people", P"home_base=people: expected a DN" },
		{ "mailbox_base", "ou=folders,dc=example,dc=org", NULL },
		{ "mailbox_base", "dc=", NULL },
		{ "mailbox_base", "=x", P"mailbox_base==x: expected a DN" },
		/* 30 */
		{ "home_filter", "(mail=%{user})", NULL },
		{ "home_filter", "(uid=joe)", P"home_filter=(uid=joe): "
		  "expected %{user} or %{username}" },
		{ "home_filter", "(uid=%{user}", P"home_filter=(uid=%{user}: "
		  "expected one LDAP filter" },
		{ "home_filter", "(uid=%u)", P"home_filter=(uid=%u): expected "
		  "%{user}, %{username}, %{domain} or %{hostname}, or %%" },
		{ "mailbox_filter", "(objectClass=imapFolder)", NULL },
		{ "mailbox_filter", "(cn=%{user})", P"mailbox_filter=" },
		{ "mailbox_filter", "objectClass=*", P"mailbox_filter=" },
		{ "home_attribute", "mailHost;x-a", NULL },
		{ "home_attribute", "2.16.840.1.113730.3.1.18", NULL },
		{ "home_attribute", "", NULL },
		/* 40 */
		{ "home_attribute", "mail host", P"home_attribute=mail host: "
		  "expected the name of one attribute" },
		{ "home_attribute", "*", P"home_attribute=*: expected" },
		{ "mailbox_uri_attribute", "a,b",
		  P"mailbox_uri_attribute=a,b: expected" },
		{ "mailbox_host_attribute", "a_b",
		  P"mailbox_host_attribute=a_b: expected" },
		{ "mailbox_name_attribute", "\xc3\xbc",
		  P"mailbox_name_attribute=\xc3\xbc: expected" },
		/* 45 */
		{ "bind_dn", "cn=reader", "expected both " },
		{ "password_file", "/etc/dovecot/x", "expected both " },
		{ "uris", "", P"uris is not set: expected ldap://" },
		{ "uris", " , ", P"uris is not set: expected ldap://" },
		{ "server_base", "ou=servers,dc=example,dc=org", NULL },
		/* 50 */
		{ "server_base", "servers", P"server_base=servers: expected a "
		  "DN" },
		{ "server_scope", "onelevel", NULL },
		{ "server_scope", "sub", P"server_scope=sub: expected one of" },
		{ "server_filter", "(objectClass=device)", NULL },
		{ "server_filter", "(cn=%{user})", P"server_filter=" },
		{ "server_name_attribute", "", P"server_name_attribute=: "
		  "expected the name" },
		{ "server_state_attribute", "a b",
		  P"server_state_attribute=a b: expected the name" },
		{ "server_home_attribute", "*",
		  P"server_home_attribute=*: expected the name" },
		{ "server_refresh", "1s", NULL },
		{ "server_refresh", "999ms", P"server_refresh=999ms: expected "
		  "a time" },
		/* 60 */
		{ "server_limit", "1", NULL },
		{ "server_limit", "0", P"server_limit=0: expected" },
		{ "server_limit", "1000001", P"server_limit=1000001: expected "
		  "a number from 1 to 1000000" },
		{ "home_login_attribute", "", P"home_login_attribute=: "
		  "expected the name" },
		{ "preset", "kolab", NULL },
		{ "preset", "Kolab", P"preset=Kolab: expected one of: laser, "
		  "native, labeleduri, kolab, sun, zimbra, exchange" },
		{ "home_value", "labeled", NULL },
		{ "home_value", "url", P"home_value=url: expected one of: "
		  "preset, server, labeled, dn" },
		{ "home_domain", "example.org", NULL },
		{ "home_domain", "", NULL },
		/* 70 */
		{ "home_domain", ".example.org", P"home_domain=.example.org: "
		  "expected a domain" },
		{ "home_domain", "example.org:143", P"home_domain=example.org:"
		  "143: expected a domain" },
		{ "home_domain", "a b", P"home_domain=a b: expected a domain" },
		{ "home_base", "ou=%{domain},dc=a", NULL },
		{ "home_base", "ou=%{mailbox},dc=a", P"home_base=ou=%{mailbox},"
		  "dc=a: expected %{user}, %{username}, %{domain} or "
		  "%{hostname}, or %%" },
		{ "home_base", "%{domain},dc=a", P"home_base=%{domain},dc=a: "
		  "expected variables only in values" },
		{ "mailbox_base", "ou=%{hostname},dc=a", NULL },
		{ "mailbox_base", "ou=%{domain},dc=a", P"mailbox_base=ou=%"
		  "{domain},dc=a: expected %{hostname}, or %%" },
		{ "mailbox_filter", "(l=%{hostname})", NULL },
		{ "mailbox_filter", "(cn=%{mailbox})", P"mailbox_filter=" },
		/* 80 */
		{ "mailbox_name_template", "Shared/%{mailbox}", NULL },
		{ "mailbox_name_template", "", P"mailbox_name_template=: "
		  "expected %{mailbox} in it" },
		{ "mailbox_name_template", "%{user}", P"mailbox_name_template="
		  "%{user}: expected %{mailbox} or %{hostname}, or %%" },
		{ "mailbox_target_template", "", NULL },
		{ "mailbox_target_template", "user/%{mailbox}", NULL },
		{ "mailbox_target_template", "x", P"mailbox_target_template=x: "
		  "expected %{mailbox} in it" },
		{ "mailbox_target_attribute", "a b",
		  P"mailbox_target_attribute=a b: expected the name" },
		{ "readers", "yes", NULL },
		{ "readers", "true", P"readers=true: expected one of: no, "
		  "yes" },
		{ "reader_attributes", "member memberUid", NULL },
		/* 90 */
		{ "reader_attributes", "a,b", P"reader_attributes=a,b: "
		  "expected the names of 8 attributes at most" },
		{ "reader_attributes", "a b c d e f g h i",
		  P"reader_attributes=a b c d e f g h i: expected the names" },
		{ "reader_group_base", "ou=groups,ou=%{domain},dc=a", NULL },
		{ "reader_group_base", "groups", P"reader_group_base=groups: "
		  "expected a DN" },
		{ "reader_group_filter", "(member=%{user_dn})", NULL },
		{ "reader_group_filter", "(objectClass=groupOfNames)",
		  P"reader_group_filter=(objectClass=groupOfNames): expected "
		  "%{user}, %{username} or %{user_dn} in it" },
		{ "reader_group_filter", "", P"reader_group_filter=: expected "
		  "one LDAP filter" },
		{ "home_filter", "(uid=%{user_dn})", P"home_filter=" },
	};
	struct referral_ldap_settings set;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral ldap settings: values");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = settings_check(t_strconcat(P, tests[i].name, NULL),
				     tests[i].value, &set, &error);
		if (tests[i].error == NULL) {
			test_assert_idx(ret == 0, i);
			continue;
		}
		test_assert_idx(ret == -1, i);
		if (error == NULL ||
		    strncmp(error, tests[i].error,
			    strlen(tests[i].error)) != 0)
			test_assert_strcmp_idx(error, tests[i].error, i);
	}
	test_end();
}

static void test_referral_ldap_settings_uris(void)
{
	static const struct {
		const char *uris;
		/* of the first one; both NULL = refused */
		const char *host, *path;
		in_port_t port;
		unsigned int count;
	} tests[] = {
		/* 0 */
		{ "ldap://ldap1", "ldap1", NULL, 389, 1 },
		{ "ldap://ldap1/", "ldap1", NULL, 389, 1 },
		{ "LDAP://Ldap1.Example.org.", "ldap1.example.org", NULL,
		  389, 1 },
		{ "ldap://ldap1:10389", "ldap1", NULL, 10389, 1 },
		{ "ldap://192.0.2.1:1", "192.0.2.1", NULL, 1, 1 },
		{ "ldap://[::1]", "::1", NULL, 389, 1 },
		{ "ldap://[2001:DB8::1]:65535", "2001:db8::1", NULL, 65535,
		  1 },
		{ "ldapi://%2Frun%2Fslapd%2Fldapi", NULL, "/run/slapd/ldapi",
		  0, 1 },
		{ "ldapi://%2frun%2fldapi/", NULL, "/run/ldapi", 0, 1 },
		{ "ldap://a ldap://b", "a", NULL, 389, 2 },
		/* 10 */
		{ "ldap://a,ldapi://%2Fb, ldap://c", "a", NULL, 389, 3 },
		{ "  ldapi://%2Fb   ldap://a ", NULL, "/b", 0, 2 },
		/* 12: refused */
		{ "ldap1", NULL, NULL, 0, 0 },
		{ "ldap1:389", NULL, NULL, 0, 0 },
		{ "ldap:", NULL, NULL, 0, 0 },
		{ "ldap://", NULL, NULL, 0, 0 },
		{ "ldap:///", NULL, NULL, 0, 0 },
		{ "ldap://:389", NULL, NULL, 0, 0 },
		{ "ldap:///dc=example,dc=org", NULL, NULL, 0, 0 },
		{ "http://ldap1/", NULL, NULL, 0, 0 },
		/* 20 */
		{ "cldap://ldap1", NULL, NULL, 0, 0 },
		{ "cldap://ldap1", NULL, NULL, 0, 0 },
		{ "ldap://ldap_1", NULL, NULL, 0, 0 },
		{ "ldap://ldap1%0A", NULL, NULL, 0, 0 },
		{ "ldap://127.1", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:0", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:65536", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:65925", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:99999999999", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:-1", NULL, NULL, 0, 0 },
		/* 30 */
		{ "ldap://ldap1:ldap", NULL, NULL, 0, 0 },
		{ "ldap://ldap1:389x", NULL, NULL, 0, 0 },
		{ "ldapi://", NULL, NULL, 0, 0 },
		{ "ldapi:///run/ldapi", NULL, NULL, 0, 0 },
		{ "ldapi://run%2Fldapi", NULL, NULL, 0, 0 },
		{ "ldap://a ldap2", NULL, NULL, 0, 0 },
		{ "ldap://a;ldap://b", NULL, NULL, 0, 0 },
		/* 37: what we would not use is not silently left out */
		{ "ldap://a/dc=example,dc=org", NULL, NULL, 0, 0 },
		{ "ldap://a/dc=example?uid", NULL, NULL, 0, 0 },
		{ "ldap://a/???" "?!bindname=cn=a", NULL, NULL, 0, 0 },
	};
	struct referral_ldap_settings set;
	const struct referral_ldap_uri *uri;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral ldap settings: uris");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = settings_check(P"uris", tests[i].uris, &set, &error);
		if (tests[i].count == 0) {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL &&
				strstr(error, P"uris: ") == error &&
				strstr(error, ": expected ldap://host[:port], "
				       "ldaps://host[:port] or "
				       "ldapi://path") != NULL, i);
			continue;
		}
		test_assert_idx(ret == 0, i);
		if (ret < 0)
			continue;
		uri = array_front(&set.parsed_uris);
		test_assert_strcmp_idx(uri->host, tests[i].host, i);
		test_assert_strcmp_idx(uri->path, tests[i].path, i);
		if (tests[i].host != NULL)
			test_assert_idx(uri->port == tests[i].port, i);
		test_assert_idx(array_count(&set.parsed_uris) ==
				tests[i].count, i);
	}
	test_end();
}

static bool
settings_set(struct referral_ldap_settings *set, const char *name,
	     const char *value, const char **error_r)
{
	return referral_settings_set(referral_ldap_setting_defs,
				     pool_datastack_create(), set, name, value,
				     error_r) == 0;
}

static void test_referral_ldap_settings_bases(void)
{
	static const struct {
		const char *base, *home_base, *mailbox_base, *server_base;
		/* NULL = it is right */
		const char *error;
	} tests[] = {
		{ "dc=a", "", "", "", NULL },
		{ "dc=a", "dc=b", "", "", NULL },
		{ "dc=a", "", "dc=b", "", NULL },
		{ "dc=a", "", "", "dc=b", NULL },
		{ "", "dc=a", "dc=b", "dc=c", NULL },
		{ "", "dc=a", "dc=b", "", P"base is not set" },
		{ "", "dc=a", "", "dc=b", P"base is not set" },
		{ "", "", "dc=a", "dc=b", P"base is not set" },
		{ "", "", "", "", P"base is not set" },
		{ "x", "", "dc=a", "", P"base=x: expected a DN" },
		{ "", "x", "dc=a", "", P"home_base=x: expected a DN" },
		{ "dc=a", "", "x", "", P"mailbox_base=x: expected a DN" },
		{ "dc=a", "", "", "x", P"server_base=x: expected a DN" },
	};
	struct referral_ldap_settings set;
	pool_t pool = pool_datastack_create();
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral ldap settings: bases");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		referral_settings_init(referral_ldap_setting_defs, pool, &set);
		set.uris = DEFAULT_URI;
		error = "";
		ret = -1;
		/* an empty line for it is an error of its own */
		if ((*tests[i].base == '\0' ||
		     settings_set(&set, P"base", tests[i].base, &error)) &&
		    settings_set(&set, P"home_base", tests[i].home_base,
				 &error) &&
		    settings_set(&set, P"mailbox_base", tests[i].mailbox_base,
				 &error) &&
		    settings_set(&set, P"server_base", tests[i].server_base,
				 &error))
			ret = referral_ldap_settings_check(&set, pool, &error);
		test_assert_idx(ret == (tests[i].error == NULL ? 0 : -1), i);
		if (tests[i].error != NULL) {
			test_assert_idx(strstr(error, tests[i].error) == error,
					i);
			continue;
		}
		test_assert_strcmp_idx(set.home_base,
			*tests[i].home_base == '\0' ? tests[i].base :
			tests[i].home_base, i);
		test_assert_strcmp_idx(set.mailbox_base,
			*tests[i].mailbox_base == '\0' ? tests[i].base :
			tests[i].mailbox_base, i);
		test_assert_strcmp_idx(set.server_base,
			*tests[i].server_base == '\0' ? tests[i].base :
			tests[i].server_base, i);
	}
	test_end();
}

static void test_referral_ldap_settings_presets(void)
{
	static const struct {
		const char *preset, *home_attribute;
		enum referral_ldap_home_value home_value;
		const char *uri, *host, *name, *target;
	} tests[] = {
		{ "laser", "mailHost", REFERRAL_LDAP_HOME_VALUE_SERVER,
		  "labeledURI", "mailHost", "cn", "" },
		{ "native", "imapHomeServer", REFERRAL_LDAP_HOME_VALUE_SERVER,
		  "imapMailboxURI", "imapHomeServer", "imapMailboxName", "" },
		{ "labeleduri", "labeledURI", REFERRAL_LDAP_HOME_VALUE_LABELED,
		  "labeledURI", "", "cn", "" },
		{ "kolab", "kolabHomeServer", REFERRAL_LDAP_HOME_VALUE_SERVER,
		  "labeledURI", "kolabHomeServer", "cn", "kolabTargetFolder" },
		{ "sun", "mailHost", REFERRAL_LDAP_HOME_VALUE_SERVER,
		  "labeledURI", "", "cn", "" },
		{ "zimbra", "zimbraMailHost", REFERRAL_LDAP_HOME_VALUE_SERVER,
		  "labeledURI", "", "cn", "" },
		{ "exchange", "msExchHomeServerName",
		  REFERRAL_LDAP_HOME_VALUE_DN, "labeledURI", "", "cn", "" },
	};
	static const char *const templates[] = {
		P"home_filter", P"mailbox_filter", NULL
	};
	struct referral_ldap_settings set, again;
	const char *error;
	unsigned int i;

	test_begin("referral ldap settings: presets");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(settings_check(P"preset", tests[i].preset,
					       &set, &error) == 0, i);
		test_assert_strcmp_idx(set.home_attribute,
				       tests[i].home_attribute, i);
		test_assert_idx(set.home_value == tests[i].home_value, i);
		test_assert_strcmp_idx(set.mailbox_uri_attribute,
				       tests[i].uri, i);
		test_assert_strcmp_idx(set.mailbox_host_attribute,
				       tests[i].host, i);
		test_assert_strcmp_idx(set.mailbox_name_attribute,
				       tests[i].name, i);
		test_assert_strcmp_idx(set.mailbox_target_attribute,
				       tests[i].target, i);
		/* what a preset says is what a line could say */
		test_assert_idx(settings_check(templates[0], set.home_filter,
					       &again, &error) == 0, i);
		test_assert_idx(settings_check(templates[1],
					       set.mailbox_filter,
					       &again, &error) == 0, i);
		test_assert_idx(settings_check(P"reader_attributes",
					       set.reader_attributes,
					       &again, &error) == 0, i);
	}
	test_end();
}

static void test_referral_ldap_settings_preset_overridden(void)
{
	static const char *const names[] = {
		P"preset", P"home_filter", P"home_attribute", P"home_value",
		P"mailbox_filter", P"mailbox_uri_attribute",
		P"mailbox_host_attribute", P"mailbox_name_attribute",
		P"mailbox_target_attribute", P"reader_attributes",
	};
	static const char *const values[] = {
		"exchange", "(mail=%{user})", "mailHost", "server", "(a=b)",
		"a", "b", "c", "d", "e f",
	};
	struct referral_ldap_settings set;
	pool_t pool = pool_datastack_create();
	const char *error;
	unsigned int i, j, count = N_ELEMENTS(names);

	test_begin("referral ldap settings: preset overridden");
	/* in whatever order the lines are */
	for (i = 0; i < 2; i++) {
		referral_settings_init(referral_ldap_setting_defs, pool, &set);
		set.uris = DEFAULT_URI;
		set.base = "dc=a";
		for (j = 0; j < count; j++) {
			unsigned int n = i == 0 ? j : count - j - 1;

			test_assert_idx(settings_set(&set, names[n], values[n],
						     &error), n);
		}
		test_assert(referral_ldap_settings_check(&set, pool,
							 &error) == 0);
		test_assert(set.preset == REFERRAL_LDAP_PRESET_EXCHANGE);
		test_assert_strcmp(set.home_filter, values[1]);
		test_assert_strcmp(set.home_attribute, values[2]);
		test_assert(set.home_value == REFERRAL_LDAP_HOME_VALUE_SERVER);
		test_assert_strcmp(set.mailbox_filter, values[4]);
		test_assert_strcmp(set.mailbox_uri_attribute, values[5]);
		test_assert_strcmp(set.mailbox_host_attribute, values[6]);
		test_assert_strcmp(set.mailbox_name_attribute, values[7]);
		test_assert_strcmp(set.mailbox_target_attribute, values[8]);
		test_assert_strcmp(set.reader_attributes, values[9]);
	}
	test_end();
}

static void test_referral_ldap_settings_bind(void)
{
	struct referral_ldap_settings set;
	pool_t pool = pool_datastack_create();
	const char *error;

	test_begin("referral ldap settings: bind");
	referral_settings_init(referral_ldap_setting_defs, pool, &set);
	set.uris = DEFAULT_URI;
	set.base = "dc=a";
	set.bind_dn = "cn=reader,dc=a";
	set.password_file = "/nonexistent/password";
	/* It is read when it is needed. */
	test_assert(referral_ldap_settings_check(&set, pool, &error) == 0);
	/* Active Directory takes other names than DNs. */
	set.bind_dn = "reader@example.org";
	test_assert(referral_ldap_settings_check(&set, pool, &error) == 0);
	test_end();
}

static void test_referral_ldap_settings_conf(void)
{
	static const char *const examples[] = {
		P"uris", P"base", P"home_base", P"mailbox_base", P"server_base",
		/* of the preset */
		P"home_filter", P"home_attribute", P"mailbox_filter",
		P"mailbox_uri_attribute", P"mailbox_host_attribute",
		P"mailbox_name_attribute", P"mailbox_target_attribute",
		P"reader_attributes", P"reader_group_base",
		NULL
	};

	test_begin("referral ldap settings: example configuration");
	unit_conf_check("imap-referral-ldap.conf.ext",
			referral_ldap_setting_defs, examples);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_settings_defaults,
		test_referral_ldap_settings_values,
		test_referral_ldap_settings_uris,
		test_referral_ldap_settings_bases,
		test_referral_ldap_settings_presets,
		test_referral_ldap_settings_preset_overridden,
		test_referral_ldap_settings_bind,
		test_referral_ldap_settings_conf,
		NULL
	};
	return unit_run(test_functions);
}
