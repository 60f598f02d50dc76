/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unichar.h"
#include "referral-template.h"
#include "referral-ldap-dn.h"

#include <ctype.h>
#include <ldap.h>

void referral_ldap_dn_append_value(string_t *str, const char *value)
{
	const unsigned char *p;

	/* RFC 4514 section 2.4. Some of these have a meaning only at the
	   beginning or the end of a value, but may be escaped anywhere. */
	for (p = (const unsigned char *)value; *p != '\0'; p++) {
		if (*p <= ' ' || *p == 0x7f ||
		    strchr("\"#+,;<=>\\", *p) != NULL)
			str_printfa(str, "\\%02X", *p);
		else
			str_append_c(str, *p);
	}
}

static bool dn_is_valid(const char *dn)
{
	LDAPDN parsed;

	if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return FALSE;
	ldap_dnfree(parsed);
	return *dn != '\0';
}

static const char *dn_template_error(const char *template, string_t *example)
{
	bool in_value = FALSE, has_variable = FALSE;
	const char *p, *name;
	/* Of the attribute value that we are in. */
	char first = '\0';

	for (p = template; *p != '\0'; ) {
		if (*p == '%') {
			p = referral_template_parse_variable(p, &name);
			i_assert(p != NULL);
			if (name != NULL && !in_value) {
				return "variables only in values, "
					"after a = in a DN";
			}
			has_variable = has_variable || name != NULL;
			str_append_c(example, name == NULL ? '%' : 'x');
			first = first != '\0' ? first : 'x';
		} else if (*p == '\\') {
			/* Two hexadecimal digits, or the character itself; a
			   value in between would become part of it. */
			if (p[1] == '\0' || p[1] == '%' ||
			    (i_isxdigit(p[1]) && !i_isxdigit(p[2]))) {
				return "a special character or two hexadecimal "
					"digits after each \\ in a DN";
			}
			str_append_data(example, p, 2);
			first = first != '\0' ? first : 'x';
			p += 2;
		} else if (in_value && strchr(",+", *p) != NULL) {
			in_value = FALSE;
			str_append_c(example, *p++);
		} else {
			if (in_value && first == '\0' && *p != ' ')
				first = *p;
			if (*p == '=' && !in_value) {
				in_value = TRUE;
				has_variable = FALSE;
				first = '\0';
			}
			str_append_c(example, *p++);
		}
		/* RFC 4514 has one of these, RFC 2253 the other one. */
		if (has_variable && (first == '#' || first == '"'))
			return "variables not in quoted or encoded values";
	}
	return NULL;
}

const char *referral_ldap_dn_template_error(const char *template)
{
	string_t *example = t_str_new(128);
	const char *error = dn_template_error(template, example);

	if (error == NULL && !dn_is_valid(str_c(example)))
		error = "a DN such as dc=example,dc=org";
	return error;
}

static int
ava_string_cmp(const char *const *s1, const char *const *s2)
{
	return strcmp(*s1, *s2);
}

/* An attribute and its value, as in others that are equal to it. */
static const char *ava_normalize(const LDAPAVA *ava)
{
	buffer_t *value = t_buffer_create(64);
	string_t *str = t_str_new(64);
	const unsigned char *p = (const void *)ava->la_value.bv_val;
	size_t i, size = ava->la_value.bv_len;

	str_append(str, t_str_lcase(t_strndup(ava->la_attr.bv_val,
					      ava->la_attr.bv_len)));
	str_append_c(str, '=');
	if ((ava->la_flags & LDAP_AVA_BINARY) != 0 ||
	    uni_utf8_to_decomposed_titlecase(p, size, value) < 0) {
		buffer_set_used_size(value, 0);
		buffer_append(value, p, size);
	}
	p = value->data;
	size = value->used;
	/* RFC 4518 section 2.6.1: spaces around it are nothing, and those in
	   it are one. */
	while (size > 0 && p[size-1] == ' ')
		size--;
	for (i = 0; i < size; i++) {
		if (p[i] == ' ' && (i == 0 || p[i-1] == ' '))
			continue;
		if (p[i] <= ' ' || strchr(",+\\", p[i]) != NULL)
			str_printfa(str, "\\%02X", p[i]);
		else
			str_append_c(str, p[i]);
	}
	return str_c(str);
}

static void dn_append_normalized(string_t *str, LDAPDN dn)
{
	ARRAY_TYPE(const_string) avas;
	const char *ava;
	unsigned int i, j;

	for (i = 0; dn[i] != NULL; i++) {
		if (i > 0)
			str_append_c(str, ',');
		t_array_init(&avas, 1);
		for (j = 0; dn[i][j] != NULL; j++) {
			ava = ava_normalize(dn[i][j]);
			array_push_back(&avas, &ava);
		}
		array_sort(&avas, ava_string_cmp);
		array_foreach_elem(&avas, ava) {
			if (ava != array_idx_elem(&avas, 0))
				str_append_c(str, '+');
			str_append(str, ava);
		}
	}
}

bool referral_ldap_dn_normalize(const char *dn, const char **normalized_r)
{
	string_t *str;
	LDAPDN parsed;

	if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return FALSE;
	if (parsed == NULL)
		return FALSE;
	str = t_str_new(128);
	dn_append_normalized(str, parsed);
	ldap_dnfree(parsed);
	*normalized_r = str_c(str);
	return TRUE;
}

bool referral_ldap_dn_is_below(const char *dn, const char *base)
{
	size_t dn_len, base_len;

	if (!referral_ldap_dn_normalize(dn, &dn) ||
	    !referral_ldap_dn_normalize(base, &base))
		return FALSE;
	dn_len = strlen(dn);
	base_len = strlen(base);
	return dn_len >= base_len &&
		strcmp(dn + dn_len - base_len, base) == 0 &&
		/* normalized ones have no other commas */
		(dn_len == base_len || dn[dn_len - base_len - 1] == ',');
}

bool referral_ldap_dn_find_value(const char *dn, const char *attribute,
				 const char **value_r)
{
	LDAPDN parsed;
	unsigned int i, j;
	const char *found = NULL;

	if (ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS ||
	    parsed == NULL)
		return FALSE;
	for (i = 0; parsed[i] != NULL && found == NULL; i++) {
		for (j = 0; parsed[i][j] != NULL && found == NULL; j++) {
			const LDAPAVA *ava = parsed[i][j];

			if (strcasecmp(t_strndup(ava->la_attr.bv_val,
						 ava->la_attr.bv_len),
				       attribute) == 0 &&
			    ava->la_value.bv_len > 0 &&
			    memchr(ava->la_value.bv_val, '\0',
				   ava->la_value.bv_len) == NULL) {
				found = t_strndup(ava->la_value.bv_val,
						  ava->la_value.bv_len);
			}
		}
	}
	ldap_dnfree(parsed);
	*value_r = found;
	return found != NULL;
}
