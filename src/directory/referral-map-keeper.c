/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-ldap-settings.h"
#include "referral-loader.h"
#include "referral-map.h"
#include "referral-map-sync.h"
#include "referral-map-waiters.h"
#include "referral-stale.h"
#include "referral-status.h"
#include "referral-map-keeper.h"

/* After a failure it is tried again after that long, which doubles each time
   until it is as long as between two loads. */
#define REFERRAL_MAP_RETRY_MSECS 250
/* The same for live searches that a server does not do. */
#define REFERRAL_MAP_LIVE_RETRY_MAX_MSECS (3600*1000)
/* Connections are lost now and then: that there are no live updates is logged
   when so many attempts have ended with that. */
#define REFERRAL_MAP_LIVE_MAX_LOST 3
/* A live search that ends is not begun again at once more often than that. */
#define REFERRAL_MAP_RESYNC_INTERVAL_MSECS 1000

struct referral_map_keeper {
	const struct referral_ldap_settings *set;
	const char *what;
	unsigned int refresh_msecs;
	struct event *event;

	struct referral_loader *loader;
	/* NULL: no live updates are wanted */
	struct referral_map_sync *live;
	struct referral_stale *stale;
	struct referral_map_waiters *waiters;

	/* What was known last; NULL: nothing, ever, or the directory has said
	   that it does not tell. */
	struct referral_map *map;
	/* When the directory last said what is in it */
	struct timeval synced;
	/* The map is right, as far as is known. If not, it is answered only
	   while it may be stale. */
	bool current;

	/* Begins the next attempt. */
	struct timeout *to_next;
	unsigned int retry_msecs;
	/* No live search is tried before that, after this wait */
	struct timeval live_next;
	unsigned int live_retry_msecs;
	/* There is one, or was until a moment ago. */
	bool was_live;
	/* When one was begun again at once */
	struct timeval last_resync;
	/* How many were lost since there was one */
	unsigned int live_lost_count;
	/* Why there is none, to be logged when loading works: if it does not,
	   that is what has to be said. */
	char *live_error;
	bool live_error_logged;

	/* Some load was begun. */
	bool started;
	/* What is being loaded is too old: load it once more. */
	bool load_again;
	bool load_failed;
	bool stopped;
};

/* The map for an answer that has to be given now; NULL: there is none that may
   be used. */
static struct referral_map *keeper_use_map(struct referral_map_keeper *keeper)
{
	if (keeper->map == NULL)
		return NULL;
	return keeper->current ||
		referral_stale_use(keeper->stale, &keeper->synced) ?
		keeper->map : NULL;
}

/* Give those who wait the map, or what may be given in its place. */
static void
keeper_finish_waiters(struct referral_map_keeper *keeper, const char *error)
{
	if (referral_map_waiters_is_empty(keeper->waiters))
		return;
	referral_map_waiters_finish(keeper->waiters, keeper_use_map(keeper),
				    error);
}

/*
 * Attempts to know what is in the directory
 */

static bool keeper_is_trying(const struct referral_map_keeper *keeper)
{
	return referral_loader_is_loading(keeper->loader) ||
		(keeper->live != NULL &&
		 referral_map_sync_is_running(keeper->live) &&
		 !referral_map_sync_is_live(keeper->live));
}

static bool keeper_is_live(const struct referral_map_keeper *keeper)
{
	return keeper->live != NULL && referral_map_sync_is_live(keeper->live);
}

static bool keeper_wants_live(const struct referral_map_keeper *keeper)
{
	return keeper->live != NULL && !keeper->stopped &&
		timeval_cmp(&ioloop_timeval, &keeper->live_next) >= 0;
}

/* Does nothing if one is going on. May be finished before this returns. */
static void keeper_try(struct referral_map_keeper *keeper)
{
	timeout_remove(&keeper->to_next);
	keeper->started = TRUE;
	if (keeper_is_trying(keeper) || keeper_is_live(keeper))
		return;
	if (keeper_wants_live(keeper))
		referral_map_sync_start(keeper->live);
	else
		referral_loader_start(keeper->loader);
}

