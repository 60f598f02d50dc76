#ifndef REFERRAL_PLUGIN_SETTINGS_H
#define REFERRAL_PLUGIN_SETTINGS_H

#include "referral-setting.h"

#define REFERRAL_PLUGIN_SETTINGS_PREFIX "imap_referral_"

/* The userdb field by which the auth process tells the imap process that the
   user is a guest: the URL of the home server. Without the prefix of our
   settings, because Dovecot takes userdb fields for settings, too. */
#define REFERRAL_USERDB_FIELD_HOME "referral_home"

enum referral_no_home {
	REFERRAL_NO_HOME_LOCAL = 0,
	REFERRAL_NO_HOME_REFUSE,
};

enum referral_guests {
	REFERRAL_GUESTS_NO = 0,
	REFERRAL_GUESTS_AUTO,
};

enum referral_urls {
	REFERRAL_URLS_FIRST = 0,
	REFERRAL_URLS_ALL,
};

enum referral_subscriptions {
	REFERRAL_SUBSCRIPTIONS_LOCAL = 0,
	REFERRAL_SUBSCRIPTIONS_REFER,
};

/* The imap_referral_* settings, which all processes but dict-async share. What
   they mean is said in conf/imap-referral.conf.ext. */
struct referral_plugin_settings {
	const char *server;
	const char *aliases;
	unsigned int timeout_msecs;
	unsigned int no_home; /* enum referral_no_home */
	unsigned int guests; /* enum referral_guests */
	unsigned int login_address; /* boolean */
	const char *mailboxes;
	unsigned int owners; /* boolean */
	unsigned int urls; /* enum referral_urls */
	unsigned int subscriptions; /* enum referral_subscriptions */
	unsigned int cache_ttl_msecs;
};

extern const struct referral_setting referral_plugin_setting_defs[];

#endif
