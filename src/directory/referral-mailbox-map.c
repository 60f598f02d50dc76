/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "referral-mailbox.h"
#include "referral-reader.h"
#include "referral-mailbox-map.h"

struct referral_mailbox_list {
	/* Readers, and the map while it is the map's own. */
	unsigned int refcount;
	struct referral_mailbox_map *map;
	/* Sorted by name if the map is finished. */
	ARRAY(struct referral_mailbox *) mailboxes;
};

struct referral_mailbox_map {
	struct referral_map map;

	HASH_TABLE(const char *, struct referral_mailbox *) names;
	/* host:port */
	HASH_TABLE(const char *, struct referral_mailbox_server *) servers;
	/* All in names, once. Is replaced by a copy before it is changed while
	   somebody else has it, and so are mailboxes in it. */
	struct referral_mailbox_list *list;
	/* Nothing longer has to be looked for. */
	size_t max_name_length;
	/* Of what is being added */
	struct referral_readers *readers;
};

/*
 * Servers
 */

static struct referral_mailbox_server *
mailbox_server_ref(struct referral_mailbox_map *map,
		   const struct referral_url *url)
{
	struct referral_mailbox_server *server;
	const char *name = referral_url_get_server(url);

	server = hash_table_lookup(map->servers, name);
	if (server == NULL) {
		server = i_new(struct referral_mailbox_server, 1);
		server->name = i_strdup(name);
		server->url = *url;
		server->url.host = i_strdup(url->host);
		server->url.mailbox = NULL;
		hash_table_insert(map->servers,
				  (const char *)server->name, server);
	}
	server->refcount++;
	server->live_count++;
	return server;
}

static void
mailbox_server_unref(struct referral_mailbox_map *map,
		     struct referral_mailbox_server *server)
{
	char *host;

	if (server == NULL || --server->refcount > 0)
		return;
	hash_table_remove(map->servers, (const char *)server->name);
	host = (char *)server->url.host;
	i_free(host);
	i_free(server->name);
	i_free(server);
}

bool referral_mailbox_map_has_server(const struct referral_map *_map,
				     const char *name)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);
	const struct referral_mailbox_server *server;

	server = hash_table_lookup(map->servers, name);
	return server != NULL && server->live_count > 0;
}

/*
 * Mailboxes and lists of them
 */

static void
mailbox_unref(struct referral_mailbox_map *map,
	      struct referral_mailbox *mailbox)
{
	struct referral_mailbox_location *location;

	if (--mailbox->refcount > 0)
		return;
	while ((location = mailbox->locations) != NULL) {
		mailbox->locations = location->next;
		mailbox_server_unref(map, location->server);
		referral_mailbox_location_free(location);
	}
	i_free(mailbox);
}

static struct referral_mailbox_list *
mailbox_list_new(struct referral_mailbox_map *map, unsigned int count)
{
	struct referral_mailbox_list *list;

	list = i_new(struct referral_mailbox_list, 1);
	list->refcount = 1;
	list->map = map;
	i_array_init(&list->mailboxes, count);
	return list;
}

static void mailbox_list_unref(struct referral_mailbox_list *list)
{
	struct referral_mailbox *mailbox;

	if (--list->refcount > 0)
		return;
	array_foreach_elem(&list->mailboxes, mailbox)
		mailbox_unref(list->map, mailbox);
	array_free(&list->mailboxes);
	i_free(list);
}

/* Have a list that nobody else has. */
static void mailbox_map_own_list(struct referral_mailbox_map *map)
{
	struct referral_mailbox_list *old = map->list;
	struct referral_mailbox *mailbox;

	if (old->refcount == 1)
		return;
	map->list = mailbox_list_new(map, array_count(&old->mailboxes) + 1);
	array_foreach_elem(&old->mailboxes, mailbox) {
		mailbox->refcount++;
		array_push_back(&map->list->mailboxes, &mailbox);
	}
	mailbox_list_unref(old);
}

/* The first one whose name is not before this one. */
static unsigned int
mailbox_list_find(const struct referral_mailbox_list *list, const char *name)
{
	struct referral_mailbox *const *mailboxes;
	unsigned int left = 0, right, middle;

	mailboxes = array_get(&list->mailboxes, &right);
	while (left < right) {
		middle = left + (right - left) / 2;
		if (strcmp(mailboxes[middle]->name, name) < 0)
			left = middle + 1;
		else
			right = middle;
	}
	return left;
}

static void
mailbox_map_insert(struct referral_mailbox_map *map,
		   struct referral_mailbox *mailbox)
{
	mailbox_map_own_list(map);
	if (!map->map.finished)
		array_push_back(&map->list->mailboxes, &mailbox);
	else {
		array_insert(&map->list->mailboxes,
			     mailbox_list_find(map->list, mailbox->name),
			     &mailbox, 1);
	}
	hash_table_insert(map->names, (const char *)mailbox->name, mailbox);
}

