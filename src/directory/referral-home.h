#ifndef REFERRAL_HOME_H
#define REFERRAL_HOME_H

#include "guid.h"
#include "referral-directory-result.h"

/* The homes of users: one search for each, whose answer is cached. Whoever asks
   for a user who is being searched for waits for the same answer. */
struct referral_homes;

struct event;
struct referral_ldap_connection;
struct referral_ldap_settings;
struct referral_value_log;

struct referral_homes *
referral_homes_init(struct referral_ldap_connection *conn,
		    const struct referral_ldap_settings *set,
		    struct referral_value_log *log, struct event *event);
/* Nothing is logged any more, and there are no more stale answers. To be called
   before the connection's abort or deinit, so that those end what is in
   flight. */
void referral_homes_stop(struct referral_homes *homes);
/* To be called after the connection's deinit. */
void referral_homes_deinit(struct referral_homes **homes);

/* The callback is called exactly once, within the settings' timeout and
   possibly before this returns. The user name is copied. */
void referral_homes_lookup(struct referral_homes *homes, const char *user,
			   referral_directory_callback_t *callback,
			   void *context);
#define referral_homes_lookup(homes, user, callback, context) \
	referral_homes_lookup(homes, user, \
		(referral_directory_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const struct referral_directory_result *, \
				 typeof(context))))

/* Forget all answers. What is in flight is still given to those who wait for
   it, but to nobody else. Returns how many there were. */
unsigned int referral_homes_flush(struct referral_homes *homes);

/* An entry has been added, changed or deleted: forget what is from it, or may
   be from it from now on, and do not cache what is in flight
   (referral_ldap_live=all). */
void referral_homes_entry_changed(struct referral_homes *homes,
				  const guid_128_t uuid);

/* How many answers are cached, and how many searches there were. */
unsigned int referral_homes_count(const struct referral_homes *homes);
uintmax_t referral_homes_search_count(const struct referral_homes *homes);

#endif
