#ifndef REFERRAL_MAILBOX_H
#define REFERRAL_MAILBOX_H

#include "referral-ldap-value.h"
#include "referral-map.h"

struct referral_reader;
struct referral_readers;

/* One remote mailbox of a map, and the places that entries name for it. There
   may be very many mailboxes: what is the same is not stored twice. */

/* A server that has mailboxes. */
struct referral_mailbox_server {
	/* Locations that point here */
	unsigned int refcount;
	/* Those of them that are not only in lists any more */
	unsigned int live_count;
	/* Without the mailbox */
	struct referral_url url;
	/* referral_url_get_server() */
	char *name;
};

/* What one value of an entry says. */
struct referral_mailbox_location {
	struct referral_map_part part;
	/* Of the same mailbox, in no order: there may be a great many */
	struct referral_mailbox_location *next;
	struct referral_mailbox *mailbox;
	/* NULL: broken */
	struct referral_mailbox_server *server;
	unsigned int preference;
	/* For whom it is there; NULL: everybody */
	struct referral_readers *readers;
	/* The mailbox's name there; empty: the same */
	char remote_name[];
};

struct referral_mailbox {
	/* Lists that have it, with the map's own */
	unsigned int refcount;
	struct referral_mailbox_location *locations;
	char name[];
};

struct referral_mailbox *referral_mailbox_new(const char *name);

/* Adds a reference to the readers. */
struct referral_mailbox_location *
referral_mailbox_add_location(struct referral_mailbox *mailbox,
			      struct referral_mailbox_server *server,
			      unsigned int preference, const char *remote_name,
			      struct referral_readers *readers)
	ATTR_NULL(2, 4, 5);
void referral_mailbox_remove_location(
	struct referral_mailbox_location *location);
/* Free one that is in no mailbox any more. */
void referral_mailbox_location_free(
	struct referral_mailbox_location *location);

/* Get the URLs of its locations by preference, and then in an order that never
   depends on the LDAP server's; each one once, with an inferior's name appended
   if it is not NULL. Only those count that are there for the reader; NULL
   stands for somebody who may see all. Returns 1 with value_r, allocated from
   the data stack; 0 if the mailbox does not exist for the reader; -1 if it is
   broken. */
int referral_mailbox_get_value(const struct referral_mailbox *mailbox,
			       const struct referral_reader *reader,
			       const char *inferior, const char **value_r)
	ATTR_NULL(2, 3);
/* Whether it depends on DNs of the reader that are not known. */
bool referral_mailbox_needs_dns(const struct referral_mailbox *mailbox,
				const struct referral_reader *reader);

#endif
