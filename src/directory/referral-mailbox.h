#ifndef REFERRAL_MAILBOX_H
#define REFERRAL_MAILBOX_H

#include "referral-ldap-value.h"
#include "referral-map.h"

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

/* remote_name may be NULL */
struct referral_mailbox_location *
referral_mailbox_add_location(struct referral_mailbox *mailbox,
			      struct referral_mailbox_server *server,
			      unsigned int preference,
			      const char *remote_name) ATTR_NULL(2, 4);
void referral_mailbox_remove_location(
	struct referral_mailbox_location *location);

/* The URLs of its locations by preference, and then in an order that never
   depends on the LDAP server's; each one once, with an inferior's name appended
   if it is not NULL. Returns NULL if it is broken, else allocated from the data
   stack. */
const char *
referral_mailbox_get_value(const struct referral_mailbox *mailbox,
			   const char *inferior) ATTR_NULL(2);

#endif
