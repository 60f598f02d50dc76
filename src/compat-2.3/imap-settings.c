/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-user.h"
#include "mail-storage-settings.h"
#include "imap-referral-compat.h"

/* They are in the plugin { } section, which Dovecot does not check. */
int imap_referral_settings_get(struct mail_user *user,
			       struct referral_plugin_settings *set,
			       const char **error_r)
{
	const char *const *envs, *value;
	unsigned int i, count;

	referral_settings_init(referral_plugin_setting_defs, user->pool, set);
	if (!array_is_created(&user->set->plugin_envs))
		return 0;

	envs = array_get(&user->set->plugin_envs, &count);
	for (i = 0; i + 1 < count; i += 2) {
		if (!str_begins(envs[i], REFERRAL_PLUGIN_SETTINGS_PREFIX))
			continue;
		value = envs[i+1];
		/* Dovecot has replaced the variables in it. */
		if (strcmp(envs[i], "imap_referral_login_user") == 0)
			value = t_strarray_join(t_strsplit(value, "%"),
						"%%");
		if (referral_settings_set(referral_plugin_setting_defs,
					  user->pool, set, envs[i],
					  value, error_r) < 0)
			return -1;
	}
	return 0;
}