/* Not all who have lost the same server at the same time come back at the same
   time. */
static unsigned int with_jitter(unsigned int msecs)
{
	return msecs / 4 * 3 + i_rand_limit(msecs / 2 + 1);
}

static unsigned int wait_longer(unsigned int msecs, unsigned int first_msecs,
				unsigned int max_msecs)
{
	return msecs == 0 ? I_MIN(first_msecs, max_msecs) :
		I_MIN(msecs * 2, max_msecs);
}

static void
keeper_try_later(struct referral_map_keeper *keeper, unsigned int msecs)
{
	timeout_remove(&keeper->to_next);
	if (!keeper->stopped)
		keeper->to_next = timeout_add(msecs, keeper_try, keeper);
}

/* The next load, or earlier, when a live search is due. */
static void keeper_refresh_later(struct referral_map_keeper *keeper)
{
	long long msecs = keeper->refresh_msecs;

	if (keeper->live != NULL) {
		msecs = I_MIN(msecs, timeval_diff_usecs(&keeper->live_next,
						&ioloop_timeval) / 1000 + 1);
	}
	keeper_try_later(keeper, I_MAX(msecs, 1));
}

/* Once for each time that it begins or ends to fail. */
static void
keeper_log_loaded(struct referral_map_keeper *keeper, const char *error)
{
	bool failed = error != NULL;

	if (failed == keeper->load_failed || keeper->stopped)
		return;
	keeper->load_failed = failed;
	if (failed) {
		e_error(keeper->event, "Loading the %s failed: %s",
			keeper->what, error);
	} else {
		e_info(keeper->event, "Loading the %s works again: %u found",
		       keeper->what, referral_map_count(keeper->map));
	}
}

static void
keeper_known(struct referral_map_keeper *keeper, struct referral_map *map)
{
	if (keeper->map != map) {
		referral_map_unref(&keeper->map);
		keeper->map = map;
		referral_map_ref(map);
	}
	keeper->synced = ioloop_timeval;
	keeper->current = TRUE;
	keeper->retry_msecs = 0;
	referral_stale_answered(keeper->stale);
	keeper_log_loaded(keeper, NULL);
}

/* There is no reason any more for having none. */
static void keeper_live_reset(struct referral_map_keeper *keeper)
{
	keeper->live_retry_msecs = 0;
	keeper->live_lost_count = 0;
	i_free(keeper->live_error);
}

static void
keeper_failed(struct referral_map_keeper *keeper, const char *error,
	      bool refused)
{
	keeper->current = FALSE;
	if (refused) {
		referral_stale_answered(keeper->stale);
		referral_map_unref(&keeper->map);
		if (keeper->live != NULL)
			referral_map_sync_stop(keeper->live);
	} else {
		referral_stale_failed(keeper->stale, error);
		/* as soon as it can be asked again, ask in that way */
		if (keeper->live_lost_count > 0) {
			i_zero(&keeper->live_next);
			keeper_live_reset(keeper);
		}
	}
	keeper_log_loaded(keeper, error);
	keeper->retry_msecs = wait_longer(keeper->retry_msecs,
					  REFERRAL_MAP_RETRY_MSECS,
					  keeper->refresh_msecs);
	keeper_try_later(keeper, with_jitter(keeper->retry_msecs));
	keeper_finish_waiters(keeper, error);
}

/*
 * Live
 */

static void
keeper_live_refreshed(struct referral_map *map, void *context)
{
	struct referral_map_keeper *keeper = context;

	if (keeper->live_error_logged) {
		e_info(keeper->event, "Live updates of the %s work again",
		       keeper->what);
	}
	keeper->live_error_logged = FALSE;
	keeper->was_live = TRUE;
	keeper_live_reset(keeper);
	timeout_remove(&keeper->to_next);
	keeper_known(keeper, map);
	keeper_finish_waiters(keeper, NULL);
}

