#ifndef REFERRAL_MAP_WAITERS_H
#define REFERRAL_MAP_WAITERS_H

#include "referral-map-keeper.h"

/* Those who wait for a map that is not there yet, each for a time. */
struct referral_map_waiters;

/* "what" is what is in the map, in the plural, for messages. It has to exist as
   long as this does. */
struct referral_map_waiters *
referral_map_waiters_init(const char *what, unsigned int timeout_msecs);
/* Nobody may wait any more. */
void referral_map_waiters_deinit(struct referral_map_waiters **waiters);

bool referral_map_waiters_is_empty(const struct referral_map_waiters *waiters);
/* The callback is called by finish(), or with an error when the time is
   over. */
void referral_map_waiters_add(struct referral_map_waiters *waiters,
			      referral_map_callback_t *callback, void *context);
/* Give all of them the map, or an error if it is NULL. Callbacks may add
   others, which wait for the next time. */
void referral_map_waiters_finish(struct referral_map_waiters *waiters,
				 struct referral_map *map, const char *error)
	ATTR_NULL(2, 3);

#endif
