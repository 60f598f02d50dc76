#ifndef REFERRAL_MAILBOX_MAP_H
#define REFERRAL_MAILBOX_MAP_H

#include "referral-ldap-value.h"
#include "referral-map.h"

struct referral_reader;
struct referral_readers;

/* A map of all remote mailboxes by name. */
struct referral_map *referral_mailbox_map_init(void);

/* The name has to be valid (referral_mailbox_name_error()). If the URL has no
   mailbox, the mailbox has the same name there. Several for the same name are
   replicas. */
void referral_mailbox_map_add(struct referral_map *map, const char *name,
			      const struct referral_ldap_value *value);
/* The directory lists this mailbox, but has no usable location for it. Has no
   effect if there is one from elsewhere. */
void referral_mailbox_map_add_broken(struct referral_map *map,
				     const char *name);

/* What is added from now on is there for these readers only
   (referral-reader.h), to which a reference is kept; NULL = for everybody. */
void referral_mailbox_map_set_readers(struct referral_map *map,
				      struct referral_readers *readers)
	ATTR_NULL(2);

/* Look up a mailbox, or failing that its nearest listed ancestor, whose
   location with the rest of the name is then the answer. Returns 1 if found,
   with value_r allocated from the data stack; 0 if it is not remote; -1 if the
   location that is listed is broken. */
int referral_mailbox_map_lookup(const struct referral_map *map,
				const char *name, const char **value_r);
/* The same for somebody for whom not all may be there. One that is listed, but
   not for the reader, does not exist, nor do those below it: 0. The reader's
   DNs must be known if it needs them. */
int referral_mailbox_map_lookup_for(const struct referral_map *map,
				    const char *name,
				    const struct referral_reader *reader,
				    const char **value_r) ATTR_NULL(3);
/* Whether the DNs of the reader have to be known to look up the name, or for
   the list of all if it is NULL. */
bool referral_mailbox_map_needs_dns(const struct referral_map *map,
				    const char *name,
				    const struct referral_reader *reader)
	ATTR_NULL(2);

/* Whether some mailbox is on this server, spelled as
   referral_url_get_server() does. */
bool referral_mailbox_map_has_server(const struct referral_map *map,
				     const char *server);

/* All mailboxes in the order of their names as they are now, whatever happens
   to the map later. */
struct referral_mailbox_list;

struct referral_mailbox_list *
referral_mailbox_map_get_list(struct referral_map *map);
/* Does nothing if there is no list. */
void referral_mailbox_list_unref(struct referral_mailbox_list **list);

unsigned int
referral_mailbox_list_count(const struct referral_mailbox_list *list);
/* From 0 to count-1. The name is valid as long as the list. The value is
   allocated from the data stack, NULL if it is broken. */
void referral_mailbox_list_get(const struct referral_mailbox_list *list,
			       unsigned int idx, const char **name_r,
			       const char **value_r);
/* The value is also NULL if the mailbox does not exist for the reader. */
void referral_mailbox_list_get_for(const struct referral_mailbox_list *list,
				   unsigned int idx,
				   const struct referral_reader *reader,
				   const char **name_r, const char **value_r)
	ATTR_NULL(3);

#endif
