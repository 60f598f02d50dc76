/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-mailbox-map.h"
#include "referral-reader.h"
#include "unit-common.h"

static void
map_add(struct referral_map *map, const char *name, const char *str)
{
	struct referral_ldap_value value;
	const char *error;

	if (*str == '\0') {
		referral_mailbox_map_add_broken(map, name);
		return;
	}
	if (referral_ldap_value_parse(pool_datastack_create(), str,
				      strlen(str), 143, &value, &error) < 0)
		i_panic("%s: %s", str, error);
	referral_mailbox_map_add(map, name, &value);
}

/* Pairs of a name and a value ("" is broken), ended by NULL */
static struct referral_map *map_create(const char *const *pairs)
{
	struct referral_map *map = referral_mailbox_map_init();

	for (; pairs[0] != NULL; pairs += 2) T_BEGIN {
		map_add(map, pairs[0], pairs[1]);
	} T_END;
	referral_map_finish(map);
	return map;
}

static const char *const test_map[] = {
	"Shared/sales", "imap://imap2/Shared/sales",
	"Shared/sales/2026", "imap://imap3/Shared/sales/2026",
	"Shared/sales/2026/q1/deep", "imap://imap4/Shared/elsewhere",
	/* the same name there */
	"Shared/host", "imap2.example.org",
	"Shared/port", "imap2.example.org:10143",
	/* replicas */
	"Shared/many", "imap://b/Shared/many 20",
	"Shared/many", "imap://a/Shared/many 30",
	"Shared/many", "imap://c/Shared/many 10",
	/* broken */
	"Shared/broken", "",
	"Shared/sales/broken", "",
	"Shared/half", "",
	"Shared/half", "imap://a/Shared/half",
	"Shared/half2", "imap://a/Shared/half2",
	"Shared/half2", "",
	"B\xc3\xbcro & co", "imap://imap3/B%C3%BCro%20%26%20co",
	"top", "imap://imap1/top",
	NULL
};

static void test_referral_mailbox_map_lookup(void)
{
	static const struct {
		const char *name;
		int ret;
		const char *value;
	} tests[] = {
		/* 0: exactly */
		{ "Shared/sales", 1, "imap://imap2/Shared/sales" },
		{ "Shared/sales/2026", 1, "imap://imap3/Shared/sales/2026" },
		{ "Shared/host", 1, "imap://imap2.example.org/Shared/host" },
		{ "Shared/port", 1,
		  "imap://imap2.example.org:10143/Shared/port" },
		{ "B\xc3\xbcro & co", 1, "imap://imap3/B%C3%BCro%20%26%20co" },
		{ "top", 1, "imap://imap1/top" },
		/* 6: by an ancestor, and its rest encoded */
		{ "Shared/sales/2025", 1, "imap://imap2/Shared/sales/2025" },
		{ "Shared/sales/2025/q1", 1,
		  "imap://imap2/Shared/sales/2025/q1" },
		{ "Shared/host/x", 1,
		  "imap://imap2.example.org/Shared/host/x" },
		{ "B\xc3\xbcro & co/a b]%\"", 1,
		  "imap://imap3/B%C3%BCro%20%26%20co/a%20b%5D%25%22" },
		{ "top/\xe2\x82\xac", 1, "imap://imap1/top/%E2%82%AC" },
		/* 11: by the longest one */
		{ "Shared/sales/2026/q1", 1,
		  "imap://imap3/Shared/sales/2026/q1" },
		{ "Shared/sales/2026/q1/deep", 1,
		  "imap://imap4/Shared/elsewhere" },
		{ "Shared/sales/2026/q1/deep/er", 1,
		  "imap://imap4/Shared/elsewhere/er" },
		{ "Shared/sales/2026/q1/dee", 1,
		  "imap://imap3/Shared/sales/2026/q1/dee" },
		/* 15: replicas, in order, and each with the rest */
		{ "Shared/many", 1, "imap://c/Shared/many "
		  "imap://b/Shared/many imap://a/Shared/many" },
		{ "Shared/many/x y", 1, "imap://c/Shared/many/x%20y "
		  "imap://b/Shared/many/x%20y imap://a/Shared/many/x%20y" },
		/* 17: a failure, not "local" and not the next ancestor's */
		{ "Shared/broken", -1, NULL },
		{ "Shared/broken/x", -1, NULL },
		{ "Shared/sales/broken", -1, NULL },
		{ "Shared/sales/broken/x/y", -1, NULL },
		{ "Shared/half", 1, "imap://a/Shared/half" },
		{ "Shared/half2/x", 1, "imap://a/Shared/half2/x" },
		/* 23: not listed */
		{ "Shared", 0, NULL },
		{ "Shared/", 0, NULL },
		{ "Shared/sale", 0, NULL },
		{ "Shared/saless", 0, NULL },
		{ "Shared/Sales", 0, NULL },
		{ "sales", 0, NULL },
		{ "INBOX", 0, NULL },
		/* 30 */
		{ "top2", 0, NULL },
		{ "to", 0, NULL },
		{ "2026", 0, NULL },
		{ "*", 0, NULL },
		{ "%", 0, NULL },
		{ "Shared/*", 0, NULL },
		{ "a/b/c/d/e/f/g/h", 0, NULL },
	};
	struct referral_map *map;
	const char *value;
	unsigned int i;

	test_begin("referral mailbox map: lookup");
	map = map_create(test_map);
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		value = NULL;
		test_assert_idx(referral_mailbox_map_lookup(map, tests[i].name,
			&value) == tests[i].ret, i);
		if (tests[i].ret > 0)
			test_assert_strcmp_idx(value, tests[i].value, i);
	} T_END;
	referral_map_unref(&map);
	test_assert(map == NULL);
	test_end();
}

