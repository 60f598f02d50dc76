#ifndef REFERRAL_MAP_H
#define REFERRAL_MAP_H

/* All that the directory has of one kind, by name and in memory. A map is
   filled first, then finished, and from then on it is only read. */
struct referral_map;

/* What each kind of map does in its own way. */
struct referral_map_vfuncs {
	void (*free)(struct referral_map *map);
	void (*finish)(struct referral_map *map);
	/* How many names there are, also before it is finished. */
	unsigned int (*count)(const struct referral_map *map);
};

struct referral_map {
	const struct referral_map_vfuncs *v;
	int refcount;
};

void referral_map_init(struct referral_map *map,
		       const struct referral_map_vfuncs *v);
void referral_map_ref(struct referral_map *map);
/* Does nothing if there is no map. */
void referral_map_unref(struct referral_map **map);

void referral_map_finish(struct referral_map *map);
unsigned int referral_map_count(const struct referral_map *map);

#endif
