/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "unichar.h"
#include "uri-util.h"
#include "referral-ldap-value.h"

/* A percent-encoded mailbox name, and some more for the rest. */
#define VALUE_MAX_SIZE (REFERRAL_MAX_MAILBOX_LENGTH * 3 + 1024)

static const char *value_dup(const char *data, size_t size)
{
	if (size == 0 || size > VALUE_MAX_SIZE ||
	    memchr(data, '\0', size) != NULL)
		return NULL;
	return t_strndup(data, size);
}

int referral_ldap_value_parse(pool_t pool, const char *data, size_t size,
			      in_port_t default_port,
			      struct referral_ldap_value *value_r,
			      const char **error_r)
{
	const char *value, *p, *place, *rest = NULL;
	bool is_url;

	i_zero(value_r);
	if (size == 0) {
		*error_r = "the value is empty";
		return -1;
	}
	if ((value = value_dup(data, size)) == NULL) {
		*error_r = "the value is too long or has a NUL byte";
		return -1;
	}
	if ((p = strchr(value, ' ')) == NULL)
		place = value;
	else {
		place = t_strdup_until(value, p);
		rest = p + 1;
	}
	is_url = strstr(place, "://") != NULL;
	if (rest != NULL && str_to_uint(rest, &value_r->preference) < 0 &&
	    !is_url) {
		*error_r = "expected host[:port], and after a space nothing "
			"but a preference number";
		return -1;
	}
	if (is_url) {
		return referral_url_parse(pool, place, &value_r->url, error_r);
	} else {
		return referral_url_parse_server(pool, place, default_port,
						 &value_r->url, error_r);
	}
}

const char *referral_ldap_value_get_mailbox(const char *data, size_t size)
{
	struct uri_parser parser;
	const char *value, *path, *name;

	if ((value = value_dup(data, size)) == NULL ||
	    (path = strstr(value, "://")) == NULL ||
	    (path = strchr(path + 3, '/')) == NULL)
		return NULL;
	/* without parameters, query and fragment, as in a good one */
	path = t_strcut(path + 1, ' ');
	path = t_strdup_until(path, path + strcspn(path, ";?#"));
	path = t_str_rtrim(path, "/");
	uri_parser_init(&parser, pool_datastack_create(), path);
	if (!uri_data_decode(&parser, path, NULL, &name) ||
	    referral_mailbox_name_error(name) != NULL)
		return NULL;
	return name;
}

static int
referral_ldap_value_cmp(const struct referral_ldap_value *v1,
			const struct referral_ldap_value *v2)
{
	int ret;

	if (v1->preference != v2->preference)
		return v1->preference < v2->preference ? -1 : 1;
	if ((ret = strcmp(v1->url.host, v2->url.host)) != 0)
		return ret;
	if (v1->url.port != v2->url.port)
		return v1->url.port < v2->url.port ? -1 : 1;
	return null_strcmp(v1->url.mailbox, v2->url.mailbox);
}

void referral_ldap_values_sort(ARRAY_TYPE(referral_ldap_value) *values)
{
	array_sort(values, referral_ldap_value_cmp);
}

void referral_ldap_values_append(string_t *str,
	const ARRAY_TYPE(referral_ldap_value) *values)
{
	const struct referral_ldap_value *value;
	unsigned int count = 0;

	array_foreach(values, value) {
		/* nobody reads more, whatever is in the directory */
		if (count++ == REFERRAL_MAX_URLS)
			break;
		if (value != array_front(values))
			str_append_c(str, ' ');
		referral_url_append(str, &value->url, NULL);
	}
}
