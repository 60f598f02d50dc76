#ifndef REFERRAL_MAP_KEEPER_H
#define REFERRAL_MAP_KEEPER_H

/* Keeps one map up to date: loads it when it is asked for first, and again and
   again from then on. A new map takes the place of the old one as a whole. */
struct referral_map_keeper;

struct event;
struct referral_ldap_connection;
struct referral_ldap_settings;
struct referral_load;
struct referral_map;
struct referral_map_status;
struct referral_value_log;

/* Gets a map that is valid now, or NULL and why there is none. Who wants to
   keep it adds a reference. */
typedef void
referral_map_callback_t(struct referral_map *map, const char *error,
			void *context);

struct referral_map_keeper *
referral_map_keeper_init(struct referral_ldap_connection *conn,
			 const struct referral_ldap_settings *set,
			 const struct referral_load *load,
			 unsigned int refresh_msecs,
			 struct referral_value_log *log, struct event *event);
/* Nothing is loaded again or logged any more. To be called before the
   connection's abort or deinit, so that those end what is in flight. */
void referral_map_keeper_stop(struct referral_map_keeper *keeper);
/* To be called after the connection's deinit. */
void referral_map_keeper_deinit(struct referral_map_keeper **keeper);

/* Load it before somebody waits for it. */
void referral_map_keeper_start(struct referral_map_keeper *keeper);
/* The callback is called exactly once, within the settings' timeout and
   possibly before this returns. */
void referral_map_keeper_get(struct referral_map_keeper *keeper,
			     referral_map_callback_t *callback, void *context);
#define referral_map_keeper_get(keeper, callback, context) \
	referral_map_keeper_get(keeper, \
		(referral_map_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_map *, const char *, \
				 typeof(context))))

/* Load it again now, if it was loaded: nobody gets any more what is known by
   now, unless the directory cannot be asked. Returns FALSE if there is nothing
   to load again. */
bool referral_map_keeper_reload(struct referral_map_keeper *keeper);

void referral_map_keeper_get_status(const struct referral_map_keeper *keeper,
				    struct referral_map_status *status_r);

#endif
