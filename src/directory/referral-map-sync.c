/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-loader.h"
#include "referral-map.h"
#include "referral-map-sync.h"

struct referral_map_sync {
	const struct referral_ldap_settings *set;
	struct referral_load load;
	struct referral_value_log *log;
	struct referral_map_sync_callbacks callbacks;
	void *context;

	struct referral_sync *sync;
	/* As it was after the last refresh, with the changes since then. NULL:
	   there was none */
	struct referral_map *map;
	/* What a refresh has brought so far; NULL: there is none. It will take
	   the map's place if everything comes, else it is applied to it. */
	struct referral_map *coming;
	bool everything;
	/* Entries in "coming", also those that came twice */
	unsigned int came;
};

static void map_sync_begin(bool everything, void *context)
{
	struct referral_map_sync *sync = context;

	i_assert(everything || sync->map != NULL);
	referral_map_unref(&sync->coming);
	sync->coming = sync->load.map_init();
	sync->everything = everything;
	sync->came = 0;
	if (!everything)
		referral_map_unmark(sync->map);
}

/* Bounded while it comes, whatever the server sends. Returns FALSE if it is
   not: then it has ended. */
static bool
map_sync_check_limit(struct referral_map_sync *sync,
		     const struct referral_map *map)
{
	const char *error;

	if (referral_map_count(map) <= sync->load.limit)
		return TRUE;
	error = referral_load_limit_error(&sync->load);
	referral_map_sync_stop(sync);
	sync->callbacks.end(REFERRAL_SYNC_END_REFUSED, error, sync->context);
	return FALSE;
}

static void
map_sync_entry(const struct referral_ldap_entry *entry, const guid_128_t uuid,
	       void *context)
{
	struct referral_map_sync *sync = context;
	struct referral_map *map =
		sync->coming != NULL ? sync->coming : sync->map;

	if (sync->coming != NULL && !sync->everything) {
		/* what it said before is over, also if it says nothing now */
		referral_map_mark_entry(sync->map, uuid,
					REFERRAL_MAP_MARK_GONE);
	}
	referral_map_entry_begin(map, uuid);
	T_BEGIN {
		sync->load.add_entry(map, sync->set, sync->log, entry);
	} T_END;
	referral_map_entry_end(map);
	sync->came++;
	if (map_sync_check_limit(sync, map) && sync->coming == NULL)
		sync->callbacks.changed(sync->context);
}

static void map_sync_present(const guid_128_t uuid, void *context)
{
	struct referral_map_sync *sync = context;

	if (!sync->everything) {
		referral_map_mark_entry(sync->map, uuid,
					REFERRAL_MAP_MARK_PRESENT);
	}
}

static void map_sync_gone(const guid_128_t uuid, void *context)
{
	struct referral_map_sync *sync = context;

	if (sync->coming == NULL) {
		referral_map_remove_entry(sync->map, uuid);
		sync->callbacks.changed(sync->context);
		return;
	}
	referral_map_remove_entry(sync->coming, uuid);
	if (!sync->everything) {
		referral_map_mark_entry(sync->map, uuid,
					REFERRAL_MAP_MARK_GONE);
	}
}

/* slapd takes a cookie that it cannot read for none, and sends everything
   without saying so: then nobody would tell what is gone. It cannot be told
   from very many changes, after which everything may come again just as
   well. */
static bool
map_sync_is_suspicious(const struct referral_map_sync *sync, bool only_present)
{
	return !sync->everything && !only_present && sync->came > 0 &&
		sync->came >= referral_map_entry_count(sync->map) / 2;
}

static void map_sync_refreshed(bool only_present, void *context)
{
	struct referral_map_sync *sync = context;
	struct referral_map *coming = sync->coming;

	if (map_sync_is_suspicious(sync, only_present)) {
		referral_sync_stop(sync->sync);
		referral_sync_forget(sync->sync);
		referral_sync_start(sync->sync);
		return;
	}
	sync->coming = NULL;
	if (sync->everything) {
		referral_map_finish(coming);
		referral_map_unref(&sync->map);
		sync->map = coming;
	} else {
		referral_map_apply(sync->map, only_present, coming);
		referral_map_unref(&coming);
	}
	if (map_sync_check_limit(sync, sync->map))
		sync->callbacks.refreshed(sync->map, sync->context);
}

static void
map_sync_end(enum referral_sync_end reason, const char *error, void *context)
{
	struct referral_map_sync *sync = context;

	referral_map_unref(&sync->coming);
	sync->callbacks.end(reason, error, sync->context);
}

void referral_map_sync_start(struct referral_map_sync *sync)
{
	referral_sync_start(sync->sync);
}

void referral_map_sync_stop(struct referral_map_sync *sync)
{
	referral_sync_stop(sync->sync);
	referral_sync_forget(sync->sync);
	referral_map_unref(&sync->coming);
	referral_map_unref(&sync->map);
}

bool referral_map_sync_is_running(const struct referral_map_sync *sync)
{
	return referral_sync_is_running(sync->sync);
}

bool referral_map_sync_is_live(const struct referral_map_sync *sync)
{
	return referral_sync_is_live(sync->sync);
}

struct referral_map_sync *
referral_map_sync_init(struct referral_ldap_connection *conn,
		       const struct referral_ldap_settings *set,
		       const struct referral_load *load,
		       struct referral_value_log *log,
		       const struct referral_map_sync_callbacks *callbacks,
		       void *context)
{
	static const struct referral_sync_callbacks sync_callbacks = {
		.begin = map_sync_begin,
		.entry = map_sync_entry,
		.present = map_sync_present,
		.gone = map_sync_gone,
		.refreshed = map_sync_refreshed,
		.end = map_sync_end,
	};
	struct referral_map_sync *sync;

	sync = i_new(struct referral_map_sync, 1);
	sync->set = set;
	sync->load = *load;
	sync->log = log;
	sync->callbacks = *callbacks;
	sync->context = context;
	T_BEGIN {
		struct referral_ldap_search search;

		referral_load_get_search(load, &search);
		sync->sync = referral_sync_init(conn, &search,
						set->timeout_msecs,
						&sync_callbacks, sync);
	} T_END;
	return sync;
}

void referral_map_sync_deinit(struct referral_map_sync **_sync)
{
	struct referral_map_sync *sync = *_sync;

	*_sync = NULL;
	referral_map_sync_stop(sync);
	referral_sync_deinit(&sync->sync);
	i_free(sync);
}
