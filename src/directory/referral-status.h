#ifndef REFERRAL_STATUS_H
#define REFERRAL_STATUS_H

#include "referral-directory-result.h"

/* What can be said of a directory without asking it. */

struct referral_map_status {
	/* It was loaded: without that, there is nothing else to say. */
	bool loaded;
	/* Changes come unasked (RFC 4533); if not, it is loaded again and
	   again. */
	bool live;
	/* The directory cannot be asked, so that it may have changed. */
	bool stale;
	/* Names in it */
	unsigned int count;
	/* When the directory last said what is in it, or what has changed */
	struct timeval synced;
};

struct referral_status {
	/* The server that we are connected to, or else try next */
	const char *server;
	/* A word */
	const char *state;

	/* Lookups and lists, also those that are not finished; and how those
	   were that are */
	uintmax_t requests;
	struct referral_directory_counters counters;

	/* Users in the cache, and the searches for users */
	unsigned int homes;
	uintmax_t searches;
	/* Cached homes are dropped when they change. */
	bool homes_live;

	struct referral_map_status mailboxes, servers;

	/* As server and state, for the connection that the servers are loaded
	   over. */
	const char *servers_server, *servers_state;
};

/* One line of name=value words, allocated from the data stack. README says what
   they are. Their order never changes: new ones are added at the end. */
const char *referral_status_write(const struct referral_status *status);

#endif
