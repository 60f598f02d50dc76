/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "referral-ldap-settings.h"
#include "referral-loader.h"
#include "referral-map.h"
#include "referral-status.h"
#include "referral-map-keeper.h"

/* Somebody who waits for the map. */
struct referral_map_waiter {
	struct referral_map_waiter *prev, *next;
	struct referral_map_keeper *keeper;
	struct timeout *to;
	referral_map_callback_t *callback;
	void *context;
};

struct referral_map_keeper {
	const char *what;
	unsigned int timeout_msecs, refresh_msecs;
	struct event *event;

	struct referral_loader *loader;
	/* NULL if it was never loaded, or the last try failed: then we cannot
	   say that something is not in it. */
	struct referral_map *map;
	/* When it was loaded */
	struct timeval synced;
	struct timeout *to_refresh;
	struct referral_map_waiter *waiters_head, *waiters_tail;

	/* Some load was begun. */
	bool started;
	/* What is being loaded is too old: load it once more. */
	bool load_again;
	bool load_failed;
	bool stopped;
};

static void
waiter_finish(struct referral_map_waiter *waiter, struct referral_map *map,
	      const char *error)
{
	timeout_remove(&waiter->to);
	T_BEGIN {
		waiter->callback(map, error, waiter->context);
	} T_END;
	i_free(waiter);
}

static void waiter_timeout(struct referral_map_waiter *waiter)
{
	struct referral_map_keeper *keeper = waiter->keeper;

	DLLIST2_REMOVE(&keeper->waiters_head, &keeper->waiters_tail, waiter);
	waiter_finish(waiter, NULL,
		      t_strdup_printf("The %s are still being loaded",
				      keeper->what));
}

/* Once for each time that it begins or ends to fail. */
static void
keeper_log_loaded(struct referral_map_keeper *keeper, struct referral_map *map,
		  const char *error)
{
	bool failed = map == NULL;

	if (failed == keeper->load_failed || keeper->stopped)
		return;
	keeper->load_failed = failed;
	if (failed) {
		e_error(keeper->event, "Loading the %s failed: %s",
			keeper->what, error);
	} else {
		e_info(keeper->event, "Loading the %s works again: %u found",
		       keeper->what, referral_map_count(map));
	}
}

static void
keeper_loaded(struct referral_map *map, const char *error,
	      struct referral_map_keeper *keeper)
{
	struct referral_map_waiter *waiter;
	struct referral_map_waiter *head = keeper->waiters_head;
	struct referral_map_waiter *tail = keeper->waiters_tail;

	if (keeper->load_again && !keeper->stopped) {
		keeper->load_again = FALSE;
		referral_map_unref(&map);
		referral_map_keeper_start(keeper);
		return;
	}
	keeper_log_loaded(keeper, map, error);
	referral_map_unref(&keeper->map);
	keeper->map = map;
	keeper->synced = ioloop_timeval;
	timeout_remove(&keeper->to_refresh);
	if (!keeper->stopped) {
		keeper->to_refresh = timeout_add(keeper->refresh_msecs,
						 referral_map_keeper_start,
						 keeper);
	}

	if (map != NULL)
		referral_map_ref(map);
	/* Callbacks may add others, and these may fail at once. */
	keeper->waiters_head = keeper->waiters_tail = NULL;
	while ((waiter = head) != NULL) {
		DLLIST2_REMOVE(&head, &tail, waiter);
		waiter_finish(waiter, map, error);
	}
	referral_map_unref(&map);
}

void referral_map_keeper_start(struct referral_map_keeper *keeper)
{
	keeper->started = TRUE;
	referral_loader_start(keeper->loader);
}

bool referral_map_keeper_reload(struct referral_map_keeper *keeper)
{
	if (!keeper->started || keeper->stopped)
		return FALSE;
	referral_map_unref(&keeper->map);
	keeper->load_again = referral_loader_is_loading(keeper->loader);
	if (!keeper->load_again)
		referral_map_keeper_start(keeper);
	return TRUE;
}

void referral_map_keeper_get_status(const struct referral_map_keeper *keeper,
				    struct referral_map_status *status_r)
{
	i_zero(status_r);
	status_r->loaded = keeper->map != NULL;
	if (status_r->loaded) {
		status_r->count = referral_map_count(keeper->map);
		status_r->synced = keeper->synced;
	}
}

#undef referral_map_keeper_get
void referral_map_keeper_get(struct referral_map_keeper *keeper,
			     referral_map_callback_t *callback, void *context)
{
	struct referral_map_waiter *waiter;

	if (keeper->map != NULL) {
		callback(keeper->map, NULL, context);
		return;
	}
	waiter = i_new(struct referral_map_waiter, 1);
	waiter->keeper = keeper;
	waiter->callback = callback;
	waiter->context = context;
	waiter->to = timeout_add(keeper->timeout_msecs, waiter_timeout,
				 waiter);
	DLLIST2_APPEND(&keeper->waiters_head, &keeper->waiters_tail, waiter);
	referral_map_keeper_start(keeper);
}

struct referral_map_keeper *
referral_map_keeper_init(struct referral_ldap_connection *conn,
			 const struct referral_ldap_settings *set,
			 const struct referral_load *load,
			 unsigned int refresh_msecs,
			 struct referral_value_log *log, struct event *event)
{
	struct referral_map_keeper *keeper;

	keeper = i_new(struct referral_map_keeper, 1);
	keeper->what = load->what;
	keeper->timeout_msecs = set->timeout_msecs;
	keeper->refresh_msecs = refresh_msecs;
	keeper->event = event;
	keeper->loader = referral_loader_init(conn, set, load, log,
					      keeper_loaded, keeper);
	return keeper;
}

void referral_map_keeper_stop(struct referral_map_keeper *keeper)
{
	keeper->stopped = TRUE;
}

void referral_map_keeper_deinit(struct referral_map_keeper **_keeper)
{
	struct referral_map_keeper *keeper = *_keeper;

	*_keeper = NULL;
	referral_loader_deinit(&keeper->loader);
	i_assert(keeper->waiters_head == NULL);
	timeout_remove(&keeper->to_refresh);
	referral_map_unref(&keeper->map);
	i_free(keeper);
}
