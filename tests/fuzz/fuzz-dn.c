/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-ldap-dn.h"
#include "fuzz.h"

#include <ldap.h>

/* Check that a value that is written in a DN is the same when it is read. */
static void check_value(const char *value)
{
	string_t *str = t_str_new(128);
	LDAPDN dn;

	str_append(str, "cn=");
	referral_ldap_dn_append_value(str, value);
	str_append(str, ",dc=test");
	fuzz_check(ldap_str2dn(str_c(str), &dn, LDAP_DN_FORMAT_LDAPV3) ==
		   LDAP_SUCCESS);
	fuzz_check(dn[0] != NULL && dn[1] != NULL && dn[2] == NULL);
	fuzz_check(dn[0][0] != NULL && dn[0][1] == NULL);
	fuzz_check(dn[0][0]->la_value.bv_len == strlen(value));
	fuzz_check(memcmp(dn[0][0]->la_value.bv_val, value,
			  strlen(value)) == 0);
	ldap_dnfree(dn);
}

/* Check that the DN in libldap's own form is the same one. */
static void check_rewritten(const char *dn, const char *normal, unsigned flags)
{
	LDAPDN parsed;
	const char *normal2;
	char *dn2;

	fuzz_check(ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) ==
		   LDAP_SUCCESS);
	/* it cannot write all that it reads, nor read all that it writes */
	if (ldap_dn2str(parsed, &dn2, flags) == LDAP_SUCCESS) {
		if (referral_ldap_dn_normalize(dn2, &normal2))
			fuzz_check(strcmp(normal, normal2) == 0);
		ldap_memfree(dn2);
	}
	ldap_dnfree(parsed);
}

/* DNs as a server sends them, and values of their attributes. */
void fuzz_one(const unsigned char *data, size_t size)
{
	const char *dn = fuzz_string(data, size), *normal, *value;

	if (referral_ldap_dn_normalize(dn, &normal)) {
		check_rewritten(dn, normal, LDAP_DN_FORMAT_LDAPV3);
		check_rewritten(dn, normal, LDAP_DN_FORMAT_LDAPV3 |
				LDAP_DN_PRETTY);
	}
	if (referral_ldap_dn_find_value(dn, "cn", &value))
		fuzz_check(value != NULL);
	if (*dn != '\0')
		check_value(dn);
}
