/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-template.h"
#include "referral-ldap-template.h"

#include <ldap.h>

static void append_escaped(string_t *str, const char *value)
{
	struct berval in, out;

	in.bv_val = (char *)value;
	in.bv_len = strlen(value);
	if (ldap_bv2escaped_filter_value(&in, &out) < 0)
		i_fatal_status(FATAL_OUTOFMEM,
			       "ldap_bv2escaped_filter_value() failed");
	str_append_data(str, out.bv_val, out.bv_len);
	if (out.bv_val != in.bv_val)
		ber_memfree(out.bv_val);
}

const char *referral_ldap_template_expand(const char *filter, const char *user)
{
	string_t *str = t_str_new(256);

	referral_template_expand(str, filter, user, append_escaped);
	return str_c(str);
}

static bool parentheses_match(const char *filter)
{
	unsigned int depth = 0;
	const char *p;

	for (p = filter; *p != '\0'; p++) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && depth-- == 0)
			return FALSE;
		/* One filter, in parentheses */
		if (depth == 0 && p[1] != '\0')
			return FALSE;
	}
	return p != filter && depth == 0;
}

int referral_ldap_template_check(const char *setting, const char *filter,
				 bool need_user, const char **error_r)
{
	const char *expected;
	bool has_user, has_variables;

	if (!parentheses_match(filter)) {
		*error_r = t_strdup_printf("%s=%s: expected one LDAP filter in "
			"matching parentheses such as (uid=%s)",
			setting, filter, need_user ? "%{user}" : "*");
		return -1;
	}
	expected = referral_template_error(filter, &has_user, &has_variables);
	if (!need_user && (expected != NULL || has_variables))
		expected = "%% where a % is";
	if (expected != NULL) {
		*error_r = t_strdup_printf("%s=%s: expected %s", setting,
					   filter, expected);
		return -1;
	}
	if (need_user && !has_user) {
		*error_r = t_strdup_printf("%s=%s: expected %%{user} or "
			"%%{username} in it: it would find the same entry for "
			"everybody", setting, filter);
		return -1;
	}
	return 0;
}
