/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "module-dir.h"
#include "settings-parser.h"
#include "referral-plugin-settings.h"
#include "referral-ldap-settings.h"
#include "referral-compat-settings.h"
#include "referral-compat-ldap-settings.h"

#include <unistd.h>

/* In modules/settings: makes doveconf, and with it Dovecot's start, refuse what
   is wrong in plugin { } and in the file that a dict { } names. Dovecot itself
   does not look at either. */

#define REFERRAL_LDAP_URI_PREFIX "referral-ldap:"

extern const char *imap_referral_settings_version;
extern const struct setting_parser_info *imap_referral_settings_set_roots[];

const char *imap_referral_settings_version = DOVECOT_ABI_VERSION;

struct imap_referral_checked_passdb {
	const char *name;
	const char *driver;
	const char *args;
};

struct imap_referral_checked_settings {
	/* Names and values alternate. */
	ARRAY_TYPE(const_string) plugin_envs;
	ARRAY_TYPE(const_string) dicts;
	ARRAY(struct imap_referral_checked_passdb *) passdbs;
};

/* Who runs doveconf may have no right to read our files. */
static bool is_readable(const char *path)
{
	return access(path, R_OK) == 0 || geteuid() == 0;
}

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
	return TRUE;
}

/* Usually the same lines, but with the file that they are in. */
static bool
passdbs_check(const struct imap_referral_checked_settings *set, pool_t pool,
	      const char **error_r)
{
	struct imap_referral_checked_passdb *passdb;
	struct referral_plugin_settings plugin_set;

	array_foreach_elem(&set->passdbs, passdb) {
		if (strcmp(passdb->driver, "imap_referral") != 0 ||
		    *passdb->args == '\0' || !is_readable(passdb->args))
			continue;
		referral_settings_init(referral_plugin_setting_defs, pool,
				       &plugin_set);
		if (referral_settings_file_read(referral_plugin_setting_defs,
						pool, &plugin_set,
						passdb->args, error_r) < 0)
			return FALSE;
	}
	return TRUE;
}

static bool
dict_check(const char *uri, pool_t pool, const char **error_r)
{
	struct referral_ldap_settings set;
	const char *path;

	if (!str_begins(uri, REFERRAL_LDAP_URI_PREFIX))
		return TRUE;
	path = uri + strlen(REFERRAL_LDAP_URI_PREFIX);
	if (!is_readable(path))
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

	if (array_is_created(&set->passdbs) &&
	    !passdbs_check(set, pool, error_r))
		return FALSE;
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

#undef DEF
#define DEF(name) \
	SETTING_DEFINE_STRUCT_STR(#name, name, \
				  struct imap_referral_checked_passdb)

static const struct setting_define passdb_setting_defines[] = {
	DEF(name),
	DEF(driver),
	DEF(args),
	SETTING_DEFINE_LIST_END
};

static const struct imap_referral_checked_passdb passdb_defaults = {
	.name = "",
	.driver = "",
	.args = "",
};

static const struct setting_parser_info passdb_setting_parser_info = {
	.defines = passdb_setting_defines,
	.defaults = &passdb_defaults,

	.type_offset = offsetof(struct imap_referral_checked_passdb, name),
	.struct_size = sizeof(struct imap_referral_checked_passdb),

	.parent_offset = SIZE_MAX,
};

static const struct setting_define imap_referral_setting_defines[] = {
	{ .type = SET_STRLIST, .key = "plugin",
	  .offset = offsetof(struct imap_referral_checked_settings,
			     plugin_envs) },
	{ .type = SET_STRLIST, .key = "dict",
	  .offset = offsetof(struct imap_referral_checked_settings, dicts) },
	{ .type = SET_DEFLIST_UNIQUE, .key = "passdb",
	  .offset = offsetof(struct imap_referral_checked_settings, passdbs),
	  .list_info = &passdb_setting_parser_info },
	SETTING_DEFINE_LIST_END
};

static const struct imap_referral_checked_settings imap_referral_defaults = {
	.plugin_envs = ARRAY_INIT,
	.dicts = ARRAY_INIT,
	.passdbs = ARRAY_INIT,
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
