/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-server-map.h"
#include "unit-common.h"

#define ACTIVE REFERRAL_SERVER_MAP_ACTIVE
#define UNKNOWN REFERRAL_SERVER_MAP_UNKNOWN
#define DRAIN REFERRAL_SERVER_MAP_DRAIN
#define DOWN REFERRAL_SERVER_MAP_DOWN

struct test_server {
	/* NULL ends an array of them */
	const char *name;
	enum referral_server_map_state state;
	/* Separated by a comma; "" is none */
	const char *successors;
};

static void
map_add(struct referral_map *map, const struct test_server *server)
{
	ARRAY_TYPE(referral_ldap_value) successors;
	struct referral_ldap_value value;
	struct referral_url url;
	const char *const *strings, *error;

	if (referral_url_parse_server(pool_datastack_create(), server->name, 0,
				      &url, &error) < 0)
		i_panic("%s: %s", server->name, error);
	t_array_init(&successors, 2);
	for (strings = t_strsplit_spaces(server->successors, ",");
	     *strings != NULL; strings++) {
		if (referral_ldap_value_parse(pool_datastack_create(),
					      *strings, strlen(*strings), 143,
					      &value, &error) < 0)
			i_panic("%s: %s", *strings, error);
		array_push_back(&successors, &value);
	}
	referral_server_map_add(map, &url, server->state, &successors);
}

static void
check_lookup(const struct test_server *servers, const char *name,
	     const char *result, unsigned int idx)
{
	struct referral_map *map = referral_server_map_init();
	const char *value = NULL;
	int ret;

	/* whatever the data stack had is copied */
	for (; servers->name != NULL; servers++) T_BEGIN {
		map_add(map, servers);
	} T_END;
	referral_map_finish(map);
	ret = referral_server_map_lookup(map, name, &value);
	if (strcmp(result, "error") == 0)
		test_assert_idx(ret == -1, idx);
	else if (strcmp(result, "none") == 0)
		test_assert_idx(ret == 0, idx);
	else {
		test_assert_idx(ret == 1, idx);
		test_assert_strcmp_idx(value, result, idx);
	}
	referral_map_unref(&map);
	test_assert_idx(map == NULL, idx);
}

static void test_referral_server_map_lookup(void)
{
	static const struct {
		struct test_server servers[4];
		const char *name, *result;
	} tests[] = {
		/* 0: states */
		{ { { NULL, 0, NULL } }, "a:143", "none" },
		{ { { "a", ACTIVE, "b" } }, "a:143", "none" },
		{ { { "a", UNKNOWN, "b" } }, "a:143", "error" },
		{ { { "a", DRAIN, "b" } }, "a:143", "drain imap://b/" },
		{ { { "a", DOWN, "b" } }, "a:143", "down imap://b/" },
		{ { { "a", DRAIN, "" } }, "a:143", "drain" },
		{ { { "a", DOWN, "" } }, "a:143", "down" },
		/* 7: successors by preference */
		{ { { "a", DRAIN, "d 2,c 1,b 3,e" } }, "a:143",
		  "drain imap://e/ imap://c/ imap://d/ imap://b/" },
		{ { { "a", DRAIN, "imap://c:1143/Shared/x,[::1]:993" } },
		  "a:143", "drain imap://[::1]:993/ imap://c:1143/" },
		/* 9: others */
		{ { { "a", DOWN, "b" } }, "b:143", "none" },
		{ { { "a", DOWN, "b" } }, "a.example.org:143", "none" },
		{ { { "a", DOWN, "" }, { "b", DRAIN, "" } }, "b:143",
		  "drain" },
		/* 12: ports */
		{ { { "a", DOWN, "" } }, "a:10143", "down" },
		{ { { "a:993", DOWN, "" } }, "a:993", "down" },
		{ { { "a:993", DOWN, "" } }, "a:143", "none" },
		{ { { "a:143", DOWN, "" } }, "a:143", "down" },
		{ { { "[::1]", DOWN, "" } }, "[::1]:10143", "down" },
		{ { { "[::1]:993", DOWN, "" } }, "[::1]:143", "none" },
		{ { { "192.0.2.1", DOWN, "" } }, "192.0.2.1:143", "down" },
		/* 19: the worse one of host and host:port */
		{ { { "a:993", DRAIN, "b" }, { "a", DOWN, "c" } }, "a:993",
		  "down imap://c/" },
		{ { { "a:993", DOWN, "b" }, { "a", DRAIN, "c" } }, "a:993",
		  "down imap://b/" },
		{ { { "a:993", DOWN, "b" }, { "a", DRAIN, "c" } }, "a:143",
		  "drain imap://c/" },
		{ { { "a:993", DOWN, "b" }, { "a", DOWN, "c" } }, "a:993",
		  "down imap://b/" },
		{ { { "a:993", ACTIVE, "b" }, { "a", DOWN, "c" } }, "a:993",
		  "down imap://c/" },
		{ { { "a:993", UNKNOWN, "b" }, { "a", ACTIVE, "c" } },
		  "a:993", "error" },
		/* 25: of several entries, in any order */
		{ { { "a", DRAIN, "b" }, { "a", DOWN, "c" } }, "a:143",
		  "down imap://c/" },
		{ { { "a", DOWN, "c" }, { "a", DRAIN, "b" } }, "a:143",
		  "down imap://c/" },
		{ { { "a", ACTIVE, "b" }, { "a", DRAIN, "c" },
		    { "a", ACTIVE, "" } }, "a:143", "drain imap://c/" },
		{ { { "a", UNKNOWN, "b" }, { "a", ACTIVE, "" } }, "a:143",
		  "error" },
		{ { { "a", UNKNOWN, "b" }, { "a", DRAIN, "c" } }, "a:143",
		  "drain imap://c/" },
		/* 30: both successors; the same one is there once */
		{ { { "a", DOWN, "d 2" }, { "a", DOWN, "c 1" } }, "a:143",
		  "down imap://c/ imap://d/" },
		{ { { "a", DOWN, "c,d" }, { "a", DOWN, "c,d:993" } }, "a:143",
		  "down imap://c/ imap://d/ imap://d:993/" },
	};
	unsigned int i;

	test_begin("referral server map: lookup");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		check_lookup(tests[i].servers, tests[i].name, tests[i].result,
			     i);
	} T_END;
	test_end();
}

