/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-home.h"
#include "referral-home-live.h"
#include "referral-mailbox-load.h"
#include "referral-mailbox-map.h"
#include "referral-reader.h"
#include "referral-reader-cache.h"
#include "referral-server-load.h"
#include "referral-server-map.h"
#include "referral-status.h"
#include "referral-value-log.h"
#include "referral-directory.h"

struct referral_directory {
	const struct referral_ldap_settings *set;
	struct event *event;

	struct referral_ldap_connection *conn;
	struct referral_value_log *log;
	struct referral_homes *homes;
	/* NULL: they expire, nothing else */
	struct referral_home_live *homes_live;
	/* NULL: everybody sees all mailboxes */
	struct referral_reader_cache *readers;
	struct referral_map_keeper *mailboxes;
	/* Loaded when it is asked for: not everybody has them listed. On a
	   connection of its own: OpenLDAP keeps one cookie for each, so that
	   of two loads in pages the second one would end the first one. */
	struct referral_map_keeper *servers;
	struct referral_ldap_connection *servers_conn;

	uintmax_t requests;
	struct referral_directory_counters counters;

	bool load_started;
};

typedef void
referral_map_lookup_func_t(struct referral_map *map, const char *name,
			   const struct referral_reader *reader,
			   struct referral_directory_result *result);

/* A lookup that is counted when it is finished. */
struct referral_directory_lookup {
	struct referral_directory *dir;
	/* Set as long as the function that started it has not returned: the
	   answer was there already, then. */
	bool *finished;
	referral_directory_callback_t *callback;
	void *context;

	/* Those that are answered by a map */
	struct referral_map_keeper *keeper;
	referral_map_lookup_func_t *func;
	char *name;
	/* Who asks for mailboxes, if not all are there for everybody */
	struct referral_reader *reader;
	bool reader_stale;
	/* Somebody who wants the map itself, instead of callback */
	referral_directory_map_callback_t *map_callback;
};

/*
 * Lookups
 */

static struct referral_directory_lookup *
lookup_init(struct referral_directory *dir)
{
	struct referral_directory_lookup *lookup;

	if (!dir->load_started) {
		/* Before somebody waits for it, but not in processes that only
		   open all dicts, as Dovecot 2.4's dict-expire does. */
		dir->load_started = TRUE;
		referral_map_keeper_start(dir->mailboxes);
		if (dir->homes_live != NULL)
			referral_home_live_start(dir->homes_live);
	}
	dir->requests++;
	lookup = i_new(struct referral_directory_lookup, 1);
	lookup->dir = dir;
	return lookup;
}

static void lookup_free(struct referral_directory_lookup *lookup)
{
	referral_reader_unref(&lookup->reader);
	i_free(lookup->name);
	i_free(lookup);
}

static void
lookup_home_callback(const struct referral_directory_result *result,
		     struct referral_directory_lookup *lookup)
{
	referral_directory_result_count(result, &lookup->dir->counters);
	lookup->callback(result, lookup->context);
	lookup_free(lookup);
}

static void
lookup_home(struct referral_directory *dir, const char *user,
	    referral_directory_callback_t *callback, void *context)
{
	struct referral_directory_lookup *lookup = lookup_init(dir);

	lookup->callback = callback;
	lookup->context = context;
	referral_homes_lookup(dir->homes, user, lookup_home_callback, lookup);
}

static void
lookup_map_finish(struct referral_directory_lookup *lookup,
		  struct referral_map *map, const char *error)
{
	struct referral_directory_result result;
	struct referral_map_status status;

