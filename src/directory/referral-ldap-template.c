/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-ldap-template.h"

#include <ldap.h>

static const char *
variable_value(const char *name, const char *user)
{
	const char *p = strchr(user, '@');

	if (strcmp(name, "user") == 0)
		return user;
	if (strcmp(name, "username") == 0)
		return t_strcut(user, '@');
	if (strcmp(name, "domain") == 0)
		return p == NULL ? "" : p + 1;
	return NULL;
}

/* Take what begins at a '%': returns the end of it, or NULL if it is neither
   %% nor %{name}. name_r is NULL for %%. */
static const char *variable_parse(const char *p, const char **name_r)
{
	const char *end;

	*name_r = NULL;
	if (p[1] == '%')
		return p + 2;
	if (p[1] != '{' || (end = strchr(p, '}')) == NULL)
		return NULL;
	*name_r = t_strdup_until(p + 2, end);
	return end + 1;
}

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
	const char *name;

	while (*filter != '\0') {
		if (*filter != '%') {
			str_append_c(str, *filter++);
			continue;
		}
		filter = variable_parse(filter, &name);
		i_assert(filter != NULL);
		if (name == NULL)
			str_append_c(str, '%');
		else
			append_escaped(str, variable_value(name, user));
	}
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
	const char *p, *name;
	bool have_user = FALSE;

	if (!parentheses_match(filter)) {
		*error_r = t_strdup_printf("%s=%s: expected one LDAP filter in "
			"matching parentheses such as (uid=%s)",
			setting, filter, need_user ? "%{user}" : "*");
		return -1;
	}
	for (p = filter; (p = strchr(p, '%')) != NULL; ) {
		p = variable_parse(p, &name);
		if (p != NULL && name == NULL)
			continue;
		if (p == NULL || !need_user ||
		    variable_value(name, "") == NULL) {
			*error_r = t_strdup_printf("%s=%s: expected %s",
				setting, filter, need_user ?
				"%{user}, %{username}, %{domain} or %% "
				"where a % is" : "%% where a % is");
			return -1;
		}
		if (strcmp(name, "domain") != 0)
			have_user = TRUE;
	}
	if (need_user && !have_user) {
		*error_r = t_strdup_printf("%s=%s: expected %%{user} or "
			"%%{username} in it: it would find the same entry for "
			"everybody", setting, filter);
		return -1;
	}
	return 0;
}
