/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "str-sanitize.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-entry-values.h"
#include "referral-home-cache.h"
#include "referral-mailbox-load.h"
#include "referral-mailbox-map.h"
#include "referral-server-load.h"
#include "referral-server-map.h"
#include "referral-value-log.h"
#include "referral-directory.h"

struct referral_directory {
	const struct referral_ldap_settings *set;
	struct event *event;

	struct referral_ldap_connection *conn;
	struct referral_value_log *log;
	struct referral_home_cache *homes;
	struct referral_map_keeper *mailboxes;
	/* Loaded when it is asked for: not everybody has them listed. On a
	   connection of its own: OpenLDAP keeps one cookie for each, so that
	   of two loads in pages the second one would end the first one. */
	struct referral_map_keeper *servers;
	struct referral_ldap_connection *servers_conn;

	bool load_started;
};

/*
 * Homes
 */

struct referral_home_lookup {
	struct referral_directory *dir;
	char *user;
	referral_directory_callback_t *callback;
	void *context;
};

/* Get the word that an entry has for the answer to logins, or NULL. */
static const char *
home_entry_get_login(struct referral_directory *dir,
		     const struct referral_ldap_entry *entry)
{
	/* If there are both, the last one counts. */
	static const char *const words[] = {
		REFERRAL_HOME_OFFER, REFERRAL_HOME_REFER, NULL
	};
	const char *attribute = dir->set->home_login_attribute;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	int word, found = -1;

	referral_ldap_entry_get_values(entry, attribute, &values);
	array_foreach(&values, value) {
		word = referral_entry_value_find(value, words);
		if (word < 0) {
			referral_value_log_skip(dir->log, entry->dn, attribute,
				value->data, "expected refer or offer");
		}
		found = I_MAX(found, word);
	}
	return found < 0 ? NULL : words[found];
}

/* Get the home servers that an entry names. Returns 1 if there are any, 0 if it
   names none, -1 if none of them is usable. */
static int
home_entry_parse(struct referral_directory *dir,
		 const struct referral_ldap_entry *entry, string_t *value_r)
{
	ARRAY_TYPE(referral_ldap_value) servers;
	const char *login;

	if (referral_entry_get_servers(entry, dir->set->home_attribute,
				       dir->set->default_port, dir->log,
				       &servers) == 0)
		return 0;
	if (array_count(&servers) == 0)
		return -1;
	if ((login = home_entry_get_login(dir, entry)) != NULL)
		str_printfa(value_r, "%s ", login);
	referral_ldap_values_sort(&servers);
	referral_ldap_values_append(value_r, &servers);
	return 1;
}

static void
home_result_parse(struct referral_home_lookup *lookup,
		  struct referral_ldap_result *ldap_result,
		  struct referral_directory_result *result_r)
{
	struct referral_directory *dir = lookup->dir;
	struct referral_ldap_entry entry, entry2;
	string_t *value = t_str_new(128);

	i_zero(result_r);
	if (ldap_result->error != NULL) {
		result_r->ret = -1;
		result_r->error = ldap_result->error;
		return;
	}
	if (!referral_ldap_result_next(ldap_result, &entry)) {
		/* no such user */
		result_r->ret = 0;
	} else if (referral_ldap_result_next(ldap_result, &entry2)) {
		result_r->ret = -1;
		result_r->error = t_strdup_printf(
			"referral_ldap_home_filter finds several entries for "
			"one user, at least %s and %s",
			str_sanitize(entry.dn, 256),
			str_sanitize(entry2.dn, 256));
	} else {
		result_r->ret = home_entry_parse(dir, &entry, value);
		result_r->value = str_c(value);
		result_r->error = "The entry names no usable home server";
	}
	if (result_r->ret >= 0) {
		referral_home_cache_add(dir->homes, lookup->user,
			result_r->ret > 0 ? result_r->value : NULL);
	}
}

static void
home_search_callback(struct referral_ldap_result *ldap_result,
		     struct referral_home_lookup *lookup)
{
	struct referral_directory_result result;

	home_result_parse(lookup, ldap_result, &result);
	lookup->callback(&result, lookup->context);
	i_free(lookup->user);
	i_free(lookup);
}

static void
home_lookup(struct referral_directory *dir, const char *user,
	    referral_directory_callback_t *callback, void *context)
{
	const char *const attributes[] = {
		dir->set->home_attribute, dir->set->home_login_attribute, NULL
	};
	struct referral_directory_result result;
	struct referral_home_lookup *lookup;

	i_zero(&result);
	if (referral_home_cache_lookup(dir->homes, user, &result.value)) {
		result.ret = result.value != NULL ? 1 : 0;
		callback(&result, context);
		return;
	}

	lookup = i_new(struct referral_home_lookup, 1);
	lookup->dir = dir;
	lookup->user = i_strdup(user);
	lookup->callback = callback;
	lookup->context = context;

	const struct referral_ldap_search search = {
		.base = dir->set->home_base,
		.scope = dir->set->home_scope,
		.filter = referral_ldap_template_expand(dir->set->home_filter,
							user),
		.attributes = attributes,
		/* the second one is one too many */
		.size_limit = 2,
	};
	referral_ldap_connection_search(dir->conn, &search,
					home_search_callback, lookup);
}

/*
 * Maps
 */

