#ifndef UNIT_CONF_H
#define UNIT_CONF_H

struct referral_setting;

/* Check that an example configuration below src/conf and a table of settings
   have the same settings, and that each "#name = value" line of it that is not
   in "examples" (ended by NULL) shows the default. */
void unit_conf_check(const char *name, const struct referral_setting *settings,
		     const char *const *examples);

#endif