static void
mailbox_map_remove(struct referral_mailbox_map *map,
		   struct referral_mailbox *mailbox)
{
	struct referral_mailbox *other;
	unsigned int idx = 0;

	mailbox_map_own_list(map);
	hash_table_remove(map->names, (const char *)mailbox->name);
	if (map->map.finished)
		idx = mailbox_list_find(map->list, mailbox->name);
	else {
		/* the latest one, if any: an entry came twice */
		idx = array_count(&map->list->mailboxes);
		do {
			idx--;
			other = array_idx_elem(&map->list->mailboxes, idx);
		} while (other != mailbox);
	}
	array_delete(&map->list->mailboxes, idx, 1);
	mailbox_unref(map, mailbox);
}

/* Have a mailbox that no list of somebody else has. */
static struct referral_mailbox *
mailbox_map_own(struct referral_mailbox_map *map,
		struct referral_mailbox *old)
{
	struct referral_mailbox *mailbox;
	struct referral_mailbox_location *location, *copy;

	mailbox_map_own_list(map);
	if (old->refcount == 1)
		return old;

	/* entries have the locations that there are: so the copies are for the
	   old one */
	mailbox = referral_mailbox_new(old->name);
	mailbox->locations = old->locations;
	old->locations = NULL;
	for (location = mailbox->locations; location != NULL;
	     location = location->next) {
		location->mailbox = mailbox;
		copy = referral_mailbox_add_location(old, location->server,
			location->preference,
			*location->remote_name == '\0' ? NULL :
			location->remote_name, location->readers);
		if (copy->server != NULL)
			copy->server->refcount++;
	}
	mailbox_map_remove(map, old);
	mailbox_map_insert(map, mailbox);
	return mailbox;
}

static void
mailbox_map_add_location(struct referral_mailbox_map *map, const char *name,
			 struct referral_mailbox_server *server,
			 unsigned int preference, const char *remote_name,
			 struct referral_readers *readers)
{
	struct referral_mailbox *mailbox;
	struct referral_mailbox_location *location;

	mailbox = hash_table_lookup(map->names, name);
	if (mailbox != NULL)
		mailbox = mailbox_map_own(map, mailbox);
	else {
		mailbox = referral_mailbox_new(name);
		mailbox_map_insert(map, mailbox);
		map->max_name_length = I_MAX(map->max_name_length,
					     strlen(name));
	}
	location = referral_mailbox_add_location(mailbox, server, preference,
						 remote_name, readers);
	referral_map_own_part(&map->map, &location->part);
}

void referral_mailbox_map_add(struct referral_map *_map, const char *name,
			      const struct referral_ldap_value *value)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	mailbox_map_add_location(map, name,
				 mailbox_server_ref(map, &value->url),
				 value->preference, value->url.mailbox,
				 map->readers);
}

void referral_mailbox_map_add_broken(struct referral_map *_map,
				     const char *name)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	mailbox_map_add_location(map, name, NULL, 0, NULL, map->readers);
}

void referral_mailbox_map_set_readers(struct referral_map *_map,
				      struct referral_readers *readers)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	if (readers != NULL)
		referral_readers_ref(readers);
	referral_readers_unref(&map->readers);
	map->readers = readers;
}

/*
 * Readers
 */

/* The mailbox, or its nearest listed ancestor with the rest of the name, else
   NULL. */
static const struct referral_mailbox *
mailbox_map_find(const struct referral_mailbox_map *map, const char *name,
		 const char **rest_r)
{
	const struct referral_mailbox *mailbox;
	const char *p;
	char *ancestor = t_strdup_noconst(name);
	size_t len = strlen(name);

	*rest_r = NULL;
	for (;;) {
		if (len <= map->max_name_length) {
			mailbox = hash_table_lookup(map->names,
						    (const char *)ancestor);
			if (mailbox != NULL)
				return mailbox;
		}
		p = strrchr(ancestor, '/');
		if (p == NULL)
			return NULL;
		len = p - ancestor;
		ancestor[len] = '\0';
		*rest_r = name + len + 1;
	}
}

int referral_mailbox_map_lookup_for(const struct referral_map *_map,
				    const char *name,
				    const struct referral_reader *reader,
				    const char **value_r)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);
	const struct referral_mailbox *mailbox;
	const char *rest;

	mailbox = mailbox_map_find(map, name, &rest);
	return mailbox == NULL ? 0 :
		referral_mailbox_get_value(mailbox, reader, rest, value_r);
}

int referral_mailbox_map_lookup(const struct referral_map *map,
				const char *name, const char **value_r)
{
	return referral_mailbox_map_lookup_for(map, name, NULL, value_r);
}

