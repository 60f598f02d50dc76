/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-dn.h"
#include "referral-ldap-template.h"
#include "referral-value-log.h"
#include "referral-entry-values.h"

void referral_entry_get_values(const struct referral_ldap_entry *entry,
			       const char *attribute,
			       struct referral_value_log *log,
			       ARRAY_TYPE(referral_ldap_bytes) *values_r)
{
	referral_ldap_entry_get_values(entry, attribute, values_r);
	if (array_count(values_r) == REFERRAL_LDAP_MAX_VALUES) {
		referral_value_log_skip(log, entry->dn, attribute, "...",
			"no more values than these are looked at");
	}
}

unsigned int
referral_entry_get_servers(const struct referral_ldap_entry *entry,
			   const char *attribute, in_port_t default_port,
			   struct referral_value_log *log,
			   ARRAY_TYPE(referral_ldap_value) *servers_r)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *bytes;
	struct referral_ldap_value value;
	const char *error;

	t_array_init(servers_r, 2);
	referral_entry_get_values(entry, attribute, log, &values);
	array_foreach(&values, bytes) {
		if (referral_ldap_value_parse(pool_datastack_create(),
					      bytes->data, bytes->size,
					      default_port, &value,
					      &error) < 0) {
			referral_value_log_skip(log, entry->dn, attribute,
						bytes->data, error);
			continue;
		}
		value.url.mailbox = NULL;
		array_push_back(servers_r, &value);
	}
	return array_count(&values);
}

int referral_entry_value_find(const struct referral_ldap_bytes *value,
			      const char *const *words)
{
	int i;

	if (strlen(value->data) != value->size)
		return -1;
	for (i = 0; words[i] != NULL; i++) {
		if (strcasecmp(value->data, words[i]) == 0)
			return i;
	}
	return -1;
}

bool referral_ldap_base_is_missing(const char *base_template,
				   const struct referral_ldap_result *result)
{
	static const struct referral_ldap_variables no_variables;
	const char *tail;

	if (!result->refused ||
	    (referral_ldap_template_get_variables(base_template) &
	     REFERRAL_LDAP_VARIABLES_OF_USER) == 0)
		return FALSE;
	/* Servers need not take all texts for values in DNs: dc is ASCII. */
	if (result->code == LDAP_INVALID_DN_SYNTAX)
		return TRUE;
	if (result->code != LDAP_NO_SUCH_OBJECT)
		return FALSE;
	/* A server without data says the same of everything. */
	tail = referral_ldap_dn_template_tail(base_template,
					      REFERRAL_LDAP_VARIABLES_OF_USER);
	return tail == NULL || (result->matched_dn != NULL &&
		referral_ldap_dn_is_below(result->matched_dn,
			referral_ldap_dn_expand(tail, &no_variables)));
}
