#ifndef REFERRAL_SERVER_MAP_H
#define REFERRAL_SERVER_MAP_H

#include "referral-ldap-value.h"
#include "referral-map.h"

/* From good to bad: if several are said of a server, the last one counts. */
enum referral_server_map_state {
	/* As a server that the directory does not list. */
	REFERRAL_SERVER_MAP_ACTIVE,
	/* The directory says something that we do not know. */
	REFERRAL_SERVER_MAP_UNKNOWN,
	REFERRAL_SERVER_MAP_DRAIN,
	REFERRAL_SERVER_MAP_DOWN,
};

/* A map of all servers that the directory lists by name. */
struct referral_map *referral_server_map_init(void);

/* A port of 0 stands for all ports of the host. Successors are the servers that
   take over, in any order; they count with the state that they came with. */
void referral_server_map_add(struct referral_map *map,
			     const struct referral_url *server,
			     enum referral_server_map_state state,
			     const ARRAY_TYPE(referral_ldap_value) *successors);

/* Look up a server, spelled as referral_url_get_server() does. Returns 1 if it
   is out of service, with value_r as in the dict contract, allocated from the
   data stack; 0 if it is in service; -1 if its state is unknown. */
int referral_server_map_lookup(const struct referral_map *map,
			       const char *server, const char **value_r);

#endif