static void test_referral_mailbox_map_lookup_long(void)
{
	struct referral_map *map;
	string_t *name = t_str_new(8192);
	const char *value = NULL;

	test_begin("referral mailbox map: lookup of long names");
	map = map_create(test_map);
	str_append(name, "Shared/sales");
	while (str_len(name) + 2 <= REFERRAL_MAX_MAILBOX_LENGTH)
		str_append(name, "/x");
	test_assert(referral_mailbox_map_lookup(map, str_c(name),
						&value) == 1);
	test_assert_strcmp(value, t_strconcat("imap://imap2/", str_c(name),
					      NULL));
	str_truncate(name, 0);
	while (str_len(name) + 2 <= REFERRAL_MAX_MAILBOX_LENGTH)
		str_append(name, "x/");
	str_append_c(name, 'x');
	test_assert(referral_mailbox_map_lookup(map, str_c(name),
						&value) == 0);
	referral_map_unref(&map);
	test_end();
}

static void test_referral_mailbox_map_get(void)
{
	static const struct {
		const char *name, *value;
	} tests[] = {
		/* in the order of bytes */
		{ "B\xc3\xbcro & co", "imap://imap3/B%C3%BCro%20%26%20co" },
		{ "Shared/broken", NULL },
		{ "Shared/half", "imap://a/Shared/half" },
		{ "Shared/half2", "imap://a/Shared/half2" },
		{ "Shared/host", "imap://imap2.example.org/Shared/host" },
		{ "Shared/many", "imap://c/Shared/many "
		  "imap://b/Shared/many imap://a/Shared/many" },
		{ "Shared/port", "imap://imap2.example.org:10143/Shared/port" },
		{ "Shared/sales", "imap://imap2/Shared/sales" },
		{ "Shared/sales/2026", "imap://imap3/Shared/sales/2026" },
		{ "Shared/sales/2026/q1/deep",
		  "imap://imap4/Shared/elsewhere" },
		{ "Shared/sales/broken", NULL },
		{ "top", "imap://imap1/top" },
	};
	struct referral_map *map;
	struct referral_mailbox_list *list;
	const char *name, *value;
	unsigned int i;

	test_begin("referral mailbox map: iterate");
	map = map_create(test_map);
	test_assert(referral_map_count(map) == N_ELEMENTS(tests));
	list = referral_mailbox_map_get_list(map);
	test_assert(referral_mailbox_list_count(list) == N_ELEMENTS(tests));
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		referral_mailbox_list_get(list, i, &name, &value);
		test_assert_strcmp_idx(name, tests[i].name, i);
		test_assert_strcmp_idx(value, tests[i].value, i);
	}
	referral_mailbox_list_unref(&list);
	test_assert(list == NULL);
	referral_map_unref(&map);
	test_end();
}

