/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-compat-ldap-settings.h"
#include "unit-common.h"

static void test_referral_compat_ldap_settings(void)
{
	static const char data[] =
		"# comment\n"
		"referral_ldap_uris = ldap://ldap1 ldapi://%2Frun%2Fldapi\n"
		"referral_ldap_base = dc=example,dc=org\n"
		"referral_ldap_home_filter = (&(uid=%{username})\\\n"
		"  (ou=%{domain}))\n"
		"referral_ldap_timeout = 300ms # short\n";
	struct referral_ldap_settings set;
	const char *path, *error = "";

	test_begin("referral compat ldap settings: read");
	path = unit_file("ldap.conf", data);
	test_assert(referral_ldap_settings_read(path, pool_datastack_create(),
						&set, &error) == 0);
	test_assert_strcmp(error, "");
	test_assert(array_count(&set.parsed_uris) == 2);
	test_assert_strcmp(set.home_base, "dc=example,dc=org");
	test_assert(strncmp(set.home_filter, "(&(uid=%{username})", 19) == 0);
	test_assert(set.timeout_msecs == 300);
	test_assert(set.default_port == 143);
	test_end();
}

static void test_referral_compat_ldap_settings_bad(void)
{
	static const struct {
		const char *data;
		/* after the path */
		const char *error;
	} tests[] = {
		{ "referral_ldap_uris = ldap://a\nreferral_ldap_bse = dc=a\n",
		  ":2: Unknown setting referral_ldap_bse: expected a setting "
		  "such as referral_ldap_base" },
		{ "\n\nreferral_ldap_timeout = 1\n",
		  ":3: referral_ldap_timeout=1: expected a time" },
		{ "imap_referral_server = a\n",
		  ":1: Unknown setting imap_referral_server: " },
		/* what is not about one line */
		{ "referral_ldap_base = dc=a\n",
		  ": referral_ldap_uris is not set: expected ldap://" },
		{ "referral_ldap_uris = ldap://a\n",
		  ": referral_ldap_base is not set: expected a DN" },
		{ "", ": referral_ldap_uris is not set: expected ldap://" },
	};
	struct referral_ldap_settings set;
	const char *path, *expected, *error;
	unsigned int i;

	test_begin("referral compat ldap settings: bad files");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		path = unit_file("ldap.conf", tests[i].data);
		error = "";
		test_assert_idx(referral_ldap_settings_read(path,
			pool_datastack_create(), &set, &error) == -1, i);
		expected = t_strconcat(path, tests[i].error, NULL);
		if (strncmp(error, expected, strlen(expected)) != 0)
			test_assert_strcmp_idx(error, expected, i);
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_compat_ldap_settings,
		test_referral_compat_ldap_settings_bad,
		NULL
	};
	return unit_run(test_functions);
}