	i_zero(&result);
	if (map == NULL) {
		result.ret = -1;
		result.error = error;
	} else {
		referral_map_keeper_get_status(lookup->keeper, &status);
		result.stale = status.stale || lookup->reader_stale;
		result.cached = lookup->finished != NULL;
		if (lookup->func != NULL) {
			lookup->func(map, lookup->name, lookup->reader,
				     &result);
		}
	}
	referral_directory_result_count(&result, &lookup->dir->counters);
	if (lookup->finished != NULL)
		*lookup->finished = TRUE;
	if (lookup->map_callback != NULL) {
		lookup->map_callback(map, lookup->reader, error,
				     lookup->context);
	} else
		lookup->callback(&result, lookup->context);
	lookup_free(lookup);
}

static void
lookup_map_callback(struct referral_map *map, const char *error,
		    struct referral_directory_lookup *lookup);

static void
lookup_reader_callback(struct referral_reader *reader, bool stale,
		       const char *error,
		       struct referral_directory_lookup *lookup)
{
	if (reader == NULL) {
		/* neither there nor not there */
		lookup_map_finish(lookup, NULL, error);
		return;
	}
	referral_reader_unref(&lookup->reader);
	lookup->reader = reader;
	referral_reader_ref(reader);
	lookup->reader_stale = stale;
	/* it may be another one by now */
	referral_map_keeper_get(lookup->keeper, lookup_map_callback, lookup);
}

static void
lookup_map_callback(struct referral_map *map, const char *error,
		    struct referral_directory_lookup *lookup)
{
	if (map != NULL && lookup->reader != NULL &&
	    referral_mailbox_map_needs_dns(map, lookup->name,
					   lookup->reader)) {
		referral_reader_cache_get(lookup->dir->readers,
			referral_reader_get_user(lookup->reader),
			lookup_reader_callback, lookup);
	} else
		lookup_map_finish(lookup, map, error);
}

static void lookup_map_start(struct referral_directory_lookup *lookup)
{
	bool finished = FALSE;

	lookup->finished = &finished;
	referral_map_keeper_get(lookup->keeper, lookup_map_callback, lookup);
	if (!finished)
		lookup->finished = NULL;
}

static void
lookup_map(struct referral_directory *dir, struct referral_map_keeper *keeper,
	   referral_map_lookup_func_t *func, const char *name,
	   struct referral_reader *reader,
	   referral_directory_callback_t *callback, void *context)
{
	struct referral_directory_lookup *lookup = lookup_init(dir);

	lookup->reader = reader;
	lookup->keeper = keeper;
	lookup->func = func;
	lookup->name = i_strdup(name);
	lookup->callback = callback;
	lookup->context = context;
	lookup_map_start(lookup);
}

/*
 * Maps
 */

static struct referral_reader *
directory_reader_init(struct referral_directory *dir, const char *asker)
{
	return dir->readers == NULL ? NULL : referral_reader_init(asker);
}

static void
map_lookup_mailbox(struct referral_map *map, const char *name,
		   const struct referral_reader *reader,
		   struct referral_directory_result *result)
{
	result->ret = referral_mailbox_map_lookup_for(map, name, reader,
						      &result->value);
	result->error = "The directory names no usable location";
}

static void
map_lookup_shares(struct referral_map *map, const char *server,
		  const struct referral_reader *reader ATTR_UNUSED,
		  struct referral_directory_result *result)
{
	result->ret = referral_mailbox_map_has_server(map, server) ? 1 : 0;
	result->value = t_strdup_printf("imap://%s/", server);
}

static void
map_lookup_server(struct referral_map *map, const char *server,
		  const struct referral_reader *reader ATTR_UNUSED,
		  struct referral_directory_result *result)
{
	result->ret = referral_server_map_lookup(map, server, &result->value);
	result->error = "The server's state is unknown";
}

#undef referral_directory_get_map
void referral_directory_get_map(struct referral_directory *dir,
				const char *asker,
				referral_directory_map_callback_t *callback,
				void *context)
{
	struct referral_directory_lookup *lookup = lookup_init(dir);

	lookup->reader = directory_reader_init(dir, asker);
	lookup->keeper = dir->mailboxes;
	lookup->map_callback = callback;
	lookup->context = context;
	lookup_map_start(lookup);
}

