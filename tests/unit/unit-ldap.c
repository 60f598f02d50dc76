/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

struct referral_ldap_settings *unit_ldap_settings(pool_t pool, ...)
{
	struct referral_ldap_settings *set;
	const char *name, *error;
	va_list args;

	set = p_new(pool, struct referral_ldap_settings, 1);
	referral_settings_init(referral_ldap_setting_defs, pool, set);
	set->base = "dc=test";
	/* nothing but what a test asks for is sent */
	set->live = REFERRAL_LDAP_LIVE_NO;
	va_start(args, pool);
	while ((name = va_arg(args, const char *)) != NULL) {
		name = t_strconcat("referral_ldap_", name, NULL);
		if (referral_settings_set(referral_ldap_setting_defs, pool,
					  set, name, va_arg(args, const char *),
					  &error) < 0)
			i_fatal("%s", error);
	}
	va_end(args);
	if (referral_ldap_settings_check(set, pool, &error) < 0)
		i_fatal("%s", error);
	return set;
}

static void
unit_search_callback(struct referral_ldap_result *result,
		     struct unit_search *search)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	struct referral_ldap_entry entry;
	string_t *str = t_str_new(1024);
	bool first;

	test_assert(search->callback_count == 0);
	search->callback_count++;
	search->error = i_strdup(result->error);
	search->refused = result->refused;
	search->cookie_lost = result->cookie_lost;
	search->truncated = result->truncated;
	search->cookie = result->cookie.bv_val == NULL ? i_strdup("") :
		i_strndup(result->cookie.bv_val, result->cookie.bv_len);
	if (search->before != NULL)
		search->before(search);
	while (referral_ldap_result_next(result, &entry)) {
		if (str_len(str) > 0)
			str_append(str, "; ");
		str_printfa(str, "%s:", entry.dn);
		referral_ldap_entry_get_values(&entry, "cn", &values);
		first = TRUE;
		array_foreach(&values, value) {
			str_append_c(str, first ? ' ' : ',');
			first = FALSE;
			/* a NUL is there after each */
			test_assert(value->data[value->size] == '\0');
			str_append_data(str, value->data, value->size);
		}
	}
	search->entries = i_strdup(str_c(str));
	if (search->after != NULL)
		search->after(search);
}

void unit_search_start(struct unit_search *search, const char *filter,
		       unsigned int size_limit, unsigned int page_size,
		       const char *cookie)
{
	static const char *const attributes[] = { "cn", NULL };
	struct berval cookie_value;
	struct referral_ldap_search ldap_search;

	i_zero(&ldap_search);
	/* all of that is copied */
	ldap_search.base = t_strdup("dc=test");
	ldap_search.scope = LDAP_SCOPE_SUBTREE;
	ldap_search.filter = t_strdup(filter);
	ldap_search.attributes = attributes;
	ldap_search.size_limit = size_limit;
	ldap_search.page_size = page_size;
	if (cookie != NULL) {
		cookie_value.bv_val = t_strdup_noconst(cookie);
		cookie_value.bv_len = strlen(cookie);
		ldap_search.cookie = &cookie_value;
	}
	referral_ldap_connection_search(search->conn, &ldap_search,
					unit_search_callback, search);
}

void unit_search(struct referral_ldap_connection *conn,
		 struct unit_search *search_r, const char *filter)
{
	i_zero(search_r);
	search_r->conn = conn;
	unit_search_start(search_r, filter, 0, 0, NULL);
}

void unit_search_free(struct unit_search *search)
{
	i_free(search->error);
	i_free(search->entries);
	i_free(search->cookie);
	search->callback_count = 0;
}

bool unit_is_disconnected(struct referral_ldap_connection *conn)
{
	struct referral_ldap_status status;

	referral_ldap_connection_get_status(conn, &status);
	return strcmp(status.state, "disconnected") == 0;
}

void unit_answer(struct fake_ldap_request *request, const char *cn)
{
	const struct fake_ldap_entry entry = {
		t_strdup_printf("cn=%s,dc=test", cn), {
			{ "cn", cn, 0 },
			{ NULL, NULL, 0 }
		}
	};

	fake_ldap_send_entry(request, &entry);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

void unit_answer_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	unit_answer(request, request->filter);
}