bool referral_mailbox_map_needs_dns(const struct referral_map *_map,
				    const char *name,
				    const struct referral_reader *reader)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);
	const struct referral_mailbox *mailbox;
	struct referral_mailbox *listed;
	const char *rest;

	if (name != NULL) {
		mailbox = mailbox_map_find(map, name, &rest);
		return mailbox != NULL &&
			referral_mailbox_needs_dns(mailbox, reader);
	}
	array_foreach_elem(&map->list->mailboxes, listed) {
		if (referral_mailbox_needs_dns(listed, reader))
			return TRUE;
	}
	return FALSE;
}

struct referral_mailbox_list *
referral_mailbox_map_get_list(struct referral_map *_map)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	i_assert(_map->finished);
	map->list->refcount++;
	/* it has the servers */
	referral_map_ref(_map);
	return map->list;
}

void referral_mailbox_list_unref(struct referral_mailbox_list **_list)
{
	struct referral_mailbox_list *list = *_list;
	struct referral_map *map;

	*_list = NULL;
	if (list == NULL)
		return;
	map = &list->map->map;
	mailbox_list_unref(list);
	referral_map_unref(&map);
}

unsigned int
referral_mailbox_list_count(const struct referral_mailbox_list *list)
{
	return array_count(&list->mailboxes);
}

void referral_mailbox_list_get_for(const struct referral_mailbox_list *list,
				   unsigned int idx,
				   const struct referral_reader *reader,
				   const char **name_r, const char **value_r)
{
	const struct referral_mailbox *mailbox =
		array_idx_elem(&list->mailboxes, idx);

	*name_r = mailbox->name;
	if (referral_mailbox_get_value(mailbox, reader, NULL, value_r) <= 0)
		*value_r = NULL;
}

void referral_mailbox_list_get(const struct referral_mailbox_list *list,
			       unsigned int idx, const char **name_r,
			       const char **value_r)
{
	referral_mailbox_list_get_for(list, idx, NULL, name_r, value_r);
}

/*
 * Map
 */

static void referral_mailbox_map_free(struct referral_map *_map)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	/* each list of others has a reference to the map */
	i_assert(map->list->refcount == 1);
	mailbox_list_unref(map->list);
	referral_readers_unref(&map->readers);
	hash_table_destroy(&map->names);
	hash_table_destroy(&map->servers);
	referral_map_free_entries(_map);
	i_free(map);
}

static int
referral_mailbox_cmp(struct referral_mailbox *const *m1,
		     struct referral_mailbox *const *m2)
{
	return strcmp((*m1)->name, (*m2)->name);
}

static void referral_mailbox_map_finish(struct referral_map *_map)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	array_sort(&map->list->mailboxes, referral_mailbox_cmp);
}

static unsigned int
referral_mailbox_map_count(const struct referral_map *_map)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);

	return array_count(&map->list->mailboxes);
}

static void
referral_mailbox_map_remove_part(struct referral_map *_map,
				 struct referral_map_part *part)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);
	struct referral_mailbox_location *location =
		container_of(part, struct referral_mailbox_location, part);
	struct referral_mailbox *mailbox;
	struct referral_mailbox_server *server = location->server;

	mailbox = mailbox_map_own(map, location->mailbox);
	referral_mailbox_remove_location(location);
	if (server != NULL)
		server->live_count--;
	mailbox_server_unref(map, server);
	if (mailbox->locations == NULL)
		mailbox_map_remove(map, mailbox);
}

static void
referral_mailbox_map_copy_part(const struct referral_map_part *part,
			       struct referral_map *_dest)
{
	struct referral_mailbox_map *dest =
		container_of(_dest, struct referral_mailbox_map, map);
	const struct referral_mailbox_location *location =
		container_of(part, const struct referral_mailbox_location,
			     part);

	T_BEGIN {
		mailbox_map_add_location(dest, location->mailbox->name,
			location->server == NULL ? NULL :
			mailbox_server_ref(dest, &location->server->url),
			location->preference,
			*location->remote_name == '\0' ? NULL :
			location->remote_name, location->readers);
	} T_END;
}

static const struct referral_map_vfuncs referral_mailbox_map_vfuncs = {
	.free = referral_mailbox_map_free,
	.finish = referral_mailbox_map_finish,
	.count = referral_mailbox_map_count,
	.remove_part = referral_mailbox_map_remove_part,
	.copy_part = referral_mailbox_map_copy_part,
};

struct referral_map *referral_mailbox_map_init(void)
{
	struct referral_mailbox_map *map;

	map = i_new(struct referral_mailbox_map, 1);
	referral_map_init(&map->map, &referral_mailbox_map_vfuncs);
	hash_table_create(&map->names, default_pool, 0, str_hash, strcmp);
	hash_table_create(&map->servers, default_pool, 0, str_hash, strcmp);
	map->list = mailbox_list_new(map, 128);
	return &map->map;
}
