/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-settings.h"
#include "referral-compat-settings.h"
#include "referral-compat-ldap-settings.h"

int referral_ldap_settings_read(const char *path, pool_t pool,
				struct referral_ldap_settings *set,
				const char **error_r)
{
	referral_settings_init(referral_ldap_setting_defs, pool, set);
	if (referral_settings_file_read(referral_ldap_setting_defs, pool, set,
					path, error_r) < 0)
		return -1;
	if (referral_ldap_settings_check(set, pool, error_r) < 0) {
		*error_r = t_strdup_printf("%s: %s", path, *error_r);
		return -1;
	}
	return 0;
}
