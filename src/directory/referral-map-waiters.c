/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "referral-map.h"
#include "referral-map-waiters.h"

struct referral_map_waiter {
	struct referral_map_waiter *prev, *next;
	struct referral_map_waiters *waiters;
	struct timeout *to;
	referral_map_callback_t *callback;
	void *context;
};

struct referral_map_waiters {
	const char *what;
	unsigned int timeout_msecs;
	struct referral_map_waiter *head, *tail;
};

struct referral_map_waiters *
referral_map_waiters_init(const char *what, unsigned int timeout_msecs)
{
	struct referral_map_waiters *waiters;

	waiters = i_new(struct referral_map_waiters, 1);
	waiters->what = what;
	waiters->timeout_msecs = timeout_msecs;
	return waiters;
}

void referral_map_waiters_deinit(struct referral_map_waiters **_waiters)
{
	struct referral_map_waiters *waiters = *_waiters;

	*_waiters = NULL;
	i_assert(waiters->head == NULL);
	i_free(waiters);
}

bool referral_map_waiters_is_empty(const struct referral_map_waiters *waiters)
{
	return waiters->head == NULL;
}

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
	struct referral_map_waiters *waiters = waiter->waiters;

	DLLIST2_REMOVE(&waiters->head, &waiters->tail, waiter);
	waiter_finish(waiter, NULL,
		      t_strdup_printf("The %s are still being loaded",
				      waiters->what));
}

void referral_map_waiters_add(struct referral_map_waiters *waiters,
			      referral_map_callback_t *callback, void *context)
{
	struct referral_map_waiter *waiter;

	waiter = i_new(struct referral_map_waiter, 1);
	waiter->waiters = waiters;
	waiter->callback = callback;
	waiter->context = context;
	waiter->to = timeout_add(waiters->timeout_msecs, waiter_timeout,
				 waiter);
	DLLIST2_APPEND(&waiters->head, &waiters->tail, waiter);
}

void referral_map_waiters_finish(struct referral_map_waiters *waiters,
				 struct referral_map *map, const char *error)
{
	struct referral_map_waiter *waiter;
	struct referral_map_waiter *head = waiters->head;
	struct referral_map_waiter *tail = waiters->tail;

	/* Callbacks may add others, and these may fail at once. */
	waiters->head = waiters->tail = NULL;
	/* they may change everything that these belong to */
	if (map != NULL)
		referral_map_ref(map);
	error = map != NULL ? NULL : t_strdup(error);
	while ((waiter = head) != NULL) {
		DLLIST2_REMOVE(&head, &tail, waiter);
		waiter_finish(waiter, map, error);
	}
	referral_map_unref(&map);
}