static void keeper_live_changed(void *context)
{
	struct referral_map_keeper *keeper = context;

	keeper->synced = ioloop_timeval;
}

static const char *
keeper_live_remedy(const struct referral_map_keeper *keeper,
		   enum referral_sync_end reason)
{
	switch (reason) {
	case REFERRAL_SYNC_END_UNSUPPORTED:
		return " - the server needs the overlay syncprov, or "
			"referral_ldap_live = no";
	case REFERRAL_SYNC_END_SIZE_LIMIT:
		return t_strdup_printf(" - the server's size limit for '%s' "
			"has to be raised (slapd.conf: limits "
			"dn.exact=... size=unlimited)", keeper->set->bind_dn);
	case REFERRAL_SYNC_END_REFUSED:
	case REFERRAL_SYNC_END_GARBAGE:
	case REFERRAL_SYNC_END_LOST:
		break;
	}
	return "";
}

static bool keeper_may_resync(const struct referral_map_keeper *keeper)
{
	long long usecs;

	if (keeper->last_resync.tv_sec == 0)
		return TRUE;
	usecs = timeval_diff_usecs(&ioloop_timeval, &keeper->last_resync);
	return usecs < 0 || usecs / 1000 >= REFERRAL_MAP_RESYNC_INTERVAL_MSECS;
}

static void
keeper_live_end(enum referral_sync_end reason, const char *error,
		void *context)
{
	struct referral_map_keeper *keeper = context;
	bool lost = reason == REFERRAL_SYNC_END_LOST;

	if (keeper->stopped) {
		keeper_finish_waiters(keeper, error);
		return;
	}
	if (keeper->was_live) {
		/* until now it was right */
		keeper->synced = ioloop_timeval;
		keeper->was_live = FALSE;
		if (lost && keeper_may_resync(keeper)) {
			/* servers are restarted: see what has changed */
			keeper->last_resync = ioloop_timeval;
			keeper_try(keeper);
			return;
		}
	}

	keeper->live_lost_count = lost ? keeper->live_lost_count + 1 : 0;
	i_free(keeper->live_error);
	keeper->live_error = i_strconcat(error,
		keeper_live_remedy(keeper, reason), NULL);
	keeper->live_retry_msecs = wait_longer(keeper->live_retry_msecs,
		lost ? REFERRAL_MAP_RETRY_MSECS : keeper->refresh_msecs,
		lost ? keeper->refresh_msecs :
		REFERRAL_MAP_LIVE_RETRY_MAX_MSECS);
	keeper->live_next = ioloop_timeval;
	timeval_add_msecs(&keeper->live_next,
			  with_jitter(keeper->live_retry_msecs));
	keeper_try(keeper);
}

static void keeper_log_live(struct referral_map_keeper *keeper)
{
	if (keeper->live_error == NULL || keeper->live_error_logged ||
	    keeper->stopped)
		return;
	if (keeper->live_lost_count > 0 &&
	    keeper->live_lost_count < REFERRAL_MAP_LIVE_MAX_LOST)
		return;
	keeper->live_error_logged = TRUE;
	e_info(keeper->event, "No live updates of the %s, loading them every "
	       "%u s instead: %s", keeper->what, keeper->refresh_msecs / 1000,
	       keeper->live_error);
}

/*
 * Timed
 */

