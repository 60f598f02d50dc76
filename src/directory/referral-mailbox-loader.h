#ifndef REFERRAL_MAILBOX_LOADER_H
#define REFERRAL_MAILBOX_LOADER_H

/* Fills a map of mailboxes from the directory, page by page. */
struct referral_mailbox_loader;

struct referral_ldap_connection;
struct referral_ldap_settings;
struct referral_mailbox_map;
struct referral_value_log;

/* Gets a finished map, or NULL and what went wrong. The map's reference is the
   callback's from then on. */
typedef void
referral_mailbox_loader_callback_t(struct referral_mailbox_map *map,
				   const char *error, void *context);

struct referral_mailbox_loader *
referral_mailbox_loader_init(struct referral_ldap_connection *conn,
			     const struct referral_ldap_settings *set,
			     struct referral_value_log *log,
			     referral_mailbox_loader_callback_t *callback,
			     void *context);
#define referral_mailbox_loader_init(conn, set, log, callback, context) \
	referral_mailbox_loader_init(conn, set, log, \
		(referral_mailbox_loader_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_mailbox_map *, const char *, \
				 typeof(context))))
/* To be called after the connection's deinit, which ends a load. */
void referral_mailbox_loader_deinit(struct referral_mailbox_loader **loader);

/* Load all mailboxes, and call back once; possibly before this returns. Does
   nothing if it is loading already. */
void referral_mailbox_loader_start(struct referral_mailbox_loader *loader);

#endif
