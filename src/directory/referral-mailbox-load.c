/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-value.h"
#include "referral-mailbox-map.h"
#include "referral-value-log.h"
#include "referral-mailbox-load.h"

struct mailbox_entry {
	struct referral_map *map;
	const struct referral_ldap_settings *set;
	struct referral_value_log *log;
	const struct referral_ldap_entry *entry;

	/* The names that it has itself, for values that have none. */
	ARRAY_TYPE(const_string) names;
};

static void mailbox_entry_get_names(struct mailbox_entry *e)
{
	const char *attribute = e->set->mailbox_name_attribute;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	const char *error;

	t_array_init(&e->names, 2);
	referral_ldap_entry_get_values(e->entry, attribute, &values);
	array_foreach(&values, value) {
		error = strlen(value->data) != value->size ?
			"the mailbox name has a NUL byte" :
			referral_mailbox_name_error(value->data);
		if (error == NULL)
			array_push_back(&e->names, &value->data);
		else {
			referral_value_log_skip(e->log, e->entry->dn,
						attribute, value->data, error);
		}
	}
}

/* Without a usable location the mailbox is still listed: it is not here. */
static void
add_broken(struct mailbox_entry *e, const struct referral_ldap_bytes *value)
{
	const char *name;

	if ((name = referral_ldap_value_get_mailbox(value->data,
						    value->size)) != NULL)
		referral_mailbox_map_add_broken(e->map, name);
	else array_foreach_elem(&e->names, name)
		referral_mailbox_map_add_broken(e->map, name);
}

/* Returns the number of values, usable or not. */
static unsigned int
add_attribute(struct mailbox_entry *e, const char *attribute)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *bytes;
	struct referral_ldap_value value;
	const char *name, *error;

	referral_ldap_entry_get_values(e->entry, attribute, &values);
	array_foreach(&values, bytes) {
		if (referral_ldap_value_parse(pool_datastack_create(),
					      bytes->data, bytes->size,
					      e->set->default_port,
					      &value, &error) < 0) {
			referral_value_log_skip(e->log, e->entry->dn,
						attribute, bytes->data, error);
			add_broken(e, bytes);
		} else if (value.url.mailbox != NULL) {
			referral_mailbox_map_add(e->map, value.url.mailbox,
						 &value);
		} else array_foreach_elem(&e->names, name)
			referral_mailbox_map_add(e->map, name, &value);
	}
	return array_count(&values);
}

static void
mailbox_add_entry(struct referral_map *map,
		  const struct referral_ldap_settings *set,
		  struct referral_value_log *log,
		  const struct referral_ldap_entry *entry)
{
	struct mailbox_entry e = {
		.map = map, .set = set, .log = log, .entry = entry
	};

	mailbox_entry_get_names(&e);
	if (add_attribute(&e, set->mailbox_uri_attribute) == 0)
		(void)add_attribute(&e, set->mailbox_host_attribute);
}

void referral_mailbox_load_get(const struct referral_ldap_settings *set,
			       struct referral_load *load_r)
{
	*load_r = (const struct referral_load) {
		.what = "mailboxes",
		.base = set->mailbox_base,
		.scope = set->mailbox_scope,
		.filter = set->mailbox_filter,
		.attributes = {
			set->mailbox_uri_attribute,
			set->mailbox_host_attribute,
			set->mailbox_name_attribute,
		},
		.page_size = set->mailbox_page_size,
		.limit = set->mailbox_limit,
		.limit_setting = "referral_ldap_mailbox_limit",
		.map_init = referral_mailbox_map_init,
		.add_entry = mailbox_add_entry,
	};
}
