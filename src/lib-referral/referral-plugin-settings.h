#ifndef REFERRAL_PLUGIN_SETTINGS_H
#define REFERRAL_PLUGIN_SETTINGS_H

#include "referral-setting.h"

#define REFERRAL_PLUGIN_SETTINGS_PREFIX "imap_referral_"

enum referral_no_home {
	REFERRAL_NO_HOME_LOCAL = 0,
	REFERRAL_NO_HOME_REFUSE,
};

/* The imap_referral_* settings, which all processes but dict-async share. What
   they mean is said in conf/imap-referral.conf.ext. */
struct referral_plugin_settings {
	const char *server;
	const char *aliases;
	unsigned int timeout_msecs;
	unsigned int no_home; /* enum referral_no_home */
	const char *mailboxes;
};

extern const struct referral_setting referral_plugin_setting_defs[];

#endif
