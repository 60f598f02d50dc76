/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-mailbox-map.h"
#include "fuzz.h"

/* What the entries of a directory with a few entries say: the mailboxes of
   each as bits, and the server that they are on. */
#define ENTRIES_COUNT 8
#define NAMES_COUNT 6

static const char *const names[NAMES_COUNT] = {
	"a", "a/b", "a/b/c", "a/d", "b", "ab"
};

struct model_entry {
	unsigned char names, server;
	enum referral_map_mark mark;
};

static void uuid_get(unsigned int idx, guid_128_t uuid_r)
{
	memset(uuid_r, 0, GUID_128_SIZE);
	uuid_r[0] = idx;
}

/* Say it in the map. Servers that are 0 are broken locations. */
static void
entry_add(struct referral_map *map, unsigned int idx,
	  const struct model_entry *entry)
{
	struct referral_ldap_value value;
	guid_128_t uuid;
	unsigned int i;

	i_zero(&value);
	value.url.host = t_strdup_printf("h%u", entry->server);
	value.url.port = REFERRAL_DEFAULT_PORT;
	value.preference = entry->server % 3;
	uuid_get(idx, uuid);
	referral_map_entry_begin(map, uuid);
	for (i = 0; i < NAMES_COUNT; i++) {
		if ((entry->names & (1 << i)) == 0)
			continue;
		if (entry->server == 0)
			referral_mailbox_map_add_broken(map, names[i]);
		else
			referral_mailbox_map_add(map, names[i], &value);
	}
	referral_map_entry_end(map);
}

/* Check that both maps answer the same. */
static void
check_same(struct referral_map *map1, struct referral_map *map2)
{
	struct referral_mailbox_list *list1, *list2;
	const char *name1, *name2, *value1, *value2;
	unsigned int i;
	int ret;

	fuzz_check(referral_map_count(map1) == referral_map_count(map2));
	for (i = 0; i < NAMES_COUNT; i++) {
		value1 = value2 = NULL;
		name1 = t_strconcat(names[i], "/x", NULL);
		ret = referral_mailbox_map_lookup(map1, name1, &value1);
		fuzz_check(referral_mailbox_map_lookup(map2, name1,
						       &value2) == ret);
		fuzz_check(ret <= 0 || strcmp(value1, value2) == 0);
	}
	for (i = 0; i < 8; i++) {
		name1 = t_strdup_printf("h%u:143", i);
		fuzz_check(referral_mailbox_map_has_server(map1, name1) ==
			   referral_mailbox_map_has_server(map2, name1));
	}
	list1 = referral_mailbox_map_get_list(map1);
	list2 = referral_mailbox_map_get_list(map2);
	fuzz_check(referral_mailbox_list_count(list1) ==
		   referral_mailbox_list_count(list2));
	for (i = 0; i < referral_mailbox_list_count(list1); i++) {
		referral_mailbox_list_get(list1, i, &name1, &value1);
		referral_mailbox_list_get(list2, i, &name2, &value2);
		fuzz_check(strcmp(name1, name2) == 0);
		fuzz_check(null_strcmp(value1, value2) == 0);
	}
	referral_mailbox_list_unref(&list1);
	referral_mailbox_list_unref(&list2);
}

static struct referral_map *model_map(const struct model_entry *model)
{
	struct referral_map *map = referral_mailbox_map_init();
	unsigned int i;

	for (i = 0; i < ENTRIES_COUNT; i++)
		entry_add(map, i, &model[i]);
	referral_map_finish(map);
	return map;
}

static void
apply(struct referral_map *map, struct model_entry *model,
      bool remove_unmarked, unsigned char bits, unsigned char server)
{
	struct referral_map *changes = referral_mailbox_map_init();
	guid_128_t uuid;
	unsigned int i;

	for (i = 0; i < ENTRIES_COUNT; i++) {
		if ((bits & (1 << i)) != 0) {
			/* what it said is over, also if it says nothing now */
			uuid_get(i, uuid);
			referral_map_mark_entry(map, uuid,
						REFERRAL_MAP_MARK_GONE);
		}
		if (model[i].mark == REFERRAL_MAP_MARK_GONE ||
		    (remove_unmarked &&
		     model[i].mark == REFERRAL_MAP_MARK_NONE))
			model[i].names = 0;
		if ((bits & (1 << i)) != 0) {
			model[i].names = bits ^ (server << i);
			model[i].server = server % 8;
			entry_add(changes, i, &model[i]);
		}
	}
	referral_map_finish(changes);
	referral_map_apply(map, remove_unmarked, changes);
	referral_map_unref(&changes);
}

/* Changes of a map, three bytes each: at any time it answers as one that was
   made of what the entries say by then. */
void fuzz_one(const unsigned char *data, size_t size)
{
	struct referral_map *map = referral_mailbox_map_init(), *expected;
	struct referral_mailbox_list *old_list = NULL;
	struct model_entry model[ENTRIES_COUNT], *entry;
	unsigned int i, old_count = 0;
	guid_128_t uuid;

	i_zero(&model);
	referral_map_finish(map);
	for (; size >= 3; data += 3, size -= 3) T_BEGIN {
		entry = &model[data[0] % ENTRIES_COUNT];
		uuid_get(entry - model, uuid);
		switch (data[0] / ENTRIES_COUNT % 8) {
		case 0:
		case 1:
			entry->names = data[1] % (1 << NAMES_COUNT);
			entry->server = data[2] % 8;
			entry_add(map, entry - model, entry);
			break;
		case 2:
			entry->names = 0;
			referral_map_remove_entry(map, uuid);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			/* all marks belong to one refresh */
			for (i = 0; i < ENTRIES_COUNT; i++) {
				uuid_get(i, uuid);
				model[i].mark = data[1] >> i & 1 ?
					REFERRAL_MAP_MARK_PRESENT :
					data[2] >> i & 1 ?
					REFERRAL_MAP_MARK_GONE :
					REFERRAL_MAP_MARK_NONE;
			}
			referral_map_unmark(map);
			for (i = 0; i < ENTRIES_COUNT; i++) {
				uuid_get(i, uuid);
				referral_map_mark_entry(map, uuid,
							model[i].mark);
			}
			apply(map, model, data[0] >= 128, data[1], data[2]);
			break;
		case 7:
			/* it stays as it is now */
			referral_mailbox_list_unref(&old_list);
			old_list = referral_mailbox_map_get_list(map);
			old_count = referral_mailbox_list_count(old_list);
			break;
		}
		for (i = 0; i < ENTRIES_COUNT; i++) {
			/* an entry that says nothing more is not known */
			model[i].names %= 1 << NAMES_COUNT;
		}
		expected = model_map(model);
		check_same(map, expected);
		referral_map_unref(&expected);
		fuzz_check(old_list == NULL ||
			   referral_mailbox_list_count(old_list) == old_count);
	} T_END;
	referral_mailbox_list_unref(&old_list);
	referral_map_unref(&map);
}
