/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "str.h"
#include "referral-mailbox-map.h"

struct referral_mailbox {
	const char *name;
	/* Until the map is finished. Empty: broken */
	ARRAY_TYPE(referral_ldap_value) values;
	/* After that. NULL: broken */
	const char *value;
};

struct referral_mailbox_map {
	struct referral_map map;
	pool_t pool;

	HASH_TABLE(const char *, struct referral_mailbox *) names;
	/* host:port */
	HASH_TABLE(const char *, const char *) servers;
	/* Sorted by name when the map is finished. */
	ARRAY(struct referral_mailbox *) mailboxes;
	/* Nothing longer has to be looked for. */
	size_t max_name_length;
};

static struct referral_mailbox *
referral_mailbox_map_create(struct referral_mailbox_map *map, const char *name)
{
	struct referral_mailbox *mailbox;

	mailbox = hash_table_lookup(map->names, name);
	if (mailbox != NULL)
		return mailbox;

	mailbox = p_new(map->pool, struct referral_mailbox, 1);
	mailbox->name = p_strdup(map->pool, name);
	p_array_init(&mailbox->values, map->pool, 1);
	hash_table_insert(map->names, mailbox->name, mailbox);
	array_push_back(&map->mailboxes, &mailbox);
	map->max_name_length = I_MAX(map->max_name_length, strlen(name));
	return mailbox;
}

void referral_mailbox_map_add(struct referral_map *_map, const char *name,
			      const struct referral_ldap_value *value)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);
	struct referral_mailbox *mailbox;
	struct referral_ldap_value *copy;
	const char *server;

	mailbox = referral_mailbox_map_create(map, name);
	copy = array_append_space(&mailbox->values);
	*copy = *value;
	copy->url.host = p_strdup(map->pool, value->url.host);
	copy->url.mailbox = value->url.mailbox == NULL ? mailbox->name :
		p_strdup(map->pool, value->url.mailbox);

	server = referral_url_get_server(&copy->url);
	if (hash_table_lookup(map->servers, server) == NULL) {
		server = p_strdup(map->pool, server);
		hash_table_insert(map->servers, server, server);
	}
}

void referral_mailbox_map_add_broken(struct referral_map *_map,
				     const char *name)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	(void)referral_mailbox_map_create(map, name);
}

bool referral_mailbox_map_has_server(const struct referral_map *_map,
				     const char *server)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);

	return hash_table_lookup(map->servers, server) != NULL;
}

/* Append the same inferior to each of the URLs. */
static const char *value_append_inferior(const char *value, const char *rest)
{
	string_t *str = t_str_new(256);
	const char *const *urls;

	for (urls = t_strsplit(value, " "); *urls != NULL; urls++) {
		if (str_len(str) > 0)
			str_append_c(str, ' ');
		str_append(str, *urls);
		str_append_c(str, '/');
		referral_url_append_mailbox(str, rest);
	}
	return str_c(str);
}

int referral_mailbox_map_lookup(const struct referral_map *_map,
				const char *name, const char **value_r)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);
	const struct referral_mailbox *mailbox;
	const char *rest = NULL, *p;
	char *ancestor = t_strdup_noconst(name);
	size_t len = strlen(name);

	for (;;) {
		if (len <= map->max_name_length) {
			mailbox = hash_table_lookup(map->names,
						    (const char *)ancestor);
			if (mailbox != NULL)
				break;
		}
		p = strrchr(ancestor, '/');
		if (p == NULL)
			return 0;
		len = p - ancestor;
		ancestor[len] = '\0';
		rest = name + len + 1;
	}
	if (mailbox->value == NULL)
		return -1;
	*value_r = rest == NULL ? t_strdup(mailbox->value) :
		value_append_inferior(mailbox->value, rest);
	return 1;
}

void referral_mailbox_map_get(const struct referral_map *_map,
			      unsigned int idx, const char **name_r,
			      const char **value_r)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);
	struct referral_mailbox *mailbox =
		array_idx_elem(&map->mailboxes, idx);

	*name_r = mailbox->name;
	*value_r = mailbox->value;
}

static void referral_mailbox_map_free(struct referral_map *_map)
{
	struct referral_mailbox_map *map =
		container_of(_map, struct referral_mailbox_map, map);

	hash_table_destroy(&map->names);
	hash_table_destroy(&map->servers);
	array_free(&map->mailboxes);
	pool_unref(&map->pool);
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
	struct referral_mailbox *mailbox;
	string_t *str;

	array_sort(&map->mailboxes, referral_mailbox_cmp);
	array_foreach_elem(&map->mailboxes, mailbox) {
		if (array_count(&mailbox->values) == 0)
			continue;
		T_BEGIN {
			str = t_str_new(128);
			referral_ldap_values_sort(&mailbox->values);
			referral_ldap_values_append(str, &mailbox->values);
			mailbox->value = p_strdup(map->pool, str_c(str));
		} T_END;
	}
}

static unsigned int
referral_mailbox_map_count(const struct referral_map *_map)
{
	const struct referral_mailbox_map *map =
		container_of(_map, const struct referral_mailbox_map, map);

	return array_count(&map->mailboxes);
}

static const struct referral_map_vfuncs referral_mailbox_map_vfuncs = {
	.free = referral_mailbox_map_free,
	.finish = referral_mailbox_map_finish,
	.count = referral_mailbox_map_count,
};

struct referral_map *referral_mailbox_map_init(void)
{
	struct referral_mailbox_map *map;
	pool_t pool;

	pool = pool_alloconly_create(MEMPOOL_GROWING"referral mailbox map",
				     16*1024);
	map = p_new(pool, struct referral_mailbox_map, 1);
	referral_map_init(&map->map, &referral_mailbox_map_vfuncs);
	map->pool = pool;
	hash_table_create(&map->names, default_pool, 0, str_hash, strcmp);
	hash_table_create(&map->servers, default_pool, 0, str_hash, strcmp);
	i_array_init(&map->mailboxes, 128);
	return &map->map;
}
