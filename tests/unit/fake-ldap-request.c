/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "fake-ldap-request.h"

static const char *value_dup(pool_t pool, const struct berval *value)
{
	return p_strndup(pool, value->bv_val, value->bv_len);
}

static void append_escaped(string_t *str, const struct berval *value)
{
	const unsigned char *data = (const void *)value->bv_val;
	ber_len_t i;

	for (i = 0; i < value->bv_len; i++) {
		if (data[i] < 0x20 || data[i] == 0x7f ||
		    strchr("*()\\", data[i]) != NULL)
			str_printfa(str, "\\%02x", data[i]);
		else
			str_append_c(str, data[i]);
	}
}

/* RFC 4511 section 4.5.1.7: those that we use */
static void filter_append(string_t *str, BerElement *ber)
{
	struct berval attribute, value;
	ber_tag_t tag, next;
	ber_len_t len;
	char *last;

	tag = ber_peek_tag(ber, &len);
	str_append_c(str, '(');
	switch (tag) {
	case LDAP_FILTER_AND:
	case LDAP_FILTER_OR:
		str_append_c(str, tag == LDAP_FILTER_AND ? '&' : '|');
		next = ber_first_element(ber, &len, &last);
		while (next != LBER_DEFAULT) {
			filter_append(str, ber);
			next = ber_next_element(ber, &len, last);
		}
		break;
	case LDAP_FILTER_NOT:
		str_append_c(str, '!');
		(void)ber_skip_tag(ber, &len);
		filter_append(str, ber);
		break;
	case LDAP_FILTER_EQUALITY:
		if (ber_scanf(ber, "{mm}", &attribute, &value) == LBER_ERROR)
			i_panic("broken equality filter");
		str_append_data(str, attribute.bv_val, attribute.bv_len);
		str_append_c(str, '=');
		append_escaped(str, &value);
		break;
	case LDAP_FILTER_PRESENT:
		if (ber_scanf(ber, "m", &attribute) == LBER_ERROR)
			i_panic("broken presence filter");
		str_append_data(str, attribute.bv_val, attribute.bv_len);
		str_append(str, "=*");
		break;
	default:
		i_panic("filter with tag 0x%lx", tag);
	}
	str_append_c(str, ')');
}

static void
bind_decode(struct fake_ldap_request *request, pool_t pool, BerElement *ber)
{
	struct berval dn, password;
	ber_int_t version;

	if (ber_scanf(ber, "{imm}", &version, &dn, &password) == LBER_ERROR ||
	    version != LDAP_VERSION3)
		i_panic("broken bind request");
	request->dn = value_dup(pool, &dn);
	request->password = value_dup(pool, &password);
}

static void
page_control_decode(struct fake_ldap_request *request, pool_t pool,
		    struct berval *value)
{
	struct berval cookie;
	ber_int_t size;
	BerElement *ber;

	ber = ber_init(value);
	if (ber == NULL || ber_scanf(ber, "{im}", &size, &cookie) == LBER_ERROR)
		i_panic("broken paged results control");
	request->page_size = size;
	request->cookie = value_dup(pool, &cookie);
	ber_free(ber, 1);
}

static void
sync_control_decode(struct fake_ldap_request *request, pool_t pool,
		    struct berval *value)
{
	struct berval cookie = { .bv_val = "" };
	ber_int_t mode;
	ber_len_t len;
	BerElement *ber;

	ber = ber_init(value);
	if (ber == NULL || ber_scanf(ber, "{e", &mode) == LBER_ERROR ||
	    mode != LDAP_SYNC_REFRESH_AND_PERSIST ||
	    (ber_peek_tag(ber, &len) == LDAP_TAG_SYNC_COOKIE &&
	     ber_scanf(ber, "m", &cookie) == LBER_ERROR))
		i_panic("broken Sync Request control");
	request->sync_cookie = value_dup(pool, &cookie);
	ber_free(ber, 1);
}

