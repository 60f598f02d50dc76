/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-entry-values.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-ldap-value.h"
#include "referral-mailbox-map.h"
#include "referral-reader.h"
#include "referral-value-log.h"
#include "referral-mailbox-load.h"

/* A name that an entry has itself, for values that have none. */
struct mailbox_name {
	const char *name;
	/* There; NULL: the same. */
	const char *target;
	/* There is one, but no valid one. */
	bool broken;
};

struct mailbox_entry {
	struct referral_map *map;
	const struct referral_ldap_settings *set;
	struct referral_value_log *log;
	const struct referral_ldap_entry *entry;

	ARRAY(struct mailbox_name) names;
};

/* Returns what a template makes of a value, or NULL if it is logged that it is
   no name. */
static const char *
mailbox_name_expand(struct mailbox_entry *e, const char *template,
		    const char *attribute,
		    const struct referral_ldap_bytes *value)
{
	const struct referral_ldap_variables variables = {
		.mailbox = value->data
	};
	const char *name, *error;

	name = referral_ldap_name_expand(template, &variables);
	error = strlen(value->data) != value->size ?
		"the mailbox name has a NUL byte" :
		referral_mailbox_name_error(name);
	if (error == NULL)
		return name;
	referral_value_log_skip(e->log, e->entry->dn, attribute,
				value->data, error);
	return NULL;
}

/* Get the name there if the entry has one of its own. Returns 1 if it has, 0 if
   it has none, -1 if none is valid. */
static int
mailbox_entry_get_target(struct mailbox_entry *e, const char **target_r)
{
	const char *attribute = e->set->mailbox_target_attribute;
	const char *template = e->set->mailbox_target_template, *target;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;

	*target_r = NULL;
	if (*attribute == '\0')
		return 0;
	if (*template == '\0')
		template = "%{mailbox}";
	referral_entry_get_values(e->entry, attribute, e->log, &values);
	array_foreach(&values, value) {
		target = mailbox_name_expand(e, template, attribute, value);
		/* values have no order: always the same one */
		if (target != NULL &&
		    (*target_r == NULL || strcmp(target, *target_r) < 0))
			*target_r = target;
	}
	if (array_count(&values) == 0)
		return 0;
	return *target_r == NULL ? -1 : 1;
}

static void mailbox_entry_get_names(struct mailbox_entry *e)
{
	const struct referral_ldap_settings *set = e->set;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	struct mailbox_name name;
	const char *target;
	int ret;

	t_array_init(&e->names, 2);
	ret = mailbox_entry_get_target(e, &target);
	referral_entry_get_values(e->entry, set->mailbox_name_attribute,
				  e->log, &values);
	array_foreach(&values, value) {
		i_zero(&name);
		name.name = mailbox_name_expand(e, set->mailbox_name_template,
						set->mailbox_name_attribute,
						value);
		if (name.name == NULL)
			continue;
		if (ret != 0)
			name.target = target;
		else if (*set->mailbox_target_template != '\0') {
			name.target = mailbox_name_expand(e,
				set->mailbox_target_template,
				set->mailbox_name_attribute, value);
		}
		name.broken = name.target == NULL &&
			(ret < 0 || *set->mailbox_target_template != '\0');
		array_push_back(&e->names, &name);
	}
}

/* Without a usable location the mailbox is still listed: it is not here. */
static void
add_broken(struct mailbox_entry *e, const struct referral_ldap_bytes *value)
{
	const struct mailbox_name *own;
	const char *name;

	if ((name = referral_ldap_value_get_mailbox(value->data,
						    value->size)) != NULL)
		referral_mailbox_map_add_broken(e->map, name);
	else array_foreach(&e->names, own)
		referral_mailbox_map_add_broken(e->map, own->name);
}

/* Whatever people put into labeledURI: a web page is no mailbox. */
static bool is_other_uri(const char *value)
{
	return strstr(t_strcut(value, ' '), "://") != NULL &&
		strncasecmp(value, "imap://", 7) != 0 &&
		strncasecmp(value, "imaps://", 8) != 0;
}

/* Returns the number of values, usable or not, but for other URIs than IMAP's
   if uri_only. */
static unsigned int
add_attribute(struct mailbox_entry *e, const char *attribute, bool uri_only)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *bytes;
	struct referral_ldap_value value;
	const struct mailbox_name *own;
	const char *error;
	unsigned int count = 0;

	/* not all presets have one for hosts */
	if (*attribute == '\0')
		return 0;
	referral_entry_get_values(e->entry, attribute, e->log, &values);
	array_foreach(&values, bytes) {
		if (uri_only && is_other_uri(bytes->data))
			continue;
		count++;
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
		} else array_foreach(&e->names, own) {
			value.url.mailbox = own->target;
			if (own->broken) {
				referral_mailbox_map_add_broken(e->map,
								own->name);
			} else {
				referral_mailbox_map_add(e->map, own->name,
							 &value);
			}
		}
	}
	return count;
}

