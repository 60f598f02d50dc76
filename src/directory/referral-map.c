/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "referral-map.h"

struct referral_map_entry {
	guid_128_t uuid;
	/* The last one that was added is the first one. */
	struct referral_map_part *parts;
	enum referral_map_mark mark;
};

void referral_map_init(struct referral_map *map,
		       const struct referral_map_vfuncs *v)
{
	map->v = v;
	map->refcount = 1;
	hash_table_create(&map->entries, default_pool, 0, guid_128_hash,
			  guid_128_cmp);
}

void referral_map_own_part(struct referral_map *map,
			   struct referral_map_part *part)
{
	if (map->adding == NULL)
		return;
	part->next = map->adding->parts;
	map->adding->parts = part;
}

void referral_map_free_entries(struct referral_map *map)
{
	struct hash_iterate_context *iter;
	struct referral_map_entry *entry;
	uint8_t *uuid;

	i_assert(map->adding == NULL);
	iter = hash_table_iterate_init(map->entries);
	while (hash_table_iterate(iter, map->entries, &uuid, &entry))
		i_free(entry);
	hash_table_iterate_deinit(&iter);
	hash_table_destroy(&map->entries);
}

void referral_map_ref(struct referral_map *map)
{
	i_assert(map->refcount > 0);
	map->refcount++;
}

void referral_map_unref(struct referral_map **_map)
{
	struct referral_map *map = *_map;

	*_map = NULL;
	if (map == NULL)
		return;
	i_assert(map->refcount > 0);
	if (--map->refcount == 0)
		map->v->free(map);
}

void referral_map_finish(struct referral_map *map)
{
	i_assert(!map->finished);
	map->finished = TRUE;
	if (map->v->finish != NULL)
		map->v->finish(map);
}

unsigned int referral_map_count(const struct referral_map *map)
{
	return map->v->count(map);
}

unsigned int referral_map_entry_count(const struct referral_map *map)
{
	return hash_table_count(map->entries);
}

static struct referral_map_entry *
referral_map_find_entry(struct referral_map *map, const guid_128_t uuid)
{
	return hash_table_lookup(map->entries, (uint8_t *)uuid);
}

static void
referral_map_entry_clear(struct referral_map *map,
			 struct referral_map_entry *entry)
{
	struct referral_map_part *part;

	while ((part = entry->parts) != NULL) {
		entry->parts = part->next;
		map->v->remove_part(map, part);
	}
}

void referral_map_entry_begin(struct referral_map *map, const guid_128_t uuid)
{
	struct referral_map_entry *entry;

	i_assert(map->adding == NULL);
	entry = referral_map_find_entry(map, uuid);
	if (entry == NULL) {
		entry = i_new(struct referral_map_entry, 1);
		guid_128_copy(entry->uuid, uuid);
		hash_table_insert(map->entries, (uint8_t *)entry->uuid, entry);
	} else
		referral_map_entry_clear(map, entry);
	map->adding = entry;
}

/* An entry that says nothing need not be known. */
static void
referral_map_entry_free(struct referral_map *map,
			struct referral_map_entry *entry)
{
	hash_table_remove(map->entries, (uint8_t *)entry->uuid);
	i_free(entry);
}

void referral_map_entry_end(struct referral_map *map)
{
	struct referral_map_entry *entry = map->adding;

	i_assert(entry != NULL);
	map->adding = NULL;
	if (entry->parts == NULL)
		referral_map_entry_free(map, entry);
}

void referral_map_remove_entry(struct referral_map *map, const guid_128_t uuid)
{
	struct referral_map_entry *entry;

	i_assert(map->adding == NULL);
	entry = referral_map_find_entry(map, uuid);
	if (entry == NULL)
		return;
	referral_map_entry_clear(map, entry);
	referral_map_entry_free(map, entry);
}

void referral_map_unmark(struct referral_map *map)
{
	struct hash_iterate_context *iter;
	struct referral_map_entry *entry;
	uint8_t *uuid;

	iter = hash_table_iterate_init(map->entries);
	while (hash_table_iterate(iter, map->entries, &uuid, &entry))
		entry->mark = REFERRAL_MAP_MARK_NONE;
	hash_table_iterate_deinit(&iter);
}

void referral_map_mark_entry(struct referral_map *map, const guid_128_t uuid,
			     enum referral_map_mark mark)
{
	struct referral_map_entry *entry = referral_map_find_entry(map, uuid);

	if (entry != NULL)
		entry->mark = mark;
}

static void
referral_map_remove_marked(struct referral_map *map, bool remove_unmarked)
{
	struct hash_iterate_context *iter;
	struct referral_map_entry *entry;
	ARRAY(struct referral_map_entry *) gone;
	uint8_t *uuid;

	i_array_init(&gone, 16);
	iter = hash_table_iterate_init(map->entries);
	while (hash_table_iterate(iter, map->entries, &uuid, &entry)) {
		switch (entry->mark) {
		case REFERRAL_MAP_MARK_NONE:
			if (remove_unmarked)
				array_push_back(&gone, &entry);
			break;
		case REFERRAL_MAP_MARK_PRESENT:
			break;
		case REFERRAL_MAP_MARK_GONE:
			array_push_back(&gone, &entry);
			break;
		}
	}
	hash_table_iterate_deinit(&iter);
	array_foreach_elem(&gone, entry) {
		referral_map_entry_clear(map, entry);
		referral_map_entry_free(map, entry);
	}
	array_free(&gone);
}

void referral_map_apply(struct referral_map *map, bool remove_unmarked,
			const struct referral_map *changes)
{
	struct hash_iterate_context *iter;
	struct referral_map_entry *entry;
	const struct referral_map_part *part;
	uint8_t *uuid;

	i_assert(map->v == changes->v);
	referral_map_remove_marked(map, remove_unmarked);
	iter = hash_table_iterate_init(changes->entries);
	while (hash_table_iterate(iter, changes->entries, &uuid, &entry)) {
		referral_map_entry_begin(map, entry->uuid);
		for (part = entry->parts; part != NULL; part = part->next)
			map->v->copy_part(part, map);
		referral_map_entry_end(map);
	}
	hash_table_iterate_deinit(&iter);
}
