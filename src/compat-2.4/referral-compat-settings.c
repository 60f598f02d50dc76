/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "settings.h"
#include "settings-parser.h"
#include "referral-plugin-settings.h"
#include "referral-compat-settings.h"

static struct referral_settings_tables imap_referral_tables;

static bool
imap_referral_settings_check(void *raw, pool_t pool, const char **error_r)
{
	struct referral_plugin_settings set;

	return referral_settings_convert(raw, referral_plugin_setting_defs,
					 pool, &set, error_r) == 0;
}

struct setting_parser_info imap_referral_setting_parser_info = {
	.name = "imap_referral",

	.defines = imap_referral_tables.defines,
	.defaults = &imap_referral_tables.defaults,

	.struct_size = sizeof(struct referral_raw_settings),
	.pool_offset1 = 1 + offsetof(struct referral_raw_settings, pool),
	.check_func = imap_referral_settings_check,
};

int referral_settings_convert(const struct referral_raw_settings *raw,
			      const struct referral_setting *settings,
			      pool_t pool, void *set, const char **error_r)
{
	unsigned int i;

	referral_settings_init(settings, pool, set);
	for (i = 0; settings[i].name != NULL; i++) {
		if (strcmp(raw->values[i], settings[i].default_value) == 0)
			continue;
		if (referral_settings_set(settings, pool, set, settings[i].name,
					  raw->values[i], error_r) < 0)
			return -1;
	}
	return 0;
}

void referral_settings_tables_fill(struct referral_settings_tables *tables,
				   const struct referral_setting *settings,
				   const char *const *filter_names)
{
	struct setting_define *define = tables->defines;
	unsigned int i;

	if (define->key != NULL)
		return;

	for (; *filter_names != NULL; filter_names++, define++) {
		define->type = SET_FILTER_NAME;
		define->key = *filter_names;
	}
	for (i = 0; settings[i].name != NULL; i++, define++) {
		i_assert(i < REFERRAL_SETTINGS_MAX_COUNT);
		define->type = SET_STR_NOVARS;
		define->key = settings[i].name;
		define->offset = offsetof(struct referral_raw_settings, values) +
			i * sizeof(const char *);
		tables->defaults.values[i] = settings[i].default_value;
	}
	*define = (struct setting_define)SETTING_DEFINE_LIST_END;
}

void imap_referral_setting_parser_info_init(void)
{
	/* imap_referral { dict name { .. } } is how processes get answers, and
	   imap_login_referral { .. } how those do that are locked up in a
	   folder of their own. */
	static const char *const filter_names[] = {
		"imap_referral", "imap_login_referral", NULL
	};

	referral_settings_tables_fill(&imap_referral_tables,
				      referral_plugin_setting_defs,
				      filter_names);
}

int referral_settings_get(struct event *event,
			  const struct setting_parser_info *info,
			  const struct referral_setting *settings,
			  pool_t pool, void *set, const char **error_r)
{
	const struct referral_raw_settings *raw;
	int ret;

	if (settings_get(event, info, 0, &raw, error_r) < 0)
		return -1;
	ret = referral_settings_convert(raw, settings, pool, set, error_r);
	settings_free(raw);
	return ret;
}

int imap_referral_plugin_settings_get(struct event *event, pool_t pool,
				      struct referral_plugin_settings *set,
				      const char **error_r)
{
	imap_referral_setting_parser_info_init();
	return referral_settings_get(event, &imap_referral_setting_parser_info,
				     referral_plugin_setting_defs, pool, set,
				     error_r);
}
