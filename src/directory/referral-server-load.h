#ifndef REFERRAL_SERVER_LOAD_H
#define REFERRAL_SERVER_LOAD_H

#include "referral-loader.h"

/* How the servers are loaded into a map (referral-server-map.h). */
void referral_server_load_get(const struct referral_ldap_settings *set,
			      struct referral_load *load_r);

#endif
