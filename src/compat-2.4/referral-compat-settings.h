#ifndef REFERRAL_COMPAT_SETTINGS_H
#define REFERRAL_COMPAT_SETTINGS_H

#include "settings-parser.h"

struct referral_plugin_settings;
struct referral_setting;

/* Our tables of settings as Dovecot's settings framework wants them. Its own
   parsers of times and numbers say less about what is wrong than ours, so all
   settings are strings to it, and are converted afterwards. */

#define REFERRAL_SETTINGS_MAX_COUNT 96

/* "%" in them is for us. */
struct referral_raw_settings {
	pool_t pool;
	const char *values[REFERRAL_SETTINGS_MAX_COUNT];
};

/* What a setting_parser_info points to. */
struct referral_settings_tables {
	/* the filters' names, the settings, the end */
	struct setting_define defines[REFERRAL_SETTINGS_MAX_COUNT + 3];
	struct referral_raw_settings defaults;
};

extern struct setting_parser_info imap_referral_setting_parser_info;

/* To be called before the info is used. */
void imap_referral_setting_parser_info_init(void);

/* Does nothing the second time. There are two filters at most, and NULL behind
   them. */
void referral_settings_tables_fill(struct referral_settings_tables *tables,
				   const struct referral_setting *settings,
				   const char *const *filter_names);
/* Returns 0, or -1 with error_r, which says what is expected. */
int referral_settings_convert(const struct referral_raw_settings *raw,
			      const struct referral_setting *settings,
			      pool_t pool, void *set, const char **error_r);
/* Get settings, with strings copied to the pool. Returns 0, or -1 with error_r,
   which says what is expected. */
int referral_settings_get(struct event *event,
			  const struct setting_parser_info *info,
			  const struct referral_setting *settings,
			  pool_t pool, void *set, const char **error_r);
/* The same for the imap_referral_* ones. */
int imap_referral_plugin_settings_get(struct event *event, pool_t pool,
				      struct referral_plugin_settings *set,
				      const char **error_r);

#endif