static void test_referral_mailbox_map_has_server(void)
{
	static const struct {
		const char *server;
		bool has;
	} tests[] = {
		{ "imap2:143", TRUE },
		{ "imap3:143", TRUE },
		{ "imap2.example.org:143", TRUE },
		{ "imap2.example.org:10143", TRUE },
		/* all replicas, and not the broken ones */
		{ "a:143", TRUE },
		{ "b:143", TRUE },
		{ "c:143", TRUE },
		{ "imap2:10143", FALSE },
		{ "imap2", FALSE },
		{ "imap9:143", FALSE },
		{ "", FALSE },
	};
	static const char *const ipv6[] = {
		"a", "imap://[2001:DB8::1]/a", NULL
	};
	struct referral_map *map;
	unsigned int i;

	test_begin("referral mailbox map: servers");
	map = map_create(test_map);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_mailbox_map_has_server(map,
			tests[i].server) == tests[i].has, i);
	}
	referral_map_unref(&map);
	map = map_create(ipv6);
	test_assert(referral_mailbox_map_has_server(map,
						    "[2001:db8::1]:143"));
	referral_map_unref(&map);
	test_end();
}

static void test_referral_mailbox_map_empty(void)
{
	static const char *const none[] = { NULL };
	struct referral_map *map, *map2;
	const char *value;

	test_begin("referral mailbox map: empty");
	map = map_create(none);
	test_assert(referral_map_count(map) == 0);
	test_assert(referral_mailbox_map_lookup(map, "a", &value) == 0);
	test_assert(referral_mailbox_map_lookup(map, "a/b", &value) == 0);
	test_assert(!referral_mailbox_map_has_server(map, "a:143"));

	/* the last reference counts */
	map2 = map;
	referral_map_ref(map2);
	referral_map_unref(&map);
	test_assert(map == NULL);
	test_assert(referral_map_count(map2) == 0);
	referral_map_unref(&map2);
	/* and none is fine */
	referral_map_unref(&map2);
	test_end();
}

/* Everything is copied: values come from a search result that goes away. */
static void test_referral_mailbox_map_copies(void)
{
	struct referral_map *map;
	struct referral_ldap_value value;
	char host[] = "imap2", name[] = "Shared/a", mailbox[] = "Shared/b";
	const char *result;

	test_begin("referral mailbox map: values are copied");
	map = referral_mailbox_map_init();
	i_zero(&value);
	value.url.host = host;
	value.url.port = 143;
	value.url.mailbox = mailbox;
	referral_mailbox_map_add(map, name, &value);
	host[0] = name[0] = mailbox[0] = 'x';
	referral_map_finish(map);
	test_assert(referral_mailbox_map_lookup(map, "Shared/a",
						&result) == 1);
	test_assert_strcmp(result, "imap://imap2/Shared/b");
	referral_map_unref(&map);
	test_end();
}

static void test_referral_mailbox_map_many(void)
{
	struct referral_map *map = referral_mailbox_map_init();
	struct referral_mailbox_list *list;
	const char *name, *prev = "", *value;
	unsigned int i;

	test_begin("referral mailbox map: many mailboxes");
	for (i = 0; i < 10000; i++) T_BEGIN {
		map_add(map, t_strdup_printf("Shared/%u", i * 7919 % 10000),
			"imap2");
	} T_END;
	referral_map_finish(map);
	test_assert(referral_map_count(map) == 10000);
	list = referral_mailbox_map_get_list(map);
	for (i = 0; i < 10000; i++) T_BEGIN {
		referral_mailbox_list_get(list, i, &name, &value);
		test_assert_idx(strcmp(prev, name) < 0, i);
		prev = name;
	} T_END;
	referral_mailbox_list_unref(&list);
	test_assert(referral_mailbox_map_lookup(map, "Shared/9999/x",
						&value) == 1);
	test_assert_strcmp(value, "imap://imap2/Shared/9999/x");
	referral_map_unref(&map);
	test_end();
}

/* The UUIDs of entries */
static const guid_128_t ids[4] = { { 0 }, { 1 }, { 2 }, { 3 } };

