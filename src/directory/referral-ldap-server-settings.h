#ifndef REFERRAL_LDAP_SERVER_SETTINGS_H
#define REFERRAL_LDAP_SERVER_SETTINGS_H

/* The part of the referral_ldap_* settings that says which servers there are,
   whom they are trusted by, and who we are to them. */

#include "referral-ldap-settings.h"

#define REFERRAL_LDAP_URIS_EXPECTED \
	"expected ldap://host[:port], ldaps://host[:port] or ldapi://path"

/* Parse referral_ldap_uris. Returns 0, or -1 with error_r. */
int referral_ldap_uris_parse(pool_t pool, const char *value,
			     ARRAY_TYPE(referral_ldap_uri) *uris_r,
			     const char **error_r);

/* Check these settings together, with parsed_uris filled in. Returns 0, or -1
   with error_r. */
int referral_ldap_server_settings_check(const struct referral_ldap_settings *set,
					const char **error_r);

#endif