/*
 * Status
 */

/* What is asked of us, not of the directory. */
static void
answer(const char *value, referral_directory_callback_t *callback,
       void *context)
{
	const struct referral_directory_result result = {
		.ret = 1, .value = value,
	};

	callback(&result, context);
}

static const char *directory_status(struct referral_directory *dir)
{
	struct referral_ldap_status ldap_status;
	struct referral_status status;

	i_zero(&status);
	referral_ldap_connection_get_status(dir->conn, &ldap_status);
	status.server = ldap_status.uri;
	status.state = ldap_status.state;
	referral_ldap_connection_get_status(dir->servers_conn, &ldap_status);
	status.servers_server = ldap_status.uri;
	status.servers_state = ldap_status.state;
	status.requests = dir->requests;
	status.counters = dir->counters;
	status.homes = referral_homes_count(dir->homes);
	status.homes_live = dir->homes_live != NULL &&
		referral_home_live_is_live(dir->homes_live);
	status.searches = referral_homes_search_count(dir->homes);
	referral_map_keeper_get_status(dir->mailboxes, &status.mailboxes);
	referral_map_keeper_get_status(dir->servers, &status.servers);
	return referral_status_write(&status);
}

static const char *directory_flush(struct referral_directory *dir)
{
	unsigned int homes = referral_homes_flush(dir->homes);
	bool mailboxes = referral_map_keeper_reload(dir->mailboxes);
	bool servers = referral_map_keeper_reload(dir->servers);

	if (dir->readers != NULL)
		referral_reader_cache_flush(dir->readers);
	return t_strdup_printf("homes=%u mailboxes=%s servers=%s", homes,
			       mailboxes ? "reload" : "-",
			       servers ? "reload" : "-");
}

/*
 * Directory
 */

#undef referral_directory_lookup
void referral_directory_lookup(struct referral_directory *dir,
			       const char *asker,
			       enum referral_key_type type, const char *name,
			       referral_directory_callback_t *callback,
			       void *context)
{
	switch (type) {
	case REFERRAL_KEY_TYPE_HOME:
		lookup_home(dir, name, callback, context);
		break;
	case REFERRAL_KEY_TYPE_MAILBOX:
		lookup_map(dir, dir->mailboxes, map_lookup_mailbox, name,
			   directory_reader_init(dir, asker),
			   callback, context);
		break;
	case REFERRAL_KEY_TYPE_SHARES:
		lookup_map(dir, dir->mailboxes, map_lookup_shares, name, NULL,
			   callback, context);
		break;
	case REFERRAL_KEY_TYPE_SERVER:
		lookup_map(dir, dir->servers, map_lookup_server, name, NULL,
			   callback, context);
		break;
	case REFERRAL_KEY_TYPE_STATUS:
		answer(directory_status(dir), callback, context);
		break;
	case REFERRAL_KEY_TYPE_FLUSH:
		answer(directory_flush(dir), callback, context);
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
	dir->homes = referral_homes_init(dir->conn, set, dir->log, dir->event);
	if (set->live == REFERRAL_LDAP_LIVE_ALL) {
		dir->homes_live = referral_home_live_init(dir->conn, set,
							  dir->homes,
							  dir->event);
	}
	if (set->readers != 0) {
		dir->readers = referral_reader_cache_init(dir->conn, set,
							  dir->event);
	}
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
	referral_homes_stop(dir->homes);
	if (dir->readers != NULL)
		referral_reader_cache_stop(dir->readers);
	if (dir->homes_live != NULL)
		referral_home_live_stop(dir->homes_live);
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
	if (dir->homes_live != NULL)
		referral_home_live_deinit(&dir->homes_live);
	referral_homes_deinit(&dir->homes);
	if (dir->readers != NULL)
		referral_reader_cache_deinit(&dir->readers);
	referral_value_log_deinit(&dir->log);
	event_unref(&dir->event);
	i_free(dir);
}
