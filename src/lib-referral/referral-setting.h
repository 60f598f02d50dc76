#ifndef REFERRAL_SETTING_H
#define REFERRAL_SETTING_H

/* A table of settings, one entry a setting, ended by a NULL name. It is what a
   settings file, a plugin { } section or Dovecot's settings framework are
   checked against. */
enum referral_setting_type {
	/* const char * */
	REFERRAL_SETTING_TYPE_STR,
	/* unsigned int, from "min" to "max" */
	REFERRAL_SETTING_TYPE_UINT,
	/* unsigned int, milliseconds, from "min" to "max" */
	REFERRAL_SETTING_TYPE_MSECS,
	/* unsigned int, the index in "choices" */
	REFERRAL_SETTING_TYPE_ENUM,
};

struct referral_setting {
	const char *name;
	enum referral_setting_type type;
	/* Of the field in the settings struct. */
	size_t offset;
	/* As in a file. Valid, but the check may refuse it where it stands for
	   "not set". */
	const char *default_value;
	/* For numbers and times. */
	unsigned int min, max;
	/* For enums: ended by NULL. */
	const char *const *choices;
	/* For strings: NULL, or what looks closer at a value. Returns 0, or -1
	   with error_r, which names the setting and says what is expected. */
	int (*check)(const char *name, const char *value,
		     const char **error_r);
};

/* Fill the struct with the defaults. */
void referral_settings_init(const struct referral_setting *settings,
			    pool_t pool, void *set);
/* Set one field, with strings copied to the pool. Returns 0, or -1 with
   error_r, which names the setting and says what is expected. */
int referral_settings_set(const struct referral_setting *settings,
			  pool_t pool, void *set, const char *name,
			  const char *value, const char **error_r);

#endif
