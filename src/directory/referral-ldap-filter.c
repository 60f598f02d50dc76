/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-template.h"
#include "referral-ldap-filter.h"

#include <ctype.h>
#include <ldap.h>

#define FILTER_MAX_DEPTH 100

void referral_ldap_filter_append_value(string_t *str, const char *value)
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

/* "attribute=value" and the like; libldap takes all of the value. */
static bool filter_item_skip(const char **p)
{
	const char *start = *p;

	/* options, OIDs and matching rules as well */
	while (i_isalnum(**p) || **p == '-' || **p == '.' || **p == ';' ||
	       (**p == ':' && *p != start))
		*p += 1;
	if (*p == start)
		return FALSE;
	if (**p == '~' || **p == '<' || **p == '>')
		*p += 1;
	if (**p != '=')
		return FALSE;
	*p += strcspn(*p, "()");
	return TRUE;
}

static bool filter_skip(const char **p, unsigned int depth);

/* What & and | have behind them, or one only, as ! has. */
static bool
filter_list_skip(const char **p, bool is_list, unsigned int depth)
{
	unsigned int count = 0;

	for (;;) {
		*p += strspn(*p, " ");
		if (**p != '(')
			break;
		if (!filter_skip(p, depth))
			return FALSE;
		count++;
	}
	return count == 1 || (is_list && count > 0);
}

/* The depth is bounded, as it is in servers. */
static bool filter_skip(const char **p, unsigned int depth)
{
	bool ret;

	if (**p != '(' || depth == FILTER_MAX_DEPTH)
		return FALSE;
	*p += 1;
	if (**p == '&' || **p == '|' || **p == '!') {
		*p += 1;
		ret = filter_list_skip(p, (*p)[-1] != '!', depth + 1);
	} else
		ret = filter_item_skip(p);
	if (!ret || **p != ')')
		return FALSE;
	*p += 1;
	return TRUE;
}

static bool filter_is_valid(const char *filter)
{
	return filter_skip(&filter, 0) && *filter == '\0';
}

const char *referral_ldap_filter_template_error(const char *template)
{
	string_t *example = t_str_new(128);
	const char *p, *name;
	bool in_value = FALSE;

	if (!parentheses_match(template)) {
		return "one LDAP filter in matching parentheses such as "
			"(uid=%{user})";
	}
	for (p = template; *p != '\0'; ) {
		if (*p == '%') {
			p = referral_template_parse_variable(p, &name);
			i_assert(p != NULL);
			if (name != NULL && !in_value) {
				return "variables only in values, "
					"after a = in an LDAP filter";
			}
			str_append_c(example, 'x');
			continue;
		}
		if (*p == '\\' && (!i_isxdigit(p[1]) || !i_isxdigit(p[2]))) {
			/* a value in between would become part of it */
			return "two hexadecimal digits after each \\ "
				"in an LDAP filter";
		}
		if (*p == '(' || *p == ')')
			in_value = FALSE;
		else if (*p == '=')
			in_value = TRUE;
		str_append_c(example, *p++);
	}
	if (!filter_is_valid(str_c(example)))
		return "a valid LDAP filter (RFC 4515) such as (uid=%{user})";
	return NULL;
}
