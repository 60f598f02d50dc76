/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-compat.h"
#include "str.h"
#include "referral-ldap-template.h"
#include "fuzz.h"

#include <lber.h>
#include <ldap.h>

/* Of libldap, but in no header: a filter as text in its encoding. */
int ldap_pvt_put_filter(BerElement *ber, const char *str);

#define ALL_VARIABLES \
	(REFERRAL_LDAP_VARIABLES_OF_USER | REFERRAL_LDAP_VARIABLE_MAILBOX | \
	 REFERRAL_LDAP_VARIABLE_USER_DN | REFERRAL_LDAP_VARIABLE_HOSTNAME)

/* What stands for the values: letters only, so that nothing happens to them. */
#define MARK_USERNAME "QuserQ"
#define MARK_DOMAIN "QdomainQ"
#define MARK_MAILBOX "QmailboxQ"
#define MARK_USER_DN "QdnQ"
#define MARK_HOSTNAME "QhostQ"

static const struct referral_ldap_variables *values;

static bool has_domain(void)
{
	return strchr(values->user, '@') != NULL;
}

/* Append the value that the text's beginning stands for. Returns the length of
   that beginning, or 0 if it is no mark. */
static size_t mark_append(string_t *str, const char *text)
{
	const char *p, *domain = strchr(values->user, '@');
	const struct {
		const char *mark, *value;
	} marks[] = {
		/* before its parts */
		{ domain != NULL ? MARK_USERNAME"@"MARK_DOMAIN : MARK_USERNAME,
		  values->user },
		{ MARK_USERNAME, t_strcut(values->user, '@') },
		{ MARK_DOMAIN, domain == NULL ? "" : domain + 1 },
		{ MARK_MAILBOX, values->mailbox },
		{ MARK_USER_DN, values->user_dn },
		{ MARK_HOSTNAME, values->hostname },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(marks); i++) {
		if (str_begins_with(text, marks[i].mark)) {
			for (p = marks[i].value; *p != '\0'; p++)
				str_append_c(str, *p);
			return strlen(marks[i].mark);
		}
	}
	return 0;
}

/* The text with values in the place of marks. */
static const char *fill_marks(const char *text)
{
	string_t *str = t_str_new(256);
	size_t len;

	while (*text != '\0') {
		if ((len = mark_append(str, text)) > 0)
			text += len;
		else
			str_append_c(str, *text++);
	}
	return str_c(str);
}

static void check_value(const char *marked, size_t marked_size,
			const char *real, size_t real_size)
{
	const char *expected;

	if (marked_size == 0) {
		fuzz_check(real_size == 0);
		return;
	}
	if (memchr(marked, '\0', marked_size) != NULL) {
		/* written in the template; our values have none */
		return;
	}
	expected = fill_marks(t_strndup(marked, marked_size));
	fuzz_check(strlen(expected) == real_size);
	fuzz_check(real_size == 0 || memcmp(expected, real, real_size) == 0);
}

/*
 * Filters
 */

static const unsigned char *
tlv_get(const unsigned char *p, const unsigned char *end, unsigned char *tag_r,
	size_t *size_r)
{
	unsigned int bytes;

	fuzz_check(end - p >= 2);
	*tag_r = *p++;
	*size_r = *p++;
	if (*size_r >= 0x80) {
		bytes = *size_r & 0x7f;
		fuzz_check(bytes <= 4 && end - p >= (ptrdiff_t)bytes);
		for (*size_r = 0; bytes > 0; bytes--)
			*size_r = *size_r << 8 | *p++;
	}
	fuzz_check((size_t)(end - p) >= *size_r);
	return p;
}

/* Both have the same structure, and the same values but for the marks. */
static void
check_same(const unsigned char *p1, const unsigned char *end1,
	   const unsigned char *p2, const unsigned char *end2)
{
	unsigned char tag1, tag2;
	size_t size1, size2;

	while (p1 < end1) {
		p1 = tlv_get(p1, end1, &tag1, &size1);
		p2 = tlv_get(p2, end2, &tag2, &size2);
		fuzz_check(tag1 == tag2);
		if ((tag1 & 0x20) != 0)
			check_same(p1, p1 + size1, p2, p2 + size2);
		else T_BEGIN {
			check_value((const char *)p1, size1,
				    (const char *)p2, size2);
		} T_END;
		p1 += size1;
		p2 += size2;
	}
	fuzz_check(p2 == end2);
}

