/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "str.h"
#include "referral-key.h"
#include "referral-server-map.h"

struct referral_server {
	/* host:port, or host:0 for all ports */
	const char *name;
	enum referral_server_map_state state;
	/* Until the map is finished. */
	ARRAY_TYPE(referral_ldap_value) successors;
	/* After that, if it is out of service. */
	const char *value;
};

struct referral_server_map {
	struct referral_map map;
	pool_t pool;

	HASH_TABLE(const char *, struct referral_server *) servers;
};

static struct referral_server *
referral_server_map_create(struct referral_server_map *map, const char *name)
{
	struct referral_server *server;

	server = hash_table_lookup(map->servers, name);
	if (server != NULL)
		return server;

	server = p_new(map->pool, struct referral_server, 1);
	server->name = p_strdup(map->pool, name);
	p_array_init(&server->successors, map->pool, 1);
	hash_table_insert(map->servers, server->name, server);
	return server;
}

void referral_server_map_add(struct referral_map *_map,
			     const struct referral_url *url,
			     enum referral_server_map_state state,
			     const ARRAY_TYPE(referral_ldap_value) *successors)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);
	const struct referral_ldap_value *successor;
	struct referral_ldap_value *copy;
	struct referral_server *server;

	server = referral_server_map_create(map, referral_url_get_server(url));
	if (state < server->state)
		return;
	if (state > server->state) {
		server->state = state;
		array_clear(&server->successors);
	}
	array_foreach(successors, successor) {
		copy = array_append_space(&server->successors);
		*copy = *successor;
		copy->url.host = p_strdup(map->pool, successor->url.host);
		copy->url.mailbox = NULL;
	}
}

static const char *server_state_word(enum referral_server_map_state state)
{
	switch (state) {
	case REFERRAL_SERVER_MAP_ACTIVE:
	case REFERRAL_SERVER_MAP_UNKNOWN:
		break;
	case REFERRAL_SERVER_MAP_DRAIN:
		return REFERRAL_SERVER_DRAIN;
	case REFERRAL_SERVER_MAP_DOWN:
		return REFERRAL_SERVER_DOWN;
	}
	return NULL;
}

/* Two names of a server may be the same one in the end: then each successor is
   there twice. */
static void
successors_append(string_t *str, ARRAY_TYPE(referral_ldap_value) *successors)
{
	const struct referral_ldap_value *successor, *last = NULL;

	referral_ldap_values_sort(successors);
	array_foreach(successors, successor) {
		if (last != NULL &&
		    referral_url_same_server(&last->url, &successor->url))
			continue;
		str_append_c(str, ' ');
		referral_url_append(str, &successor->url, NULL);
		last = successor;
	}
}

int referral_server_map_lookup(const struct referral_map *_map,
			       const char *name, const char **value_r)
{
	const struct referral_server_map *map =
		container_of(_map, const struct referral_server_map, map);
	const struct referral_server *server, *host;
	const char *port = strrchr(name, ':');

	i_assert(port != NULL);
	server = hash_table_lookup(map->servers, name);
	host = hash_table_lookup(map->servers, (const char *)t_strconcat(
		t_strdup_until(name, port), ":0", NULL));
	if (server == NULL || (host != NULL && host->state > server->state))
		server = host;
	if (server == NULL)
		return 0;

	switch (server->state) {
	case REFERRAL_SERVER_MAP_ACTIVE:
		return 0;
	case REFERRAL_SERVER_MAP_UNKNOWN:
		return -1;
	case REFERRAL_SERVER_MAP_DRAIN:
	case REFERRAL_SERVER_MAP_DOWN:
		*value_r = server->value;
		return 1;
	}
	i_unreached();
}

static void referral_server_map_free(struct referral_map *_map)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);

	hash_table_destroy(&map->servers);
	pool_unref(&map->pool);
}

static void referral_server_map_finish(struct referral_map *_map)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);
	struct hash_iterate_context *iter;
	struct referral_server *server;
	const char *name, *word;

	iter = hash_table_iterate_init(map->servers);
	while (hash_table_iterate(iter, map->servers, &name, &server)) {
		word = server_state_word(server->state);
		if (word != NULL) T_BEGIN {
			string_t *str = t_str_new(128);

			str_append(str, word);
			successors_append(str, &server->successors);
			server->value = p_strdup(map->pool, str_c(str));
		} T_END;
	}
	hash_table_iterate_deinit(&iter);
}

static unsigned int referral_server_map_count(const struct referral_map *_map)
{
	const struct referral_server_map *map =
		container_of(_map, const struct referral_server_map, map);

	return hash_table_count(map->servers);
}

static const struct referral_map_vfuncs referral_server_map_vfuncs = {
	.free = referral_server_map_free,
	.finish = referral_server_map_finish,
	.count = referral_server_map_count,
};

struct referral_map *referral_server_map_init(void)
{
	struct referral_server_map *map;
	pool_t pool;

	pool = pool_alloconly_create(MEMPOOL_GROWING"referral server map",
				     1024);
	map = p_new(pool, struct referral_server_map, 1);
	referral_map_init(&map->map, &referral_server_map_vfuncs);
	map->pool = pool;
	hash_table_create(&map->servers, default_pool, 0, str_hash, strcmp);
	return &map->map;
}
