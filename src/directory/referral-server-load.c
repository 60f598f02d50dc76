/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-key.h"
#include "referral-ldap-settings.h"
#include "referral-entry-values.h"
#include "referral-server-map.h"
#include "referral-value-log.h"
#include "referral-server-load.h"

static enum referral_server_map_state
server_state_parse(const struct referral_ldap_bytes *value)
{
	static const char *const words[] = {
		"active", REFERRAL_SERVER_DRAIN, REFERRAL_SERVER_DOWN, NULL
	};

	switch (referral_entry_value_find(value, words)) {
	case 0:
		return REFERRAL_SERVER_MAP_ACTIVE;
	case 1:
		return REFERRAL_SERVER_MAP_DRAIN;
	case 2:
		return REFERRAL_SERVER_MAP_DOWN;
	default:
		return REFERRAL_SERVER_MAP_UNKNOWN;
	}
}

static enum referral_server_map_state
server_entry_get_state(const struct referral_ldap_settings *set,
		       struct referral_value_log *log,
		       const struct referral_ldap_entry *entry)
{
	const char *attribute = set->server_state_attribute;
	enum referral_server_map_state state, worst = REFERRAL_SERVER_MAP_ACTIVE;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;

	referral_entry_get_values(entry, attribute, log, &values);
	array_foreach(&values, value) {
		state = server_state_parse(value);
		if (state == REFERRAL_SERVER_MAP_UNKNOWN) {
			referral_value_log_skip(log, entry->dn, attribute,
				value->data,
				"expected active, drain or down");
		}
		worst = I_MAX(worst, state);
	}
	return worst;
}

static void
server_add_entry(struct referral_map *map,
		 const struct referral_ldap_settings *set,
		 struct referral_value_log *log,
		 const struct referral_ldap_entry *entry)
{
	const char *attribute = set->server_name_attribute;
	ARRAY_TYPE(referral_ldap_value) successors;
	ARRAY_TYPE(referral_ldap_bytes) names;
	const struct referral_ldap_bytes *name;
	enum referral_server_map_state state;
	struct referral_url url;
	const char *error;

	state = server_entry_get_state(set, log, entry);
	/* without any of them, it is out of service all the same */
	(void)referral_entry_get_servers(entry, set->server_home_attribute,
					 set->default_port, log, &successors);
	referral_entry_get_values(entry, attribute, log, &names);
	array_foreach(&names, name) {
		error = "the name has a NUL byte";
		/* without a port it stands for all of them, which is 0 */
		if (strlen(name->data) != name->size ||
		    referral_url_parse_server(pool_datastack_create(),
					      name->data, 0, &url,
					      &error) < 0) {
			referral_value_log_skip(log, entry->dn, attribute,
						name->data, error);
		} else
			referral_server_map_add(map, &url, state, &successors);
	}
}

void referral_server_load_get(const struct referral_ldap_settings *set,
			      struct referral_load *load_r)
{
	*load_r = (const struct referral_load) {
		.what = "servers",
		.base = set->server_base,
		.scope = set->server_scope,
		.filter = set->server_filter,
		.attributes = {
			set->server_name_attribute,
			set->server_state_attribute,
			set->server_home_attribute,
		},
		.page_size = set->mailbox_page_size,
		.limit = set->server_limit,
		.limit_setting = "referral_ldap_server_limit",
		.map_init = referral_server_map_init,
		.add_entry = server_add_entry,
	};
}
