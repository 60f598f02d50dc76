/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

/* memfd_create() */
#ifndef _GNU_SOURCE
#  define _GNU_SOURCE
#endif

#include "lib.h"
#include "referral-compat.h"
#include "str.h"
#include "strescape.h"
#include "write-full.h"
#include "referral-compat-settings.h"
#include "referral-ldap-settings.h"
#include "fuzz.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static const void *
setting_field(const struct referral_setting *setting,
	      const struct referral_ldap_settings *set)
{
	return CONST_PTR_OFFSET(set, setting->offset);
}

/* Returns the field's value as in a settings file, or NULL if it is one that
   stands for "not set". */
static const char *
setting_get(const struct referral_setting *setting,
	    const struct referral_ldap_settings *set)
{
	const void *field = setting_field(setting, set);
	unsigned int num = *(const unsigned int *)field;
	const char *str, *error;

	switch (setting->type) {
	case REFERRAL_SETTING_TYPE_STR:
		str = *(const char *const *)field;
		fuzz_check(str != NULL);
		if (strcmp(str, setting->default_value) == 0)
			return NULL;
		fuzz_check(setting->check == NULL ||
			   setting->check(setting->name, str, &error) == 0);
		return str;
	case REFERRAL_SETTING_TYPE_UINT:
		fuzz_check(num >= setting->min && num <= setting->max);
		return dec2str(num);
	case REFERRAL_SETTING_TYPE_MSECS:
		fuzz_check(num >= setting->min && num <= setting->max);
		return t_strdup_printf("%ums", num);
	case REFERRAL_SETTING_TYPE_ENUM:
		fuzz_check(num < str_array_length(setting->choices));
		return setting->choices[num];
	}
	i_unreached();
}

static void
check_same(const struct referral_ldap_settings *set,
	   const struct referral_ldap_settings *set2)
{
	const struct referral_setting *setting = referral_ldap_setting_defs;

	for (; setting->name != NULL; setting++) {
		fuzz_check(null_strcmp(setting_get(setting, set),
				       setting_get(setting, set2)) == 0);
	}
}

/* "name = value" lines, without the syntax of files around them: all that
   Dovecot 2.4 leaves to us. Returns FALSE if one is refused. */
static bool
read_lines(pool_t pool, const char *text, struct referral_ldap_settings *set)
{
	const char *const *lines = t_strsplit(text, "\n");
	const char *p, *error;

	referral_settings_init(referral_ldap_setting_defs, pool, set);
	for (; *lines != NULL; lines++) {
		if ((p = strchr(*lines, '=')) == NULL)
			continue;
		error = NULL;
		if (referral_settings_set(referral_ldap_setting_defs, pool,
					  set, t_strdup_until(*lines, p),
					  p + 1, &error) < 0) {
			fuzz_check(error != NULL && *error != '\0');
			return FALSE;
		}
	}
	return TRUE;
}

static void
write_lines(string_t *str, const struct referral_ldap_settings *set, bool quote)
{
	const struct referral_setting *setting = referral_ldap_setting_defs;
	const char *value;

	for (; setting->name != NULL; setting++) {
		if ((value = setting_get(setting, set)) == NULL)
			continue;
		str_printfa(str, quote ? "%s = \"%s\"\n" : "%s=%s\n",
			    setting->name,
			    quote ? str_escape(value) : value);
	}
}

#ifdef FUZZ_SETTINGS_FILE
static bool
read_file(pool_t pool, const void *data, size_t size,
	  struct referral_ldap_settings *set)
{
	const char *path, *error = NULL;
	int fd, ret;

	if ((fd = memfd_create("settings", 0)) < 0 ||
	    write_full(fd, data, size) < 0)
		i_fatal("memfd_create() failed: %m");
	path = t_strdup_printf("/proc/self/fd/%d", fd);
	referral_settings_init(referral_ldap_setting_defs, pool, set);
	ret = referral_settings_file_read(referral_ldap_setting_defs, pool,
					  set, path, &error);
	if (ret < 0)
		fuzz_check(error != NULL && str_begins_with(error, path));
	i_close_fd(&fd);
	return ret == 0;
}
#endif

void fuzz_one(const unsigned char *data, size_t size)
{
	pool_t pool = pool_alloconly_create("fuzz settings", 4096);
	struct referral_ldap_settings set, set2;
	string_t *str = t_str_new(1024);
	const char *error = NULL;

	if (read_lines(pool, fuzz_string(data, size), &set)) {
		/* what was read is read again as the same */
		write_lines(str, &set, FALSE);
		fuzz_check(read_lines(pool, str_c(str), &set2));
		check_same(&set, &set2);
		if (referral_ldap_settings_check(&set, pool, &error) < 0)
			fuzz_check(error != NULL && *error != '\0');
	}
#ifdef FUZZ_SETTINGS_FILE
	str_truncate(str, 0);
	if (read_file(pool, data, size, &set)) {
		write_lines(str, &set, TRUE);
		fuzz_check(read_file(pool, str_data(str), str_len(str),
				     &set2));
		check_same(&set, &set2);
		(void)referral_ldap_settings_check(&set, pool, &error);
	}
#endif
	pool_unref(&pool);
}
