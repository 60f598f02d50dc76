/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-settings.h"
#include "referral-compat-settings.h"
#include "referral-compat-ldap-settings.h"

static struct referral_settings_tables referral_ldap_tables;

static bool
referral_ldap_raw_settings_check(void *raw, pool_t pool, const char **error_r)
{
	struct referral_ldap_settings set;

	if (referral_settings_convert(raw, referral_ldap_setting_defs, pool,
				      &set, error_r) < 0)
		return FALSE;
	/* Dovecot checks also where none of them is set. */
	if (*set.uris == '\0' && *set.base == '\0')
		return TRUE;
	return referral_ldap_settings_check(&set, pool, error_r) == 0;
}

struct setting_parser_info referral_ldap_setting_parser_info = {
	.name = "referral_ldap",

	.defines = referral_ldap_tables.defines,
	.defaults = &referral_ldap_tables.defaults,

	.struct_size = sizeof(struct referral_raw_settings),
	.pool_offset1 = 1 + offsetof(struct referral_raw_settings, pool),
	.check_func = referral_ldap_raw_settings_check,
};

void referral_ldap_setting_parser_info_init(void)
{
	static const char *const no_filters[] = { NULL };

	referral_settings_tables_fill(&referral_ldap_tables,
				      referral_ldap_setting_defs, no_filters);
}

int referral_ldap_settings_get(struct event *event, pool_t pool,
			       struct referral_ldap_settings *set,
			       const char **error_r)
{
	referral_ldap_setting_parser_info_init();
	if (referral_settings_get(event, &referral_ldap_setting_parser_info,
				  referral_ldap_setting_defs, pool, set,
				  error_r) < 0)
		return -1;
	return referral_ldap_settings_check(set, pool, error_r);
}
