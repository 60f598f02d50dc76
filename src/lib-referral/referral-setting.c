/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "strfuncs.h"
#include "referral-compat.h"
#include "referral-setting.h"

static const struct referral_setting *
setting_find(const struct referral_setting *settings, const char *name)
{
	for (; settings->name != NULL; settings++) {
		if (strcmp(settings->name, name) == 0)
			return settings;
	}
	return NULL;
}

static unsigned int
setting_distance(const char *a, const char *b)
{
	size_t prefix = 0, len_a = strlen(a), len_b = strlen(b), suffix = 0;

	while (prefix < len_a && prefix < len_b && a[prefix] == b[prefix])
		prefix++;
	while (suffix < len_a - prefix && suffix < len_b - prefix &&
	       a[len_a - suffix - 1] == b[len_b - suffix - 1])
		suffix++;
	return I_MAX(len_a, len_b) - prefix - suffix;
}

/* The setting that was probably meant. */
static const char *
setting_find_nearest(const struct referral_setting *settings, const char *name)
{
	const char *nearest = settings->name;
	unsigned int distance, best = UINT_MAX;

	for (; settings->name != NULL; settings++) {
		distance = setting_distance(settings->name, name);
		if (distance < best) {
			best = distance;
			nearest = settings->name;
		}
	}
	return nearest;
}

static int
setting_set_uint(const struct referral_setting *setting, const char *value,
		 unsigned int *field, const char **error_r)
{
	unsigned int num;

	if (str_to_uint(value, &num) < 0 ||
	    num < setting->min || num > setting->max) {
		*error_r = t_strdup_printf("%s=%s: "
			"expected a number from %u to %u",
			setting->name, value, setting->min, setting->max);
		return -1;
	}
	*field = num;
	return 0;
}

static int
setting_set_msecs(const struct referral_setting *setting, const char *value,
		  unsigned int *field, const char **error_r)
{
	const char *error;
	unsigned int msecs;

	if (str_parse_get_interval_msecs(value, &msecs, &error) < 0 ||
	    msecs < setting->min || msecs > setting->max) {
		*error_r = t_strdup_printf("%s=%s: expected a time with its "
			"unit (ms, s, m, h) such as %s, from %u ms to %u s",
			setting->name, value, setting->default_value,
			setting->min, setting->max / 1000);
		return -1;
	}
	*field = msecs;
	return 0;
}

static int
setting_set_enum(const struct referral_setting *setting, const char *value,
		 unsigned int *field, const char **error_r)
{
	unsigned int i;

	for (i = 0; setting->choices[i] != NULL; i++) {
		if (strcmp(setting->choices[i], value) == 0) {
			*field = i;
			return 0;
		}
	}
	*error_r = t_strdup_printf("%s=%s: expected one of: %s",
				   setting->name, value,
				   t_strarray_join(setting->choices, ", "));
	return -1;
}

static int
setting_set(const struct referral_setting *setting, pool_t pool, void *set,
	    const char *value, const char **error_r)
{
	void *field = PTR_OFFSET(set, setting->offset);

	switch (setting->type) {
	case REFERRAL_SETTING_TYPE_STR:
		*(const char **)field = p_strdup(pool, value);
		return 0;
	case REFERRAL_SETTING_TYPE_UINT:
		return setting_set_uint(setting, value, field, error_r);
	case REFERRAL_SETTING_TYPE_MSECS:
		return setting_set_msecs(setting, value, field, error_r);
	case REFERRAL_SETTING_TYPE_ENUM:
		return setting_set_enum(setting, value, field, error_r);
	}
	i_unreached();
}

int referral_settings_set(const struct referral_setting *settings,
			  pool_t pool, void *set, const char *name,
			  const char *value, const char **error_r)
{
	const struct referral_setting *setting;

	setting = setting_find(settings, name);
	if (setting == NULL) {
		*error_r = t_strdup_printf("Unknown setting %s: "
			"expected a setting such as %s", name,
			setting_find_nearest(settings, name));
		return -1;
	}
	if (setting->check != NULL &&
	    setting->check(name, value, error_r) < 0)
		return -1;
	return setting_set(setting, pool, set, value, error_r);
}

void referral_settings_init(const struct referral_setting *settings,
			    pool_t pool, void *set)
{
	const struct referral_setting *setting;
	const char *error;

	for (setting = settings; setting->name != NULL; setting++) {
		if (setting_set(setting, pool, set, setting->default_value,
				&error) < 0)
			i_panic("Default of %s", error);
	}
}