/* What an entry says: as map_create() */
static void
map_set(struct referral_map *map, unsigned int id, const char *const *pairs)
{
	referral_map_entry_begin(map, ids[id]);
	for (; *pairs != NULL; pairs += 2)
		map_add(map, pairs[0], pairs[1]);
	referral_map_entry_end(map);
}
#define SET(map, id, ...) \
	map_set(map, id, (const char *const []){ __VA_ARGS__, NULL })

/* "<name>=<value>; ..." with "-" for broken */
static const char *list_dump(const struct referral_mailbox_list *list)
{
	string_t *str = t_str_new(256);
	const char *name, *value;
	unsigned int i;

	for (i = 0; i < referral_mailbox_list_count(list); i++) {
		referral_mailbox_list_get(list, i, &name, &value);
		if (i > 0)
			str_append(str, "; ");
		str_printfa(str, "%s=%s", name, value == NULL ? "-" : value);
	}
	return str_c(str);
}

static const char *map_dump(struct referral_map *map)
{
	struct referral_mailbox_list *list = referral_mailbox_map_get_list(map);
	const char *dump = list_dump(list);

	test_assert(referral_map_count(map) ==
		    referral_mailbox_list_count(list));
	referral_mailbox_list_unref(&list);
	return dump;
}

static void test_referral_mailbox_map_change(void)
{
	struct referral_map *map = referral_mailbox_map_init();
	const char *value;

	test_begin("referral mailbox map: changes");
	SET(map, 1, "b", "h1", "a", "h1");
	/* before it is finished, too */
	SET(map, 2, "c", "h2");
	SET(map, 2, "a", "h2 10");
	SET(map, 3, "x", "h3");
	referral_map_remove_entry(map, ids[3]);
	referral_map_finish(map);
	test_assert_strcmp(map_dump(map), "a=imap://h1/a imap://h2/a; "
			   "b=imap://h1/b");

	/* names come and go in order */
	SET(map, 3, "aa", "h3", "b/c", "imap://h3/d", "z", "");
	test_assert_strcmp(map_dump(map), "a=imap://h1/a imap://h2/a; "
		"aa=imap://h3/aa; b=imap://h1/b; b/c=imap://h3/d; z=-");
	test_assert(referral_mailbox_map_lookup(map, "b/c/x", &value) == 1);
	test_assert_strcmp(value, "imap://h3/d/x");
	test_assert(referral_mailbox_map_has_server(map, "h3:143"));
	SET(map, 3, "z", "h2");
	test_assert(!referral_mailbox_map_has_server(map, "h3:143"));
	test_assert_strcmp(map_dump(map), "a=imap://h1/a imap://h2/a; "
			   "b=imap://h1/b; z=imap://h2/z");
	test_assert(referral_mailbox_map_lookup(map, "b/c/x", &value) == 1);
	test_assert_strcmp(value, "imap://h1/b/c/x");

	/* what another entry says remains, broken ones too */
	SET(map, 1, "a", "");
	test_assert_strcmp(map_dump(map), "a=imap://h2/a; z=imap://h2/z");
	referral_map_remove_entry(map, ids[2]);
	test_assert_strcmp(map_dump(map), "a=-; z=imap://h2/z");
	test_assert(referral_mailbox_map_lookup(map, "a", &value) == -1);
	referral_map_remove_entry(map, ids[2]);
	referral_map_remove_entry(map, ids[1]);
	referral_map_remove_entry(map, ids[3]);
	test_assert_strcmp(map_dump(map), "");
	test_assert(!referral_mailbox_map_has_server(map, "h2:143"));
	referral_map_unref(&map);
	test_end();
}

/* The same place named twice, by one entry or several, is said once. */
static void test_referral_mailbox_map_twice(void)
{
	struct referral_map *map = referral_mailbox_map_init();
	const char *value;
	unsigned int i;

	test_begin("referral mailbox map: the same place twice");
	SET(map, 1, "a", "h1 20", "a", "imap://h1/a 5", "a", "h2 10");
	SET(map, 2, "a", "h1 7", "a", "imap://h1/A 6");
	referral_map_finish(map);
	test_assert_strcmp(map_dump(map),
			   "a=imap://h1/a imap://h1/A imap://h2/a");
	referral_map_remove_entry(map, ids[1]);
	test_assert_strcmp(map_dump(map), "a=imap://h1/A imap://h1/a");
	/* the best ones of a great many */
	referral_map_entry_begin(map, ids[1]);
	for (i = 0; i < 1000; i++) T_BEGIN {
		map_add(map, "a", t_strdup_printf("n%u %u", i,
						  (i * 7919 + 500) % 1000));
	} T_END;
	referral_map_entry_end(map);
	test_assert(referral_mailbox_map_lookup(map, "a", &value) == 1);
	test_assert(str_array_length(t_strsplit(value, " ")) ==
		    REFERRAL_MAX_URLS);
	test_assert(strncmp(value, "imap://n500/a ", 14) == 0);
	referral_map_unref(&map);
	test_end();
}