#undef referral_directory_get_map
void referral_directory_get_map(struct referral_directory *dir,
				referral_map_callback_t *callback,
				void *context)
{
	(referral_map_keeper_get)(dir->mailboxes, callback, context);
}

typedef void
referral_map_lookup_func_t(struct referral_map *map, const char *name,
			   struct referral_directory_result *result);

struct referral_map_lookup {
	referral_map_lookup_func_t *func;
	char *name;
	referral_directory_callback_t *callback;
	void *context;
};

static void
map_lookup_mailbox(struct referral_map *map, const char *name,
		   struct referral_directory_result *result)
{
	result->ret = referral_mailbox_map_lookup(map, name, &result->value);
	result->error = "The directory names no usable location";
}

static void
map_lookup_shares(struct referral_map *map, const char *server,
		  struct referral_directory_result *result)
{
	result->ret = referral_mailbox_map_has_server(map, server) ? 1 : 0;
	result->value = t_strdup_printf("imap://%s/", server);
}

static void
map_lookup_server(struct referral_map *map, const char *server,
		  struct referral_directory_result *result)
{
	result->ret = referral_server_map_lookup(map, server, &result->value);
	result->error = "The server's state is unknown";
}

static void
map_lookup_callback(struct referral_map *map, const char *error,
		    struct referral_map_lookup *lookup)
{
	struct referral_directory_result result;

	i_zero(&result);
	if (map == NULL) {
		result.ret = -1;
		result.error = error;
	} else
		lookup->func(map, lookup->name, &result);
	lookup->callback(&result, lookup->context);
	i_free(lookup->name);
	i_free(lookup);
}

static void
map_lookup(struct referral_map_keeper *keeper, referral_map_lookup_func_t *func,
	   const char *name, referral_directory_callback_t *callback,
	   void *context)
{
	struct referral_map_lookup *lookup;

	lookup = i_new(struct referral_map_lookup, 1);
	lookup->func = func;
	lookup->name = i_strdup(name);
	lookup->callback = callback;
	lookup->context = context;
	referral_map_keeper_get(keeper, map_lookup_callback, lookup);
}

/*
 * Directory
 */

#undef referral_directory_lookup
void referral_directory_lookup(struct referral_directory *dir,
			       enum referral_key_type type, const char *name,
			       referral_directory_callback_t *callback,
			       void *context)
{
	if (!dir->load_started) {
		/* Before somebody waits for it, but not in processes that only
		   open all dicts, as Dovecot 2.4's dict-expire does. */
		dir->load_started = TRUE;
		referral_map_keeper_start(dir->mailboxes);
	}
	switch (type) {
	case REFERRAL_KEY_TYPE_HOME:
		home_lookup(dir, name, callback, context);
		break;
	case REFERRAL_KEY_TYPE_MAILBOX:
		map_lookup(dir->mailboxes, map_lookup_mailbox, name,
			   callback, context);
		break;
	case REFERRAL_KEY_TYPE_SHARES:
		map_lookup(dir->mailboxes, map_lookup_shares, name,
			   callback, context);
		break;
	case REFERRAL_KEY_TYPE_SERVER:
		map_lookup(dir->servers, map_lookup_server, name,
			   callback, context);
		break;
	}
}

struct referral_directory *
referral_directory_init(const struct referral_ldap_settings *set,
			const char *base_dir, struct event *event_parent)
{
	struct referral_directory *dir;
	struct referral_load load;

	dir = i_new(struct referral_directory, 1);
	dir->set = set;
	dir->event = event_create(event_parent);
	event_set_append_log_prefix(dir->event, "referral-ldap: ");
	dir->conn = referral_ldap_connection_init(set, base_dir, dir->event);
	dir->log = referral_value_log_init(dir->event);
	dir->homes = referral_home_cache_init(set->home_cache_size,
					      set->home_ttl_msecs,
					      set->home_negative_ttl_msecs);
	referral_mailbox_load_get(set, &load);
	dir->mailboxes = referral_map_keeper_init(dir->conn, set, &load,
						  set->mailbox_refresh_msecs,
						  dir->log, dir->event);
	dir->servers_conn = referral_ldap_connection_init(set, base_dir,
							  dir->event);
	referral_server_load_get(set, &load);
	dir->servers = referral_map_keeper_init(dir->servers_conn, set, &load,
						set->server_refresh_msecs,
						dir->log, dir->event);
	return dir;
}

void referral_directory_abort(struct referral_directory *dir)
{
	referral_map_keeper_stop(dir->mailboxes);
	referral_map_keeper_stop(dir->servers);
	referral_ldap_connection_abort(dir->conn);
	referral_ldap_connection_abort(dir->servers_conn);
}

void referral_directory_deinit(struct referral_directory **_dir)
{
	struct referral_directory *dir = *_dir;

	*_dir = NULL;
	/* fails the searches, and with them all lookups; their callbacks may
	   start others, on either connection */
	referral_directory_abort(dir);
	referral_ldap_connection_deinit(&dir->conn);
	referral_ldap_connection_deinit(&dir->servers_conn);
	referral_map_keeper_deinit(&dir->mailboxes);
	referral_map_keeper_deinit(&dir->servers);
	referral_home_cache_deinit(&dir->homes);
	referral_value_log_deinit(&dir->log);
	event_unref(&dir->event);
	i_free(dir);
}
