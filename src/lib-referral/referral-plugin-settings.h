#ifndef REFERRAL_PLUGIN_SETTINGS_H
#define REFERRAL_PLUGIN_SETTINGS_H

#include "referral-setting.h"

#define REFERRAL_PLUGIN_SETTINGS_PREFIX "imap_referral_"

/* The userdb field by which the auth process tells the imap process that the
   user is a guest: the URL of the home server. Without the prefix of our
   settings, because Dovecot takes userdb fields for settings, too. */
#define REFERRAL_USERDB_FIELD_HOME "referral_home"
/* Beside it: the login's tagged OK refers to the home server, where the user
   has this login name. */
#define REFERRAL_USERDB_FIELD_OFFER "referral_offer"

enum referral_no_home {
	REFERRAL_NO_HOME_LOCAL = 0,
	REFERRAL_NO_HOME_REFUSE,
};

enum referral_guests {
	REFERRAL_GUESTS_NO = 0,
	REFERRAL_GUESTS_AUTO,
};

enum referral_login {
	REFERRAL_LOGIN_REFER = 0,
	REFERRAL_LOGIN_OFFER,
};

enum referral_fallback {
	REFERRAL_FALLBACK_NONE = 0,
	REFERRAL_FALLBACK_PROXY,
};

enum referral_proxy_tls {
	REFERRAL_PROXY_TLS_NO = 0,
	REFERRAL_PROXY_TLS_STARTTLS,
	REFERRAL_PROXY_TLS_STARTTLS_ANY_CERT,
	REFERRAL_PROXY_TLS_TLS,
	REFERRAL_PROXY_TLS_TLS_ANY_CERT,
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
	unsigned int login; /* enum referral_login */
	unsigned int login_address; /* boolean */
	const char *login_user;
	unsigned int login_bye; /* boolean */
	unsigned int masters; /* boolean */
	unsigned int fallback; /* enum referral_fallback */
	const char *followers;
	unsigned int proxy_tls; /* enum referral_proxy_tls */
	/* 0 = the home server's */
	unsigned int proxy_port;
	const char *mailboxes;
	unsigned int owners; /* boolean */
	unsigned int urls; /* enum referral_urls */
	unsigned int subscriptions; /* enum referral_subscriptions */
	unsigned int cache_ttl_msecs;
};

extern const struct referral_setting referral_plugin_setting_defs[];

#endif
