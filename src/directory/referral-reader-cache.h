#ifndef REFERRAL_READER_CACHE_H
#define REFERRAL_READER_CACHE_H

/* Which entry and which groups of the directory a user is, for a while: two
   searches for each user who is not cached, one for the user's entry with the
   settings of homes, one for the groups that have it or the login name as a
   member. However many ask about the same user, they wait for the same ones.
   Groups in groups are not looked for. Failures are never cached. An answer that
   is too old is given only while the directory cannot be asked, as for homes
   (referral-stale.h). There are at most referral_ldap_home_cache_size readers, and
   32 MB of them: the least recently used ones are dropped. */
struct referral_reader_cache;

struct event;
struct referral_ldap_connection;
struct referral_ldap_settings;
struct referral_reader;

/* Gets a reader whose DNs are known; it is valid while the callback runs, and
   longer with a reference. Stale: they were true once, and nobody can be asked
   now. NULL, and an error: the directory could not be asked or does not give an
   answer. */
typedef void
referral_reader_callback_t(struct referral_reader *reader, bool stale,
			   const char *error, void *context);

/* Connection, settings and event have to exist as long as the cache does. */
struct referral_reader_cache *
referral_reader_cache_init(struct referral_ldap_connection *conn,
			   const struct referral_ldap_settings *set,
			   struct event *event);
/* There are no stale answers any more, and nothing is logged: to be called
   before the connection's deinit. */
void referral_reader_cache_stop(struct referral_reader_cache *cache);
/* To be called after the connection's deinit, which ends all searches. */
void referral_reader_cache_deinit(struct referral_reader_cache **cache);

/* The callback is called exactly once, within the settings' timeout and
   possibly before this returns. */
void referral_reader_cache_get(struct referral_reader_cache *cache,
			       const char *user,
			       referral_reader_callback_t *callback,
			       void *context);
#define referral_reader_cache_get(cache, user, callback, context) \
	referral_reader_cache_get(cache, user, \
		(referral_reader_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_reader *, bool, \
				 const char *, typeof(context))))

/* Forget everything: what is searched for by now is not cached either. */
void referral_reader_cache_flush(struct referral_reader_cache *cache);

#endif
