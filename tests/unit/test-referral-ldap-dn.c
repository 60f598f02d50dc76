/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-dn.h"
#include "unit-common.h"

static void test_referral_ldap_dn_normalize(void)
{
	/* NULL in the place of the first one: the second one is no DN */
	static const struct {
		const char *dn1, *dn2;
		bool equal;
	} tests[] = {
		{ "uid=joe,dc=a", "uid=joe,dc=a", TRUE },
		{ "uid=joe,dc=a", "UID=Joe,DC=A", TRUE },
		{ "uid=joe,dc=a", " uid = joe , dc = a ", TRUE },
		{ "uid=joe,dc=a", "uid=\\6aoe,dc=a", TRUE },
		{ "cn=a b,dc=a", "cn=a  b ,dc=a", TRUE },
		{ "cn=a b,dc=a", "cn=\\20a b\\20,dc=a", TRUE },
		{ "cn=a\\,b,dc=a", "cn=a\\2cb,dc=a", TRUE },
		{ "cn=a\\\"b,dc=a", "cn=a\\22b,dc=a", TRUE },
		{ "cn=B\xc3\xbcro,dc=a", "cn=b\xc3\x9cRO,dc=a", TRUE },
		{ "cn=B\xc3\xbcro,dc=a", "cn=B\\C3\\BCro,dc=a", TRUE },
		/* 10 */
		{ "cn=a+uid=b,dc=a", "uid=b+cn=a,dc=a", TRUE },
		{ "cn=a", "2.5.4.3=a", FALSE },
		{ "uid=joe,dc=a", "uid=jo,dc=a", FALSE },
		{ "uid=joe,dc=a", "uid=joe", FALSE },
		{ "uid=joe,dc=a", "cn=joe,dc=a", FALSE },
		{ "uid=joe,dc=a", "uid=joe,dc=a,dc=b", FALSE },
		{ "cn=a b,dc=a", "cn=ab,dc=a", FALSE },
		/* what looks like another one when it is not escaped */
		{ "cn=a\\,dc\\3Db,dc=a", "cn=a,dc=b,dc=a", FALSE },
		{ "cn=a\\+uid\\3Db,dc=a", "cn=a+uid=b,dc=a", FALSE },
		{ "cn=a\\5C,dc=a", "cn=a,dc=a", FALSE },
		/* 20 */
		{ "cn=a,dc=b", "dc=b,cn=a", FALSE },
		{ NULL, "", FALSE },
		{ NULL, "joe", FALSE },
		{ NULL, "joe@example.org", FALSE },
		{ NULL, "uid=joe,", FALSE },
		{ NULL, "uid=joe\\", FALSE },
		{ NULL, "=joe", FALSE },
		{ NULL, "uid=joe,anyone", FALSE },
	};
	const char *dn1, *dn2;
	unsigned int i;

	test_begin("referral ldap dn: normalize");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		if (tests[i].dn1 == NULL) {
			test_assert_idx(!referral_ldap_dn_normalize(
				tests[i].dn2, &dn2), i);
			continue;
		}
		test_assert_idx(referral_ldap_dn_normalize(tests[i].dn1, &dn1),
				i);
		test_assert_idx(referral_ldap_dn_normalize(tests[i].dn2, &dn2),
				i);
		test_assert_idx((strcmp(dn1, dn2) == 0) == tests[i].equal, i);
	}
	test_end();
}

static void test_referral_ldap_dn_find_value(void)
{
	static const struct {
		const char *dn, *value;
	} tests[] = {
		{ "cn=mail1,cn=Servers,dc=a", "mail1" },
		{ "CN=MAIL1,dc=a", "MAIL1" },
		{ "ou=x,cn=mail1,dc=a", "mail1" },
		{ "ou=x+cn=mail1,dc=a", "mail1" },
		{ "cn=a\\2Cb,dc=a", "a,b" },
		{ "cn=B\xc3\xbcro,dc=a", "B\xc3\xbcro" },
		{ "cn=a\\00b,dc=a", NULL },
		{ "uid=x,dc=a", NULL },
		{ "cnx=x,dc=a", NULL },
		{ "", NULL },
		{ "mail1", NULL },
		{ "cn=mail1,", NULL },
	};
	const char *value;
	unsigned int i;

	test_begin("referral ldap dn: find value");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		value = NULL;
		test_assert_idx(referral_ldap_dn_find_value(tests[i].dn, "cn",
				&value) == (tests[i].value != NULL), i);
		test_assert_strcmp_idx(value, tests[i].value, i);
	}
	test_end();
}

static void test_referral_ldap_dn_is_below(void)
{
	static const struct {
		const char *dn, *base;
		bool below;
	} tests[] = {
		{ "dc=a", "dc=a", TRUE },
		{ "ou=x, DC=A", "dc=a", TRUE },
		{ "ou=x,dc=ba", "dc=a", FALSE },
		{ "ou=x\\,dc=a,dc=b", "dc=a,dc=b", FALSE },
		{ "dc=b", "dc=a,dc=b", FALSE },
		{ "", "dc=a", FALSE },
		{ "dc=a", "", FALSE },
		{ "a", "a", FALSE },
	};
	unsigned int i;

	test_begin("referral ldap dn: is below");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_ldap_dn_is_below(tests[i].dn,
				tests[i].base) == tests[i].below, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_dn_normalize,
		test_referral_ldap_dn_find_value,
		test_referral_ldap_dn_is_below,
		NULL
	};
	return unit_run(test_functions);
}
