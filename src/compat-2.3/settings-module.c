/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "module-dir.h"
#include "settings-parser.h"
#include "referral-plugin-settings.h"
#include "referral-ldap-settings.h"
#include "referral-compat-ldap-settings.h"

#include <unistd.h>

/* In modules/settings: makes doveconf, and with it Dovecot's start, refuse what
   is wrong in plugin { } and in the file that a dict { } names. Dovecot itself
   does not look at either. */

#define REFERRAL_LDAP_URI_PREFIX "referral-ldap:"

extern const char *imap_referral_settings_version;
extern const struct setting_parser_info *imap_referral_settings_set_roots[];

const char *imap_referral_settings_version = DOVECOT_ABI_VERSION;

struct imap_referral_checked_settings {
	/* Names and values alternate. */
	ARRAY_TYPE(const_string) plugin_envs;
	ARRAY_TYPE(const_string) dicts;
};

static bool
plugin_settings_check(const ARRAY_TYPE(const_string) *envs, pool_t pool,
		      const char **error_r)
{
	struct referral_plugin_settings set;
	const char *const *strings;
	unsigned int i, count;

	referral_settings_init(referral_plugin_setting_defs, pool, &set);
	strings = array_get(envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (str_begins(strings[i], REFERRAL_PLUGIN_SETTINGS_PREFIX) &&
		    referral_settings_set(referral_plugin_setting_defs, pool,
					  &set, strings[i], strings[i+1],
					  error_r) < 0)
			return FALSE;
	}
	return referral_plugin_settings_check(&set, error_r) == 0;
}

static bool
dict_check(const char *uri, pool_t pool, const char **error_r)
{
	struct referral_ldap_settings set;
	const char *path;

	if (!str_begins(uri, REFERRAL_LDAP_URI_PREFIX))
		return TRUE;
	path = uri + strlen(REFERRAL_LDAP_URI_PREFIX);
	/* Who runs doveconf may have no right to read it. */
	if (access(path, R_OK) < 0 && geteuid() != 0)
		return TRUE;
	i_zero(&set);
	return referral_ldap_settings_read(path, pool, &set, error_r) == 0;
}

static bool
imap_referral_settings_check(void *_set, pool_t pool, const char **error_r)
{
	struct imap_referral_checked_settings *set = _set;
	const char *const *strings;
	unsigned int i, count;

	if (array_is_created(&set->plugin_envs) &&
	    !plugin_settings_check(&set->plugin_envs, pool, error_r))
		return FALSE;
	if (array_is_created(&set->dicts)) {
		strings = array_get(&set->dicts, &count);
		for (i = 0; i + 1 < count; i += 2) {
			if (!dict_check(strings[i+1], pool, error_r))
				return FALSE;
		}
	}
	return TRUE;
}

static const struct setting_define imap_referral_setting_defines[] = {
	{ .type = SET_STRLIST, .key = "plugin",
	  .offset = offsetof(struct imap_referral_checked_settings,
			     plugin_envs) },
	{ .type = SET_STRLIST, .key = "dict",
	  .offset = offsetof(struct imap_referral_checked_settings, dicts) },
	SETTING_DEFINE_LIST_END
};

static const struct imap_referral_checked_settings imap_referral_defaults = {
	.plugin_envs = ARRAY_INIT,
	.dicts = ARRAY_INIT,
};

static const struct setting_parser_info imap_referral_setting_parser_info = {
	.module_name = "imap-referral",
	.defines = imap_referral_setting_defines,
	.defaults = &imap_referral_defaults,

	.type_offset = SIZE_MAX,
	.struct_size = sizeof(struct imap_referral_checked_settings),

	.parent_offset = SIZE_MAX,
	.check_func = imap_referral_settings_check,
};

const struct setting_parser_info *imap_referral_settings_set_roots[] = {
	&imap_referral_setting_parser_info,
	NULL
};