static void
keeper_loaded(struct referral_map *map, const char *error,
	      struct referral_map_keeper *keeper)
{
	if (keeper->load_again && !keeper->stopped) {
		keeper->load_again = FALSE;
		referral_map_unref(&map);
		keeper_try(keeper);
		return;
	}
	if (map == NULL) {
		keeper_failed(keeper, error,
			      referral_loader_is_refused(keeper->loader));
		return;
	}
	/* what it knew is older: next time, everything comes */
	if (keeper->live != NULL)
		referral_map_sync_stop(keeper->live);
	keeper_known(keeper, map);
	referral_map_unref(&map);
	keeper_log_live(keeper);
	keeper_refresh_later(keeper);
	keeper_finish_waiters(keeper, NULL);
}

/*
 * Keeper
 */

void referral_map_keeper_start(struct referral_map_keeper *keeper)
{
	if (!keeper->started)
		keeper_try(keeper);
}

bool referral_map_keeper_reload(struct referral_map_keeper *keeper)
{
	if (!keeper->started || keeper->stopped)
		return FALSE;
	keeper->current = FALSE;
	if (referral_loader_is_loading(keeper->loader)) {
		keeper->load_again = TRUE;
		return TRUE;
	}
	if (keeper->live != NULL)
		referral_map_sync_stop(keeper->live);
	keeper->was_live = FALSE;
	keeper_try(keeper);
	return TRUE;
}

void referral_map_keeper_get_status(const struct referral_map_keeper *keeper,
				    struct referral_map_status *status_r)
{
	i_zero(status_r);
	status_r->loaded = keeper->map != NULL;
	if (status_r->loaded) {
		status_r->live = keeper_is_live(keeper);
		status_r->stale = !keeper->current;
		status_r->count = referral_map_count(keeper->map);
		status_r->synced = keeper->synced;
	}
}

#undef referral_map_keeper_get
void referral_map_keeper_get(struct referral_map_keeper *keeper,
			     referral_map_callback_t *callback, void *context)
{
	struct referral_map *map = keeper_use_map(keeper);

	if (map != NULL) {
		callback(map, NULL, context);
		if (!keeper->current)
			keeper_try(keeper);
		return;
	}
	referral_map_waiters_add(keeper->waiters, callback, context);
	keeper_try(keeper);
}

struct referral_map_keeper *
referral_map_keeper_init(struct referral_ldap_connection *conn,
			 const struct referral_ldap_settings *set,
			 const struct referral_load *load,
			 unsigned int refresh_msecs,
			 struct referral_value_log *log, struct event *event)
{
	static const struct referral_map_sync_callbacks live_callbacks = {
		.refreshed = keeper_live_refreshed,
		.changed = keeper_live_changed,
		.end = keeper_live_end,
	};
	struct referral_map_keeper *keeper;

	keeper = i_new(struct referral_map_keeper, 1);
	keeper->set = set;
	keeper->what = load->what;
	keeper->refresh_msecs = refresh_msecs;
	keeper->event = event;
	keeper->stale = referral_stale_init(load->what, set->stale_time_msecs,
					    event);
	keeper->waiters = referral_map_waiters_init(load->what,
						    set->timeout_msecs);
	keeper->loader = referral_loader_init(conn, set, load, log,
					      keeper_loaded, keeper);
	if (set->live != REFERRAL_LDAP_LIVE_NO) {
		keeper->live = referral_map_sync_init(conn, set, load, log,
						      &live_callbacks, keeper);
	}
	return keeper;
}

void referral_map_keeper_stop(struct referral_map_keeper *keeper)
{
	keeper->stopped = TRUE;
	referral_stale_stop(keeper->stale);
}

void referral_map_keeper_deinit(struct referral_map_keeper **_keeper)
{
	struct referral_map_keeper *keeper = *_keeper;

	*_keeper = NULL;
	if (keeper->live != NULL)
		referral_map_sync_deinit(&keeper->live);
	referral_loader_deinit(&keeper->loader);
	referral_map_waiters_deinit(&keeper->waiters);
	timeout_remove(&keeper->to_next);
	referral_map_unref(&keeper->map);
	referral_stale_deinit(&keeper->stale);
	i_free(keeper->live_error);
	i_free(keeper);
}