static bool is_asked_for(const char *const *attributes, const char *name)
{
	return *name != '\0' && str_array_icase_find(attributes, name);
}

/* Returns whether the entry may have readers that we do not see: what it has
   is under a name that was not asked for. Servers answer with their own name
   for an attribute when they are asked for another one or for an OID, and some
   send many values as parts with an option (member;range=0-1499). */
static bool mailbox_entry_may_hide_readers(struct mailbox_entry *e)
{
	const struct referral_ldap_settings *set = e->set;
	const char *const others[] = {
		set->mailbox_uri_attribute, set->mailbox_host_attribute,
		set->mailbox_name_attribute, set->mailbox_target_attribute,
		NULL
	};
	ARRAY_TYPE(const_string) names;
	const char *name, *base;

	referral_ldap_entry_get_names(e->entry, &names);
	array_foreach_elem(&names, name) {
		if (is_asked_for(set->parsed_reader_attributes, name))
			continue;
		/* an option, such as ;lang-de, makes it no other attribute;
		   but readers are only read without */
		base = t_strcut(name, ';');
		if (is_asked_for(others, base) &&
		    !is_asked_for(set->parsed_reader_attributes, base))
			continue;
		referral_value_log_skip(e->log, e->entry->dn, name, "...",
			"the server has another name for an attribute that "
			"was asked for, or sends it with options, so that "
			"nobody sees the mailbox: expected the server's names "
			"in the settings");
		return TRUE;
	}
	return FALSE;
}

/* Returns NULL if it is there for everybody. */
static struct referral_readers *
mailbox_entry_get_readers(struct mailbox_entry *e)
{
	const char *const *attributes = e->set->parsed_reader_attributes;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	struct referral_readers *readers = NULL;
	const char *error;

	if (e->set->readers == 0)
		return NULL;
	if (mailbox_entry_may_hide_readers(e))
		return referral_readers_init();
	for (; *attributes != NULL; attributes++) {
		referral_entry_get_values(e->entry, *attributes, e->log,
					  &values);
		array_foreach(&values, value) {
			/* if none is valid, it is there for nobody */
			if (readers == NULL)
				readers = referral_readers_init();
			if (!referral_readers_add(readers, value->data,
						  value->size, &error)) {
				referral_value_log_skip(e->log, e->entry->dn,
							*attributes,
							value->data, error);
			}
		}
	}
	return readers;
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
	struct referral_readers *readers = mailbox_entry_get_readers(&e);

	referral_mailbox_map_set_readers(map, readers);
	referral_readers_unref(&readers);
	mailbox_entry_get_names(&e);
	if (add_attribute(&e, set->mailbox_uri_attribute, TRUE) == 0)
		(void)add_attribute(&e, set->mailbox_host_attribute, FALSE);
	referral_mailbox_map_set_readers(map, NULL);
}

static void
load_add_attribute(struct referral_load *load, const char *attribute)
{
	unsigned int i;

	if (*attribute == '\0')
		return;
	for (i = 0; load->attributes[i] != NULL; i++) ;
	i_assert(i < REFERRAL_LOAD_MAX_ATTRIBUTES);
	load->attributes[i] = attribute;
}

void referral_mailbox_load_get(const struct referral_ldap_settings *set,
			       struct referral_load *load_r)
{
	const char *const *attributes;

	*load_r = (const struct referral_load) {
		.what = "mailboxes",
		.base = set->mailbox_base,
		.scope = set->mailbox_scope,
		.filter = set->mailbox_filter,
		.page_size = set->mailbox_page_size,
		.limit = set->mailbox_limit,
		.limit_setting = "referral_ldap_mailbox_limit",
		.map_init = referral_mailbox_map_init,
		.add_entry = mailbox_add_entry,
	};
	load_add_attribute(load_r, set->mailbox_uri_attribute);
	load_add_attribute(load_r, set->mailbox_host_attribute);
	load_add_attribute(load_r, set->mailbox_name_attribute);
	load_add_attribute(load_r, set->mailbox_target_attribute);
	if (set->readers == 0)
		return;
	attributes = set->parsed_reader_attributes;
	for (; *attributes != NULL; attributes++)
		load_add_attribute(load_r, *attributes);
}
