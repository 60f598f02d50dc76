/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-ldap-value.h"
#include "referral-mailbox-map.h"
#include "referral-value-log.h"
#include "referral-mailbox-loader.h"

struct referral_mailbox_loader {
	struct referral_ldap_connection *conn;
	const struct referral_ldap_settings *set;
	struct referral_value_log *log;
	referral_mailbox_loader_callback_t *callback;
	void *context;

	/* Not NULL while it is loading. */
	struct referral_mailbox_map *map;
};

#undef referral_mailbox_loader_init
struct referral_mailbox_loader *
referral_mailbox_loader_init(struct referral_ldap_connection *conn,
			     const struct referral_ldap_settings *set,
			     struct referral_value_log *log,
			     referral_mailbox_loader_callback_t *callback,
			     void *context)
{
	struct referral_mailbox_loader *loader;

	loader = i_new(struct referral_mailbox_loader, 1);
	loader->conn = conn;
	loader->set = set;
	loader->log = log;
	loader->callback = callback;
	loader->context = context;
	return loader;
}

void referral_mailbox_loader_deinit(struct referral_mailbox_loader **_loader)
{
	struct referral_mailbox_loader *loader = *_loader;

	*_loader = NULL;
	i_assert(loader->map == NULL);
	i_free(loader);
}

/* Get the names that an entry has itself, for values that have none. */
static void
entry_get_names(struct referral_mailbox_loader *loader,
		const struct referral_ldap_entry *entry,
		ARRAY_TYPE(const_string) *names_r)
{
	const char *attribute = loader->set->mailbox_name_attribute;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	const char *error;

	t_array_init(names_r, 2);
	referral_ldap_entry_get_values(entry, attribute, &values);
	array_foreach(&values, value) {
		error = strlen(value->data) != value->size ?
			"the mailbox name has a NUL byte" :
			referral_mailbox_name_error(value->data);
		if (error == NULL)
			array_push_back(names_r, &value->data);
		else {
			referral_value_log_skip(loader->log, entry->dn,
						attribute, value->data, error);
		}
	}
}

/* Without a usable location the mailbox is still listed: it is not here. */
static void
add_broken(struct referral_mailbox_loader *loader,
	   const struct referral_ldap_bytes *value,
	   const ARRAY_TYPE(const_string) *names)
{
	const char *name;

	if ((name = referral_ldap_value_get_mailbox(value->data,
						    value->size)) != NULL)
		referral_mailbox_map_add_broken(loader->map, name);
	else array_foreach_elem(names, name)
		referral_mailbox_map_add_broken(loader->map, name);
}

/* Returns the number of values, usable or not. */
static unsigned int
add_attribute(struct referral_mailbox_loader *loader,
	      const struct referral_ldap_entry *entry, const char *attribute,
	      const ARRAY_TYPE(const_string) *names)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *bytes;
	struct referral_ldap_value value;
	const char *name, *error;

	referral_ldap_entry_get_values(entry, attribute, &values);
	array_foreach(&values, bytes) {
		if (referral_ldap_value_parse(pool_datastack_create(),
					      bytes->data, bytes->size,
					      loader->set->default_port,
					      &value, &error) < 0) {
			referral_value_log_skip(loader->log, entry->dn,
						attribute, bytes->data, error);
			add_broken(loader, bytes, names);
		} else if (value.url.mailbox != NULL) {
			referral_mailbox_map_add(loader->map,
						 value.url.mailbox, &value);
		} else array_foreach_elem(names, name)
			referral_mailbox_map_add(loader->map, name, &value);
	}
	return array_count(&values);
}

static void
add_entry(struct referral_mailbox_loader *loader,
	  const struct referral_ldap_entry *entry)
{
	ARRAY_TYPE(const_string) names;

	entry_get_names(loader, entry, &names);
	if (add_attribute(loader, entry, loader->set->mailbox_uri_attribute,
			  &names) == 0) {
		(void)add_attribute(loader, entry,
				    loader->set->mailbox_host_attribute,
				    &names);
	}
}

static void
loader_finish(struct referral_mailbox_loader *loader, const char *error)
{
	struct referral_mailbox_map *map = loader->map;

	loader->map = NULL;
	if (error == NULL)
		referral_mailbox_map_finish(map);
	else
		referral_mailbox_map_unref(&map);
	loader->callback(map, error, loader->context);
}

static void
loader_search(struct referral_mailbox_loader *loader,
	      const struct berval *cookie);

static void
loader_page_callback(struct referral_ldap_result *result,
		     struct referral_mailbox_loader *loader)
{
	struct referral_ldap_entry entry;
	bool more = result->error == NULL;

	while (more && referral_mailbox_map_count(loader->map) <=
	       loader->set->mailbox_limit) T_BEGIN {
		more = referral_ldap_result_next(result, &entry);
		if (more)
			add_entry(loader, &entry);
	} T_END;

	if (result->error != NULL)
		loader_finish(loader, result->error);
	else if (referral_mailbox_map_count(loader->map) >
		 loader->set->mailbox_limit) {
		loader_finish(loader, t_strdup_printf("The directory has more "
			"than %u shared mailboxes: "
			"referral_ldap_mailbox_limit has to be raised",
			loader->set->mailbox_limit));
	} else if (result->cookie.bv_len > 0)
		loader_search(loader, &result->cookie);
	else
		loader_finish(loader, NULL);
}

static void
loader_search(struct referral_mailbox_loader *loader,
	      const struct berval *cookie)
{
	const struct referral_ldap_settings *set = loader->set;
	const char *const attributes[] = {
		set->mailbox_uri_attribute,
		set->mailbox_host_attribute,
		set->mailbox_name_attribute,
		NULL
	};
	const struct referral_ldap_search search = {
		.base = set->mailbox_base,
		.scope = set->mailbox_scope,
		.filter = referral_ldap_template_expand(set->mailbox_filter,
							""),
		.attributes = attributes,
		.page_size = set->mailbox_page_size,
		.cookie = cookie,
	};

	referral_ldap_connection_search(loader->conn, &search,
					loader_page_callback, loader);
}

void referral_mailbox_loader_start(struct referral_mailbox_loader *loader)
{
	if (loader->map != NULL)
		return;
	loader->map = referral_mailbox_map_init();
	loader_search(loader, NULL);
}
