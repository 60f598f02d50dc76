#ifndef REFERRAL_MAP_SYNC_H
#define REFERRAL_MAP_SYNC_H

#include "referral-sync.h"

/* Keeps a map as it is in the directory by a live search (referral-sync.h). A
   refresh shows only when it is done, as a whole. Changes after that are in the
   map as soon as they come. */
struct referral_map_sync;

struct referral_ldap_settings;
struct referral_load;
struct referral_map;
struct referral_value_log;

struct referral_map_sync_callbacks {
	/* From now on, this map is right; it may be a new one or not. It is
	   changed as the directory is, until end. */
	void (*refreshed)(struct referral_map *map, void *context);
	/* It was changed. */
	void (*changed)(void *context);
	/* The last call until the next start. The map is what it was last: not
	   half of a refresh. */
	void (*end)(enum referral_sync_end reason, const char *error,
		    void *context);
};

struct referral_map_sync *
referral_map_sync_init(struct referral_ldap_connection *conn,
		       const struct referral_ldap_settings *set,
		       const struct referral_load *load,
		       struct referral_value_log *log,
		       const struct referral_map_sync_callbacks *callbacks,
		       void *context);
void referral_map_sync_deinit(struct referral_map_sync **sync);

/* Does nothing if it is running. The callbacks come later. */
void referral_map_sync_start(struct referral_map_sync *sync);
/* Let the map go, without a call of end: the next start gets a new one. */
void referral_map_sync_stop(struct referral_map_sync *sync);

bool referral_map_sync_is_running(const struct referral_map_sync *sync);
bool referral_map_sync_is_live(const struct referral_map_sync *sync);

#endif
