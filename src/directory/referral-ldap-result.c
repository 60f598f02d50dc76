/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str-sanitize.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection-private.h"

bool referral_ldap_is_server_error(int err)
{
	switch (err) {
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_UNWILLING_TO_PERFORM:
	case LDAP_TIMELIMIT_EXCEEDED:
	case LDAP_OTHER:
	case LDAP_REFERRAL:
		return TRUE;
	default:
		/* libldap's own */
		return err < 0;
	}
}

const char *
referral_ldap_server_error(struct referral_ldap_server *server,
			   const char *what, int err, const char *text)
{
	return t_strdup_printf("%s: %s: %s%s%s%s",
		server->uri->uri, what, ldap_err2string(err),
		text == NULL || *text == '\0' ? "" : " (",
		text == NULL ? "" : str_sanitize(text, 200),
		text == NULL || *text == '\0' ? "" : ")");
}

void referral_ldap_search_copy(pool_t pool, struct referral_ldap_search *dest,
			       const struct referral_ldap_search *src)
{
	struct berval *cookie;

	*dest = *src;
	dest->base = p_strdup(pool, src->base);
	dest->filter = p_strdup(pool, src->filter);
	dest->attributes = p_strarray_dup(pool, src->attributes);
	if (src->cookie != NULL) {
		cookie = p_new(pool, struct berval, 1);
		cookie->bv_len = src->cookie->bv_len;
		cookie->bv_val = p_malloc(pool, cookie->bv_len + 1);
		memcpy(cookie->bv_val, src->cookie->bv_val, cookie->bv_len);
		dest->cookie = cookie;
	}
}

void referral_ldap_entry_init(struct referral_ldap_entry *entry_r, LDAP *ld,
			      LDAPMessage *msg)
{
	char *dn;

	entry_r->ld = ld;
	entry_r->msg = msg;
	dn = ldap_get_dn(ld, msg);
	entry_r->dn = t_strdup(dn == NULL ? "<broken DN>" : dn);
	ldap_memfree(dn);
}

bool referral_ldap_result_next(struct referral_ldap_result *result,
			       struct referral_ldap_entry *entry_r)
{
	if (result->next_entry == result->entries_count)
		return FALSE;
	referral_ldap_entry_init(entry_r, result->ld,
				 result->entries[result->next_entry++]);
	return TRUE;
}

/* Take the name of the next attribute: they are sequences of a name and a set of
   values (RFC 4511 section 4.1.7). Returns 1, 0 if there is none, -1 if that
   cannot be read. Nothing is changed in the message: it is read several
   times. */
static int attribute_begin(BerElement *ber, struct berval *name_r)
{
	ber_len_t len;

	if (ber_remaining(ber) <= 0)
		return 0;
	if (ber_skip_tag(ber, &len) != LBER_SEQUENCE ||
	    ber_get_stringbv(ber, name_r, LBER_BV_NOTERM) == LBER_ERROR)
		return -1;
	return 1;
}

/* Skip its values. */
static int attribute_skip(BerElement *ber)
{
	return ber_scanf(ber, "x") == LBER_ERROR ? -1 : 0;
}

int referral_ldap_entry_check(LDAP *ld, LDAPMessage *msg, size_t *size_r)
{
	BerElement *ber;
	struct berval dn, name;
	ber_len_t size;
	int ret;

	if (ldap_get_dn_ber(ld, msg, &ber, &dn) != LDAP_SUCCESS)
		return -1;
	if (ber_get_option(ber, LBER_OPT_BER_TOTAL_BYTES,
			   &size) != LBER_OPT_SUCCESS)
		size = 0;
	*size_r = size;
	while ((ret = attribute_begin(ber, &name)) > 0) {
		if (attribute_skip(ber) < 0) {
			ret = -1;
			break;
		}
	}
	ber_free(ber, 0);
	return ret;
}

void referral_ldap_entry_get_names(const struct referral_ldap_entry *entry,
				   ARRAY_TYPE(const_string) *names_r)
{
	BerElement *ber;
	struct berval dn, name;
	const char *copy;

	t_array_init(names_r, 8);
	if (ldap_get_dn_ber(entry->ld, entry->msg, &ber, &dn) != LDAP_SUCCESS)
		return;
	while (attribute_begin(ber, &name) > 0) {
		copy = t_strndup(name.bv_val, name.bv_len);
		array_push_back(names_r, &copy);
		if (attribute_skip(ber) < 0)
			break;
	}
	ber_free(ber, 0);
}

static void
append_values(BerElement *ber, ARRAY_TYPE(referral_ldap_bytes) *values)
{
	struct referral_ldap_bytes *bytes;
	struct berval value;
	ber_len_t len;
	ber_tag_t tag;
	char *last, *data;

	for (tag = ber_first_element(ber, &len, &last);
	     tag != LBER_DEFAULT &&
	     array_count(values) < REFERRAL_LDAP_MAX_VALUES;
	     tag = ber_next_element(ber, &len, last)) {
		if (ber_get_stringbv(ber, &value,
				     LBER_BV_NOTERM) == LBER_ERROR)
			break;
		bytes = array_append_space(values);
		bytes->size = value.bv_len;
		data = t_malloc_no0(value.bv_len + 1);
		memcpy(data, value.bv_val, value.bv_len);
		data[value.bv_len] = '\0';
		bytes->data = data;
	}
}

/* Not ldap_get_values_len(), which needs many times the memory that the server
   has sent: it is the server's decision how many values there are. */
void referral_ldap_entry_get_values(const struct referral_ldap_entry *entry,
				    const char *attribute,
				    ARRAY_TYPE(referral_ldap_bytes) *values_r)
{
	size_t attribute_len = strlen(attribute);
	BerElement *ber;
	struct berval dn, name;

	t_array_init(values_r, 4);
	if (ldap_get_dn_ber(entry->ld, entry->msg, &ber, &dn) != LDAP_SUCCESS)
		return;
	while (attribute_begin(ber, &name) > 0) {
		if (name.bv_len == attribute_len &&
		    strncasecmp(name.bv_val, attribute, attribute_len) == 0) {
			append_values(ber, values_r);
			break;
		}
		if (attribute_skip(ber) < 0)
			break;
	}
	ber_free(ber, 0);
}
