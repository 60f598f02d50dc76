#ifndef REFERRAL_MAP_H
#define REFERRAL_MAP_H

#include "guid.h"

/* All that the directory has of one kind, by name and in memory. A map is
   filled first, and then finished; lookups are for finished ones only. It may
   be changed afterwards, entry by entry, if it was filled in that way: between
   two changes everybody sees a map that is right.

   What an entry of the directory says consists of parts, which each kind of
   map keeps in its own way. A part that is added between
   referral_map_entry_begin() and _end() belongs to that entry, and goes with
   it. Others stay as long as the map. */
struct referral_map;

/* Embedded in each kind's parts. Private to referral-map.c */
struct referral_map_part {
	/* Of the same entry */
	struct referral_map_part *next;
};

/* What each kind of map does in its own way. */
struct referral_map_vfuncs {
	/* With all parts */
	void (*free)(struct referral_map *map);
	/* May be NULL */
	void (*finish)(struct referral_map *map);
	/* How many names there are, also before it is finished. */
	unsigned int (*count)(const struct referral_map *map);
	/* Forget what a part says, and free it. */
	void (*remove_part)(struct referral_map *map,
			    struct referral_map_part *part);
	/* Add the same to another map of that kind. */
	void (*copy_part)(const struct referral_map_part *part,
			  struct referral_map *dest);
};

struct referral_map_entry;

struct referral_map {
	const struct referral_map_vfuncs *v;
	int refcount;
	bool finished;

	/* Those that have parts, by UUID */
	HASH_TABLE(uint8_t *, struct referral_map_entry *) entries;
	/* Whose parts are being added; NULL: nobody's */
	struct referral_map_entry *adding;
};

/* For the kinds of maps: */
void referral_map_init(struct referral_map *map,
		       const struct referral_map_vfuncs *v);
/* To be called by each add. */
void referral_map_own_part(struct referral_map *map,
			   struct referral_map_part *part);
/* To be called at the end of free(). */
void referral_map_free_entries(struct referral_map *map);

void referral_map_ref(struct referral_map *map);
/* Does nothing if there is no map. */
void referral_map_unref(struct referral_map **map);

void referral_map_finish(struct referral_map *map);
unsigned int referral_map_count(const struct referral_map *map);

/* Entries that say something */
unsigned int referral_map_entry_count(const struct referral_map *map);

/* The entry with that entryUUID (RFC 4530) says from now on what is added until
   end, and no more what it said before. */
void referral_map_entry_begin(struct referral_map *map, const guid_128_t uuid);
void referral_map_entry_end(struct referral_map *map);
/* It is gone. Does nothing if it is not known. */
void referral_map_remove_entry(struct referral_map *map,
			       const guid_128_t uuid);

/* Collect what is to happen at once later: first unmark all entries, then mark
   those that are known to exist, or to exist no more. */
enum referral_map_mark {
	REFERRAL_MAP_MARK_NONE,
	REFERRAL_MAP_MARK_PRESENT,
	REFERRAL_MAP_MARK_GONE,
};
void referral_map_unmark(struct referral_map *map);
/* Does nothing if the entry is not known. */
void referral_map_mark_entry(struct referral_map *map, const guid_128_t uuid,
			     enum referral_map_mark mark);
/* Remove what is marked as gone; with remove_unmarked all that is not marked
   as present, too. Then let all entries of another map say what they say in
   that one. */
void referral_map_apply(struct referral_map *map, bool remove_unmarked,
			const struct referral_map *changes);

#endif
