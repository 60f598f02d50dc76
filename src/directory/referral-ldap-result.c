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

void referral_ldap_entry_get_values(const struct referral_ldap_entry *entry,
				    const char *attribute,
				    ARRAY_TYPE(referral_ldap_bytes) *values_r)
{
	struct referral_ldap_bytes *bytes;
	struct berval **values;
	unsigned int i;
	char *data;

	t_array_init(values_r, 4);
	values = ldap_get_values_len(entry->ld, entry->msg, attribute);
	if (values == NULL)
		return;
	for (i = 0; values[i] != NULL; i++) {
		bytes = array_append_space(values_r);
		bytes->size = values[i]->bv_len;
		data = t_malloc0(values[i]->bv_len + 1);
		memcpy(data, values[i]->bv_val, values[i]->bv_len);
		bytes->data = data;
	}
	ldap_value_free_len(values);
}