static BerElement *filter_encode(const char *filter, struct berval *bv_r)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	fuzz_check(ldap_pvt_put_filter(ber, filter) == 0);
	fuzz_check(ber_flatten2(ber, bv_r, 0) == 0);
	return ber;
}

static void
check_filter(const char *template, const struct referral_ldap_variables *marks)
{
	struct berval bv1, bv2;
	BerElement *ber1, *ber2;
	const unsigned char *p1, *p2;

	ber1 = filter_encode(referral_ldap_filter_expand(template, marks),
			     &bv1);
	ber2 = filter_encode(referral_ldap_filter_expand(template, values),
			     &bv2);
	p1 = (const void *)bv1.bv_val;
	p2 = (const void *)bv2.bv_val;
	check_same(p1, p1 + bv1.bv_len, p2, p2 + bv2.bv_len);
	ber_free(ber1, 1);
	ber_free(ber2, 1);
}

/*
 * DNs
 */

static void
check_dn(const char *template, const struct referral_ldap_variables *marks)
{
	const char *marked = referral_ldap_dn_expand(template, marks);
	const char *real = referral_ldap_dn_expand(template, values);
	LDAPDN dn1, dn2;
	unsigned int i, j;

	if (marked == NULL || real == NULL) {
		/* there is an empty value */
		return;
	}
	fuzz_check(ldap_str2dn(marked, &dn1, LDAP_DN_FORMAT_LDAPV3) ==
		   LDAP_SUCCESS);
	fuzz_check(ldap_str2dn(real, &dn2, LDAP_DN_FORMAT_LDAPV3) ==
		   LDAP_SUCCESS);
	for (i = 0; dn1[i] != NULL; i++) {
		fuzz_check(dn2[i] != NULL);
		for (j = 0; dn1[i][j] != NULL; j++) {
			const LDAPAVA *ava1 = dn1[i][j], *ava2 = dn2[i][j];

			fuzz_check(ava2 != NULL);
			fuzz_check(ava1->la_attr.bv_len ==
				   ava2->la_attr.bv_len &&
				   memcmp(ava1->la_attr.bv_val,
					  ava2->la_attr.bv_val,
					  ava1->la_attr.bv_len) == 0);
			check_value(ava1->la_value.bv_val,
				    ava1->la_value.bv_len,
				    ava2->la_value.bv_val,
				    ava2->la_value.bv_len);
		}
		fuzz_check(dn2[i][j] == NULL);
	}
	fuzz_check(dn2[i] == NULL);
	ldap_dnfree(dn1);
	ldap_dnfree(dn2);
}

static bool
template_is_valid(enum referral_ldap_template_type type, const char *template)
{
	const char *error = NULL;

	/* one that has marks of its own */
	if (strcmp(fill_marks(template), template) != 0)
		return FALSE;
	if (referral_ldap_template_check(type, "setting", template,
					 ALL_VARIABLES, 0, &error) == 0)
		return TRUE;
	fuzz_check(error != NULL && *error != '\0');
	return FALSE;
}

/* None of them is ever empty. */
static const char *value_line(const unsigned char **data, size_t *size)
{
	const char *line = fuzz_line(data, size);

	return *line == '\0' ? "x" : line;
}

/* A filter and a DN with variables, and the variables' values: a line each. */
void fuzz_one(const unsigned char *data, size_t size)
{
	const char *filter = fuzz_line(&data, &size);
	const char *dn = fuzz_line(&data, &size);
	struct referral_ldap_variables variables, marks;

	variables.user = value_line(&data, &size);
	variables.mailbox = value_line(&data, &size);
	variables.user_dn = value_line(&data, &size);
	variables.hostname = value_line(&data, &size);
	values = &variables;

	marks.user = has_domain() ? MARK_USERNAME"@"MARK_DOMAIN :
		MARK_USERNAME;
	marks.mailbox = MARK_MAILBOX;
	marks.user_dn = MARK_USER_DN;
	marks.hostname = MARK_HOSTNAME;

	if (template_is_valid(REFERRAL_LDAP_TEMPLATE_FILTER, filter))
		check_filter(filter, &marks);
	if (template_is_valid(REFERRAL_LDAP_TEMPLATE_DN, dn))
		check_dn(dn, &marks);
}
