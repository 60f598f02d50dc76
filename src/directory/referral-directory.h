#ifndef REFERRAL_DIRECTORY_H
#define REFERRAL_DIRECTORY_H

#include "referral-key.h"
#include "referral-directory-result.h"
#include "referral-map-keeper.h"

/* The directory, as the dict contract sees it: cached homes, the maps of
   mailboxes and servers, and the LDAP connections behind them. */
struct referral_directory;

struct referral_ldap_settings;
struct referral_reader;

/* The settings have to exist as long as the directory does. */
struct referral_directory *
referral_directory_init(const struct referral_ldap_settings *set,
			const char *base_dir, struct event *event_parent);
/* Lookups that are not finished fail: their callbacks are called. So do all
   later ones that need the LDAP server. */
void referral_directory_abort(struct referral_directory *dir);
void referral_directory_deinit(struct referral_directory **dir);

/* Look up a name that referral_key_parse() returned, for the user who asks; ""
   is nobody. The callback is called exactly once, possibly before this returns.
   The settings' timeout is for each thing that has to be waited for: the home,
   or the map and then the groups of who asks. The result is valid only while
   it runs. */
void referral_directory_lookup(struct referral_directory *dir,
			       const char *asker,
			       enum referral_key_type type, const char *name,
			       referral_directory_callback_t *callback,
			       void *context);
#define referral_directory_lookup(dir, asker, type, name, callback, context) \
	referral_directory_lookup(dir, asker, type, name, \
		(referral_directory_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const struct referral_directory_result *, \
				 typeof(context))))

/* Gets the map of mailboxes and who asks, NULL if there are no rules of who may
   see what; or no map, and what went wrong. */
typedef void
referral_directory_map_callback_t(struct referral_map *map,
				  struct referral_reader *reader,
				  const char *error, void *context);

/* Get the map of mailboxes, in the same way. */
void referral_directory_get_map(struct referral_directory *dir,
				const char *asker,
				referral_directory_map_callback_t *callback,
				void *context);
#define referral_directory_get_map(dir, asker, callback, context) \
	referral_directory_get_map(dir, asker, \
		(referral_directory_map_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_map *, \
				 struct referral_reader *, const char *, \
				 typeof(context))))

#endif
