#ifndef REFERRAL_SYNC_H
#define REFERRAL_SYNC_H

#include "guid.h"

/* A live search (RFC 4533 refreshAndPersist): all that it finds, and then each
   change as it happens. When it is begun again at the same server, only what
   has changed meanwhile comes, by means of the server's cookie. A cookie is
   never shown to another server than it came from. */
struct referral_sync;

struct event;
struct referral_ldap_connection;
struct referral_ldap_entry;
struct referral_ldap_search;

/* Why it has ended. */
enum referral_sync_end {
	/* The server has no live searches: slapd without the overlay
	   syncprov. */
	REFERRAL_SYNC_END_UNSUPPORTED,
	/* It finds more than the server's size limit allows: there are no
	   pages. */
	REFERRAL_SYNC_END_SIZE_LIMIT,
	/* The server was asked, and said no in another way. */
	REFERRAL_SYNC_END_REFUSED,
	/* What the server sends makes no sense. */
	REFERRAL_SYNC_END_GARBAGE,
	/* The connection is lost, no server can be asked, or the one that was
	   asked says nothing. */
	REFERRAL_SYNC_END_LOST,
};

/* None of them is called from within referral_sync_start(). Each of them but
   begin() may stop it. The entries are valid only in the call. */
struct referral_sync_callbacks {
	/* A refresh begins: either everything comes, or what has changed since
	   the last message. It is done only when refreshed() says so. */
	void (*begin)(bool everything, void *context);
	/* It is new, or it has changed. */
	void (*entry)(const struct referral_ldap_entry *entry,
		      const guid_128_t uuid, void *context);
	/* It has not changed. Comes in refreshes only. */
	void (*present)(const guid_128_t uuid, void *context);
	/* It is no more. */
	void (*gone)(const guid_128_t uuid, void *context);
	/* All has come. With only_present, what was neither sent nor said to
	   be present is gone; always so if everything was to come. What comes
	   from now on are changes as they happen. */
	void (*refreshed)(bool only_present, void *context);
	/* The last call until it is started again. "error" says which
	   server. */
	void (*end)(enum referral_sync_end reason, const char *error,
		    void *context);
};

/* The search is copied; its size limit and pages are not used. timeout_msecs is
   the longest time between two messages of a refresh. */
struct referral_sync *
referral_sync_init(struct referral_ldap_connection *conn,
		   const struct referral_ldap_search *search,
		   unsigned int timeout_msecs,
		   const struct referral_sync_callbacks *callbacks,
		   void *context);
/* Before or after the connection's deinit, which ends it. */
void referral_sync_deinit(struct referral_sync **sync);

/* Does nothing if it is running. */
void referral_sync_start(struct referral_sync *sync);
/* Its end is not called. */
void referral_sync_stop(struct referral_sync *sync);
/* Everything has to come with the next start: what has come so far is not known
   any more. */
void referral_sync_forget(struct referral_sync *sync);

bool referral_sync_is_running(const struct referral_sync *sync);
/* The refresh is done: what has come is true. */
bool referral_sync_is_live(const struct referral_sync *sync);

#endif
