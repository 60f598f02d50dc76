#ifndef UNIT_LOADER_H
#define UNIT_LOADER_H

#include "unit-ldap.h"

struct referral_ldap_settings;
struct referral_load;

/* A loader with a server of its own, and what its callback got last. */
struct unit_loader {
	struct ioloop *ioloop;
	pool_t pool;
	struct event *event;
	struct fake_ldap *server;
	struct referral_ldap_connection *conn;
	struct referral_value_log *log;
	struct referral_loader *loader;

	unsigned int callback_count;
	struct referral_map *map;
	char *error;
};

/* The page size and the limit are for whatever is loaded. */
void unit_loader_begin(struct unit_loader *test,
		       void (*load_get)(const struct referral_ldap_settings *,
					struct referral_load *),
		       const char *page_size, const char *limit);
void unit_loader_end(struct unit_loader *test);

#endif
