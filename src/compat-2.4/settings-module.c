/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "referral-compat-settings.h"
#include "referral-compat-ldap-settings.h"

/* In modules/settings: doveconf learns from this which settings there are. */

void imap_referral_settings_init(struct module *module);
void imap_referral_settings_deinit(void);
extern const char *imap_referral_settings_version;
extern const struct setting_parser_info *imap_referral_settings_set_infos[];

const char *imap_referral_settings_version = DOVECOT_ABI_VERSION;

const struct setting_parser_info *imap_referral_settings_set_infos[] = {
	&imap_referral_setting_parser_info,
	&referral_ldap_setting_parser_info,
	NULL
};

void imap_referral_settings_init(struct module *module ATTR_UNUSED)
{
	imap_referral_setting_parser_info_init();
	referral_ldap_setting_parser_info_init();
}

void imap_referral_settings_deinit(void)
{
}
