#ifndef REFERRAL_LOADER_H
#define REFERRAL_LOADER_H

/* Fills a map from the directory, page by page. */
struct referral_loader;

struct referral_ldap_connection;
struct referral_ldap_entry;
struct referral_ldap_search;
struct referral_ldap_settings;
struct referral_map;
struct referral_value_log;

#define REFERRAL_LOAD_MAX_ATTRIBUTES 12

/* What is loaded. The strings have to exist as long as the loader does. */
struct referral_load {
	/* In the plural, for messages. */
	const char *what;
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	/* As in the settings. */
	const char *filter;
	/* Ended by NULL. */
	const char *attributes[REFERRAL_LOAD_MAX_ATTRIBUTES + 1];
	unsigned int page_size;
	/* The most names in the map, and the setting that says so. */
	unsigned int limit;
	const char *limit_setting;

	struct referral_map *(*map_init)(void);
	/* Add what the entry says to the map. */
	void (*add_entry)(struct referral_map *map,
			  const struct referral_ldap_settings *set,
			  struct referral_value_log *log,
			  const struct referral_ldap_entry *entry);
};

/* Its search, without pages, allocated from the data stack. */
void referral_load_get_search(const struct referral_load *load,
			      struct referral_ldap_search *search_r);
/* What to say when there are too many. Allocated from the data stack. */
const char *referral_load_limit_error(const struct referral_load *load);

/* Gets a finished map, or NULL and what went wrong. The map's reference is the
   callback's from then on. */
typedef void
referral_loader_callback_t(struct referral_map *map, const char *error,
			   void *context);

struct referral_loader *
referral_loader_init(struct referral_ldap_connection *conn,
		     const struct referral_ldap_settings *set,
		     const struct referral_load *load,
		     struct referral_value_log *log,
		     referral_loader_callback_t *callback, void *context);
#define referral_loader_init(conn, set, load, log, callback, context) \
	referral_loader_init(conn, set, load, log, \
		(referral_loader_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_map *, const char *, \
				 typeof(context))))
/* To be called after the connection's deinit, which ends a load. */
void referral_loader_deinit(struct referral_loader **loader);

/* Load all of it, and call back once; possibly before this returns. Does
   nothing if it is loading already. When the connection is lost between two
   pages, it begins with the first one again, a few times. */
void referral_loader_start(struct referral_loader *loader);
/* In the callback: the directory could be asked, and there is an error all the
   same. */
bool referral_loader_is_refused(const struct referral_loader *loader);
bool referral_loader_is_loading(const struct referral_loader *loader);

#endif