static void test_referral_server_map_count(void)
{
	static const struct test_server servers[] = {
		{ "a", ACTIVE, "" },
		{ "A.", DOWN, "" },
		{ "a:143", DOWN, "" },
		{ "b", UNKNOWN, "" },
	};
	static const unsigned int counts[] = { 1, 1, 2, 3 };
	struct referral_map *map, *map2;
	const char *value;
	unsigned int i;

	test_begin("referral server map: count");
	map = referral_server_map_init();
	test_assert(referral_map_count(map) == 0);
	for (i = 0; i < N_ELEMENTS(servers); i++) {
		map_add(map, &servers[i]);
		test_assert_idx(referral_map_count(map) == counts[i], i);
	}
	referral_map_finish(map);
	test_assert(referral_map_count(map) == 3);

	map2 = map;
	referral_map_ref(map);
	referral_map_unref(&map);
	test_assert(referral_server_map_lookup(map2, "a:1", &value) == 1);
	referral_map_unref(&map2);
	/* there is none any more */
	referral_map_unref(&map2);
	test_end();
}

/* Entry by entry */
static void test_referral_server_map_change(void)
{
	static const guid_128_t ids[] = { { 1 }, { 2 } };
	static const struct test_server
		a_drain = { "a", DRAIN, "b 2,c 1" },
		a_down = { "a", DOWN, "b,d" },
		b_down = { "b", DOWN, "" };
	struct referral_map *map = referral_server_map_init(), *changes;
	const char *value;

	test_begin("referral server map: changes");
	referral_map_entry_begin(map, ids[0]);
	map_add(map, &a_drain);
	map_add(map, &b_down);
	referral_map_entry_end(map);
	referral_map_entry_begin(map, ids[1]);
	map_add(map, &a_down);
	referral_map_entry_end(map);
	referral_map_finish(map);
	test_assert(referral_map_count(map) == 2);
	test_assert(referral_server_map_lookup(map, "a:1", &value) == 1);
	test_assert_strcmp(value, "down imap://b/ imap://d/");

	referral_map_remove_entry(map, ids[1]);
	test_assert(referral_server_map_lookup(map, "a:1", &value) == 1);
	test_assert_strcmp(value, "drain imap://c/ imap://b/");
	referral_map_entry_begin(map, ids[0]);
	map_add(map, &b_down);
	referral_map_entry_end(map);
	test_assert(referral_map_count(map) == 1);
	test_assert(referral_server_map_lookup(map, "a:1", &value) == 0);
	test_assert(referral_server_map_lookup(map, "b:1", &value) == 1);

	changes = referral_server_map_init();
	referral_map_entry_begin(changes, ids[1]);
	map_add(changes, &a_drain);
	referral_map_entry_end(changes);
	referral_map_unmark(map);
	referral_map_apply(map, TRUE, changes);
	referral_map_unref(&changes);
	test_assert(referral_server_map_lookup(map, "b:1", &value) == 0);
	test_assert(referral_server_map_lookup(map, "a:1", &value) == 1);
	test_assert_strcmp(value, "drain imap://c/ imap://b/");
	referral_map_unref(&map);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_server_map_lookup,
		test_referral_server_map_count,
		test_referral_server_map_change,
		NULL
	};
	return unit_run(test_functions);
}