static void test_referral_mailbox_map_lists(void)
{
	struct referral_map *map = referral_mailbox_map_init();
	struct referral_mailbox_list *list, *list2, *list3;
	const char *before, *between;

	test_begin("referral mailbox map: lists do not change");
	SET(map, 1, "a", "h1", "c", "h1");
	SET(map, 2, "a", "imap://h2/other 5", "b", "h2");
	referral_map_finish(map);
	list = referral_mailbox_map_get_list(map);
	before = list_dump(list);
	test_assert_strcmp(before, "a=imap://h1/a imap://h2/other; "
			   "b=imap://h2/b; c=imap://h1/c");

	/* a mailbox that is changed, one that comes, one that goes */
	SET(map, 2, "a", "h3", "d", "h3");
	between = map_dump(map);
	test_assert_strcmp(between, "a=imap://h1/a imap://h3/a; "
			   "c=imap://h1/c; d=imap://h3/d");
	test_assert_strcmp(list_dump(list), before);
	/* only what is there now counts */
	test_assert(!referral_mailbox_map_has_server(map, "h2:143"));
	test_assert(referral_mailbox_map_has_server(map, "h3:143"));

	list2 = referral_mailbox_map_get_list(map);
	list3 = referral_mailbox_map_get_list(map);
	referral_map_remove_entry(map, ids[1]);
	SET(map, 2, "a", "h4");
	test_assert_strcmp(map_dump(map), "a=imap://h4/a");
	test_assert_strcmp(list_dump(list), before);
	test_assert_strcmp(list_dump(list2), between);
	referral_mailbox_list_unref(&list);
	/* they outlive the map */
	referral_map_unref(&map);
	test_assert_strcmp(list_dump(list2), between);
	referral_mailbox_list_unref(&list2);
	test_assert_strcmp(list_dump(list3), between);
	referral_mailbox_list_unref(&list3);
	referral_mailbox_list_unref(&list3);
	test_end();
}

static void test_referral_mailbox_map_apply(void)
{
	struct referral_map *map = referral_mailbox_map_init();
	struct referral_map *changes;

	test_begin("referral mailbox map: changes at once");
	SET(map, 0, "a", "h0");
	SET(map, 1, "b", "h1");
	SET(map, 2, "c", "h2");
	referral_map_finish(map);

	/* only what is said to be gone */
	changes = referral_mailbox_map_init();
	referral_map_unmark(map);
	referral_map_mark_entry(map, ids[1], REFERRAL_MAP_MARK_GONE);
	referral_map_mark_entry(map, ids[3], REFERRAL_MAP_MARK_GONE);
	SET(changes, 2, "c", "imap://h5/e 3", "d", "");
	test_assert_strcmp(map_dump(map), "a=imap://h0/a; b=imap://h1/b; "
			   "c=imap://h2/c");
	referral_map_apply(map, FALSE, changes);
	referral_map_unref(&changes);
	test_assert_strcmp(map_dump(map), "a=imap://h0/a; c=imap://h5/e; d=-");

	/* all but what is said to be there */
	changes = referral_mailbox_map_init();
	referral_map_unmark(map);
	referral_map_mark_entry(map, ids[0], REFERRAL_MAP_MARK_PRESENT);
	SET(changes, 3, "f", "h3");
	referral_map_apply(map, TRUE, changes);
	referral_map_unref(&changes);
	test_assert_strcmp(map_dump(map), "a=imap://h0/a; f=imap://h3/f");

	/* and it can be changed from then on */
	referral_map_remove_entry(map, ids[3]);
	SET(map, 0, "g", "h0");
	test_assert_strcmp(map_dump(map), "g=imap://h0/g");
	referral_map_unref(&map);
	test_end();
}

