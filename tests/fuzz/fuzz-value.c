/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-answer.h"
#include "referral-ldap-value.h"
#include "fuzz.h"

#include <stdlib.h>

/* Check that the dict's value says the same. */
static void check_answer(ARRAY_TYPE(referral_ldap_value) *values)
{
	const struct referral_ldap_value *value;
	const struct referral_url *url;
	ARRAY_TYPE(referral_url) urls;
	string_t *str = t_str_new(256);
	const char *error;
	unsigned int i;

	referral_ldap_values_sort(values);
	referral_ldap_values_append(str, values);
	fuzz_check(referral_answer_parse(pool_datastack_create(), str_c(str),
					 &urls, &error) == 0);
	fuzz_check(array_count(&urls) ==
		   I_MIN(array_count(values), REFERRAL_MAX_URLS));
	for (i = 0; i < array_count(&urls); i++) {
		value = array_idx(values, i);
		url = array_idx(&urls, i);
		fuzz_check(referral_url_same_server(&value->url, url));
		fuzz_check(null_strcmp(value->url.mailbox, url->mailbox) == 0);
		fuzz_check(i == 0 || value[-1].preference <= value->preference);
	}
}

/* The values of an attribute that says where something is: one a line. */
void fuzz_one(const unsigned char *data, size_t size)
{
	ARRAY_TYPE(referral_ldap_value) values;
	struct referral_ldap_value value;
	const unsigned char *end;
	const char *mailbox, *error;
	char *bytes;
	size_t len;

	t_array_init(&values, 4);
	for (;;) {
		end = size == 0 ? NULL : memchr(data, '\n', size);
		len = end == NULL ? size : (size_t)(end - data);
		/* as libldap has them: a NUL byte behind the end */
		bytes = malloc(len + 1);
		if (len > 0)
			memcpy(bytes, data, len);
		bytes[len] = '\0';

		error = NULL;
		mailbox = referral_ldap_value_get_mailbox(bytes, len);
		fuzz_check(mailbox == NULL ||
			   referral_mailbox_name_error(mailbox) == NULL);
		if (referral_ldap_value_parse(pool_datastack_create(), bytes,
					      len, 10143, &value,
					      &error) == 0) {
			fuzz_check_url(&value.url);
			array_push_back(&values, &value);
		} else
			fuzz_check_printable(error);
		free(bytes);
		if (end == NULL)
			break;
		data = end + 1;
		size -= len + 1;
	}
	if (array_count(&values) > 0)
		check_answer(&values);
}
