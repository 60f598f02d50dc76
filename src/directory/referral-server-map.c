/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "llist.h"
#include "str.h"
#include "referral-key.h"
#include "referral-server-map.h"

/* What one entry says of a server. */
struct referral_server_statement {
	struct referral_map_part part;
	pool_t pool;
	/* Of the same server */
	struct referral_server_statement *prev, *next;
	struct referral_server *server;

	enum referral_server_map_state state;
	ARRAY_TYPE(referral_ldap_value) successors;
};

struct referral_server {
	/* host:port, or host:0 for all ports */
	char *name;
	struct referral_server_statement *statements;
};

struct referral_server_map {
	struct referral_map map;

	/* Those with statements */
	HASH_TABLE(const char *, struct referral_server *) servers;
};

static struct referral_server *
referral_server_map_get(struct referral_server_map *map, const char *name)
{
	struct referral_server *server;

	server = hash_table_lookup(map->servers, name);
	if (server == NULL) {
		server = i_new(struct referral_server, 1);
		server->name = i_strdup(name);
		hash_table_insert(map->servers, (const char *)server->name,
				  server);
	}
	return server;
}

static void
server_map_add(struct referral_server_map *map, const char *name,
	       enum referral_server_map_state state,
	       const ARRAY_TYPE(referral_ldap_value) *successors)
{
	struct referral_server_statement *statement;
	const struct referral_ldap_value *successor;
	struct referral_ldap_value *copy;
	pool_t pool;

	pool = pool_alloconly_create("referral server statement", 256);
	statement = p_new(pool, struct referral_server_statement, 1);
	statement->pool = pool;
	statement->state = state;
	statement->server = referral_server_map_get(map, name);
	DLLIST_PREPEND(&statement->server->statements, statement);
	p_array_init(&statement->successors, pool, array_count(successors));
	array_foreach(successors, successor) {
		copy = array_append_space(&statement->successors);
		*copy = *successor;
		copy->url.host = p_strdup(pool, successor->url.host);
		copy->url.mailbox = NULL;
	}
	referral_map_own_part(&map->map, &statement->part);
}

void referral_server_map_add(struct referral_map *_map,
			     const struct referral_url *url,
			     enum referral_server_map_state state,
			     const ARRAY_TYPE(referral_ldap_value) *successors)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);

	server_map_add(map, referral_url_get_server(url), state, successors);
}

static void statement_free(struct referral_server_statement *statement)
{
	struct referral_server *server = statement->server;

	DLLIST_REMOVE(&server->statements, statement);
	pool_unref(&statement->pool);
}

static void server_free(struct referral_server *server)
{
	while (server->statements != NULL)
		statement_free(server->statements);
	i_free(server->name);
	i_free(server);
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
	unsigned int count = 0;

	referral_ldap_values_sort(successors);
	array_foreach(successors, successor) {
		/* nobody reads more */
		if (count == REFERRAL_MAX_URLS)
			break;
		if (last != NULL &&
		    referral_url_same_server(&last->url, &successor->url))
			continue;
		str_append_c(str, ' ');
		referral_url_append(str, &successor->url, NULL);
		last = successor;
		count++;
	}
}

/* The worst that is said of it. */
static enum referral_server_map_state
server_get_state(const struct referral_server *server)
{
	enum referral_server_map_state state = REFERRAL_SERVER_MAP_ACTIVE;
	const struct referral_server_statement *statement;

	if (server == NULL)
		return state;
	for (statement = server->statements; statement != NULL;
	     statement = statement->next)
		state = I_MAX(state, statement->state);
	return state;
}

static const char *
server_get_value(const struct referral_server *server,
		 enum referral_server_map_state state)
{
	string_t *str = t_str_new(128);
	const struct referral_server_statement *statement;
	ARRAY_TYPE(referral_ldap_value) successors;

	t_array_init(&successors, 8);
	for (statement = server->statements; statement != NULL;
	     statement = statement->next) {
		if (statement->state == state) {
			array_append_array(&successors,
					   &statement->successors);
		}
	}
	str_append(str, server_state_word(state));
	successors_append(str, &successors);
	return str_c(str);
}

int referral_server_map_lookup(const struct referral_map *_map,
			       const char *name, const char **value_r)
{
	const struct referral_server_map *map =
		container_of(_map, const struct referral_server_map, map);
	const struct referral_server *server, *host;
	enum referral_server_map_state state;
	const char *port = strrchr(name, ':');

	i_assert(port != NULL);
	server = hash_table_lookup(map->servers, name);
	host = hash_table_lookup(map->servers, (const char *)t_strconcat(
		t_strdup_until(name, port), ":0", NULL));
	if (server_get_state(host) > server_get_state(server))
		server = host;
	state = server_get_state(server);
	switch (state) {
	case REFERRAL_SERVER_MAP_ACTIVE:
		return 0;
	case REFERRAL_SERVER_MAP_UNKNOWN:
		return -1;
	case REFERRAL_SERVER_MAP_DRAIN:
	case REFERRAL_SERVER_MAP_DOWN:
		*value_r = server_get_value(server, state);
		return 1;
	}
	i_unreached();
}

static void referral_server_map_free(struct referral_map *_map)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);
	struct hash_iterate_context *iter;
	struct referral_server *server;
	const char *name;

	iter = hash_table_iterate_init(map->servers);
	while (hash_table_iterate(iter, map->servers, &name, &server))
		server_free(server);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&map->servers);
	referral_map_free_entries(_map);
	i_free(map);
}

static unsigned int referral_server_map_count(const struct referral_map *_map)
{
	const struct referral_server_map *map =
		container_of(_map, const struct referral_server_map, map);

	return hash_table_count(map->servers);
}

static void
referral_server_map_remove_part(struct referral_map *_map,
				struct referral_map_part *part)
{
	struct referral_server_map *map =
		container_of(_map, struct referral_server_map, map);
	struct referral_server_statement *statement =
		container_of(part, struct referral_server_statement, part);
	struct referral_server *server = statement->server;

	statement_free(statement);
	if (server->statements == NULL) {
		hash_table_remove(map->servers, (const char *)server->name);
		server_free(server);
	}
}

static void
referral_server_map_copy_part(const struct referral_map_part *part,
			      struct referral_map *_dest)
{
	struct referral_server_map *dest =
		container_of(_dest, struct referral_server_map, map);
	const struct referral_server_statement *statement =
		container_of(part, const struct referral_server_statement,
			     part);

	server_map_add(dest, statement->server->name, statement->state,
		       &statement->successors);
}

static const struct referral_map_vfuncs referral_server_map_vfuncs = {
	.free = referral_server_map_free,
	.count = referral_server_map_count,
	.remove_part = referral_server_map_remove_part,
	.copy_part = referral_server_map_copy_part,
};

struct referral_map *referral_server_map_init(void)
{
	struct referral_server_map *map;

	map = i_new(struct referral_server_map, 1);
	referral_map_init(&map->map, &referral_server_map_vfuncs);
	hash_table_create(&map->servers, default_pool, 0, str_hash, strcmp);
	return &map->map;
}