/* Whose they are, however entries and lists change. */
static void test_referral_mailbox_map_readers(void)
{
	static const char *const public[] = { "a", "imap://imap1/a", NULL };
	static const char *const private[] = {
		"b", "imap://imap2/b", "c", "imap://imap2/c", NULL
	};
	struct referral_map *map = referral_mailbox_map_init(), *changes;
	struct referral_mailbox_list *list;
	struct referral_readers *readers = referral_readers_init();
	struct referral_reader *joe = referral_reader_init("joe");
	struct referral_reader *ann = referral_reader_init("ann");
	const char *name, *value, *error;

	test_begin("referral mailbox map: readers");
	test_assert(referral_readers_add(readers, "joe", 3, &error));
	map_set(map, 0, public);
	referral_mailbox_map_set_readers(map, readers);
	map_set(map, 1, private);
	referral_mailbox_map_set_readers(map, NULL);
	referral_map_finish(map);
	test_assert(referral_mailbox_map_lookup_for(map, "a", ann,
						    &value) == 1);
	test_assert(referral_mailbox_map_lookup_for(map, "b/x", joe,
						    &value) == 1);
	test_assert(referral_mailbox_map_lookup_for(map, "b/x", ann,
						    &value) == 0);
	/* whoever it is */
	test_assert(referral_mailbox_map_lookup(map, "b/x", &value) == 1);
	test_assert(!referral_mailbox_map_needs_dns(map, NULL, ann));

	/* while somebody has the list of before */
	list = referral_mailbox_map_get_list(map);
	changes = referral_mailbox_map_init();
	referral_mailbox_map_set_readers(changes, readers);
	map_set(changes, 0, public);
	referral_mailbox_map_set_readers(changes, NULL);
	map_set(changes, 1, private);
	referral_map_apply(map, FALSE, changes);
	referral_map_unref(&changes);
	test_assert(referral_mailbox_map_lookup_for(map, "a", ann,
						    &value) == 0);
	test_assert(referral_mailbox_map_lookup_for(map, "a", joe,
						    &value) == 1);
	test_assert(referral_mailbox_map_lookup_for(map, "b", ann,
						    &value) == 1);
	test_assert(referral_mailbox_list_count(list) == 3);
	referral_mailbox_list_get_for(list, 0, ann, &name, &value);
	test_assert_strcmp(value, "imap://imap1/a");
	referral_mailbox_list_get_for(list, 1, ann, &name, &value);
	test_assert_strcmp(name, "b");
	test_assert(value == NULL);
	referral_mailbox_list_get_for(list, 1, joe, &name, &value);
	test_assert_strcmp(value, "imap://imap2/b");
	referral_mailbox_list_unref(&list);

	/* who is in a group that is not known */
	referral_readers_unref(&readers);
	readers = referral_readers_init();
	test_assert(referral_readers_add(readers, "cn=x", 4, &error));
	referral_mailbox_map_set_readers(map, readers);
	map_set(map, 1, private);
	referral_mailbox_map_set_readers(map, NULL);
	test_assert(referral_mailbox_map_needs_dns(map, NULL, ann));
	test_assert(referral_mailbox_map_needs_dns(map, "b/x", ann));
	test_assert(!referral_mailbox_map_needs_dns(map, "a", ann));
	test_assert(!referral_mailbox_map_needs_dns(map, "d", ann));
	referral_map_remove_entry(map, ids[1]);
	test_assert(!referral_mailbox_map_needs_dns(map, NULL, ann));
	referral_readers_unref(&readers);
	referral_reader_unref(&joe);
	referral_reader_unref(&ann);
	referral_map_unref(&map);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_mailbox_map_lookup,
		test_referral_mailbox_map_lookup_long,
		test_referral_mailbox_map_get,
		test_referral_mailbox_map_has_server,
		test_referral_mailbox_map_empty,
		test_referral_mailbox_map_copies,
		test_referral_mailbox_map_many,
		test_referral_mailbox_map_change,
		test_referral_mailbox_map_twice,
		test_referral_mailbox_map_lists,
		test_referral_mailbox_map_apply,
		test_referral_mailbox_map_readers,
		NULL
	};
	return unit_run(test_functions);
}