static void
controls_decode(struct fake_ldap_request *request, pool_t pool,
		BerElement *ber)
{
	struct berval oid, value;
	ber_tag_t tag;
	ber_len_t len;
	ber_int_t critical;
	char *last;

	tag = ber_first_element(ber, &len, &last);
	while (tag != LBER_DEFAULT) {
		if (ber_scanf(ber, "{m", &oid) == LBER_ERROR)
			i_panic("broken control");
		if (ber_peek_tag(ber, &len) == LBER_BOOLEAN)
			(void)ber_scanf(ber, "b", &critical);
		if (ber_scanf(ber, "m}", &value) == LBER_ERROR)
			i_panic("broken control");
		if (strncmp(oid.bv_val, LDAP_CONTROL_PAGEDRESULTS,
			    oid.bv_len) == 0)
			page_control_decode(request, pool, &value);
		else if (strncmp(oid.bv_val, LDAP_CONTROL_SYNC,
				 oid.bv_len) == 0)
			sync_control_decode(request, pool, &value);
		tag = ber_next_element(ber, &len, last);
	}
}

static void
search_decode(struct fake_ldap_request *request, pool_t pool, BerElement *ber)
{
	string_t *str = t_str_new(256);
	struct berval base, attribute;
	ber_int_t scope, deref, size_limit, time_limit, types_only;
	ber_tag_t tag;
	ber_len_t len;
	char *last;

	if (ber_scanf(ber, "{meeiib", &base, &scope, &deref, &size_limit,
		      &time_limit, &types_only) == LBER_ERROR)
		i_panic("broken search request");
	request->dn = value_dup(pool, &base);
	request->scope = scope;
	request->size_limit = size_limit;
	filter_append(str, ber);
	request->filter = p_strdup(pool, str_c(str));

	str_truncate(str, 0);
	tag = ber_first_element(ber, &len, &last);
	while (tag != LBER_DEFAULT) {
		if (ber_scanf(ber, "m", &attribute) == LBER_ERROR)
			i_panic("broken search attribute");
		if (str_len(str) > 0)
			str_append_c(str, ' ');
		str_append_data(str, attribute.bv_val, attribute.bv_len);
		tag = ber_next_element(ber, &len, last);
	}
	request->attributes = p_strdup(pool, str_c(str));

	request->cookie = "";
	if (ber_peek_tag(ber, &len) == LDAP_TAG_CONTROLS)
		controls_decode(request, pool, ber);
}

struct fake_ldap_request *
fake_ldap_request_decode(pool_t pool, BerElement *ber)
{
	struct fake_ldap_request *request;
	ber_int_t id;
	ber_tag_t tag;
	ber_len_t len;

	request = p_new(pool, struct fake_ldap_request, 1);
	if (ber_get_int(ber, &id) == LBER_ERROR)
		i_panic("LDAP message without ID");
	request->msgid = id;
	tag = ber_peek_tag(ber, &len);
	switch (tag) {
	case LDAP_REQ_BIND:
		request->type = FAKE_LDAP_BIND;
		bind_decode(request, pool, ber);
		break;
	case LDAP_REQ_SEARCH:
		request->type = FAKE_LDAP_SEARCH;
		search_decode(request, pool, ber);
		if (request->scope == LDAP_SCOPE_BASE &&
		    strcmp(request->attributes, LDAP_NO_ATTRS) == 0)
			request->type = FAKE_LDAP_PROBE;
		break;
	case LDAP_REQ_ABANDON:
		request->type = FAKE_LDAP_ABANDON;
		if (ber_scanf(ber, "i", &id) == LBER_ERROR)
			i_panic("broken abandon request");
		request->abandon_msgid = id;
		break;
	case LDAP_REQ_UNBIND:
		request->type = FAKE_LDAP_UNBIND;
		break;
	default:
		i_panic("LDAP message with tag 0x%lx", tag);
	}
	return request;
}
