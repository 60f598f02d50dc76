/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-map.h"

void referral_map_init(struct referral_map *map,
		       const struct referral_map_vfuncs *v)
{
	map->v = v;
	map->refcount = 1;
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
	map->v->finish(map);
}

unsigned int referral_map_count(const struct referral_map *map)
{
	return map->v->count(map);
}
