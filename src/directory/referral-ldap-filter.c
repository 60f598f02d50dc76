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

/* Let libldap look at the details: it encodes a filter before it connects, and
   this server fails at once. */
static bool filter_is_valid_for_libldap(const char *filter)
{
	LDAP *ld;
	int ret, msgid;

	if (ldap_initialize(&ld, "ldapi://%2Fnonexistent%2F") != LDAP_SUCCESS)
		i_fatal_status(FATAL_OUTOFMEM, "ldap_initialize() failed");
	ret = ldap_search_ext(ld, "", LDAP_SCOPE_BASE, filter, NULL, 0, NULL,
			      NULL, NULL, 0, &msgid);
	(void)ldap_unbind_ext(ld, NULL, NULL);
	return ret != LDAP_FILTER_ERROR;
}

static bool filter_is_valid(const char *filter)
{
	const char *p = filter;

	return filter_skip(&p, 0) && *p == '\0' &&
		filter_is_valid_for_libldap(filter);
}

/* What is between the * of a value, from its beginning to its end. */
struct filter_value {
	bool has_star;
	/* In this part is something that is never empty, or a variable that may
	   be. */
	bool has_text, has_maybe_empty;
	/* A part may be empty altogether. */
	bool has_empty_part;
};

static void filter_value_end_part(struct filter_value *value)
{
	if (value->has_maybe_empty && !value->has_text)
		value->has_empty_part = TRUE;
	value->has_maybe_empty = value->has_text = FALSE;
}

static void filter_value_add_variable(struct filter_value *value,
				      const char *name)
{
	/* "joe" has no domain, "@example.org" no user name before it */
	if (name != NULL && (strcmp(name, "username") == 0 ||
			     strcmp(name, "domain") == 0))
		value->has_maybe_empty = TRUE;
	else
		value->has_text = TRUE;
}

static void filter_value_add(struct filter_value *value, char c)
{
	if (c != '*')
		value->has_text = TRUE;
	else {
		filter_value_end_part(value);
		value->has_star = TRUE;
	}
}

const char *referral_ldap_filter_template_error(const char *template)
{
	string_t *example = t_str_new(128);
	const char *p, *name;
	struct filter_value value;
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
			str_append_c(example, name == NULL ? '%' : 'x');
			if (in_value)
				filter_value_add_variable(&value, name);
			continue;
		}
		if (*p == '\\' && (!i_isxdigit(p[1]) || !i_isxdigit(p[2]))) {
			/* a value in between would become part of it */
			return "two hexadecimal digits after each \\ "
				"in an LDAP filter";
		}
		if (*p == ')' && in_value) {
			filter_value_end_part(&value);
			if (value.has_star && value.has_empty_part) {
				return "something beside %{username} or "
					"%{domain} where they may be empty: * "
					"alone matches everybody";
			}
		}
		if (*p == '(' || *p == ')')
			in_value = FALSE;
		else if (in_value)
			filter_value_add(&value, *p);
		else if (*p == '=') {
			in_value = TRUE;
			i_zero(&value);
		}
		str_append_c(example, *p++);
	}
	if (!filter_is_valid(str_c(example)))
		return "a valid LDAP filter (RFC 4515) such as (uid=%{user})";
	return NULL;
}
