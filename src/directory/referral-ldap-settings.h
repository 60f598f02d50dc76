#ifndef REFERRAL_LDAP_SETTINGS_H
#define REFERRAL_LDAP_SETTINGS_H

#include "array-decl.h"
#include "net.h"
#include "referral-setting.h"

#define REFERRAL_LDAP_MAX_READER_ATTRIBUTES 8

struct referral_ldap_uri {
	/* As configured, for messages. */
	const char *uri;
	/* ldapi: the socket. */
	const char *path;
	/* ldap, ldaps: a name or an address, and the port. */
	const char *host;
	in_port_t port;
	/* ldaps */
	bool tls;
};
ARRAY_DEFINE_TYPE(referral_ldap_uri, struct referral_ldap_uri);

/* What is kept up to date by live searches (RFC 4533): */
enum referral_ldap_live {
	REFERRAL_LDAP_LIVE_NO,
	/* the maps of mailboxes and servers, */
	REFERRAL_LDAP_LIVE_MAPS,
	/* and the homes that are cached. */
	REFERRAL_LDAP_LIVE_ALL,
};

enum referral_ldap_sasl {
	/* A simple bind */
	REFERRAL_LDAP_SASL_NONE,
	REFERRAL_LDAP_SASL_EXTERNAL,
	REFERRAL_LDAP_SASL_GSSAPI,
};
extern const char *const referral_ldap_sasl_names[];

/* The referral_ldap_* settings. What they mean is said in
   conf/imap-referral-ldap.conf.ext. */
struct referral_ldap_settings {
	const char *uris;
	const char *bind_dn;
	const char *password_file;
	unsigned int sasl_mechanism; /* enum referral_ldap_sasl */
	const char *sasl_authzid;
	const char *krb5_keytab;
	const char *krb5_principal;
	unsigned int starttls;
	const char *tls_ca_file;
	const char *tls_ca_dir;
	const char *tls_cert_file;
	const char *tls_key_file;
	const char *tls_min_protocol;
	unsigned int tls_verify;
	unsigned int timeout_msecs;
	unsigned int stale_time_msecs;
	unsigned int live; /* enum referral_ldap_live */
	unsigned int connect_timeout_msecs;
	unsigned int idle_timeout_msecs;
	const char *base;
	unsigned int default_port;
	/* enum referral_ldap_preset_id */
	unsigned int preset;

	/* A template of a DN: it depends on the user. */
	const char *home_base;
	unsigned int home_scope;
	const char *home_filter;
	const char *home_attribute;
	/* enum referral_ldap_home_value */
	unsigned int home_value;
	const char *home_domain;
	const char *home_login_attribute;
	unsigned int home_ttl_msecs;
	unsigned int home_negative_ttl_msecs;
	unsigned int home_cache_size;

	const char *mailbox_base;
	unsigned int mailbox_scope;
	const char *mailbox_filter;
	const char *mailbox_uri_attribute;
	/* "" = there is none, as for the target. */
	const char *mailbox_host_attribute;
	const char *mailbox_name_attribute;
	const char *mailbox_name_template;
	const char *mailbox_target_attribute;
	const char *mailbox_target_template;
	unsigned int mailbox_refresh_msecs;
	unsigned int mailbox_page_size;
	unsigned int mailbox_limit;

	const char *server_base;
	unsigned int server_scope;
	const char *server_filter;
	const char *server_name_attribute;
	const char *server_state_attribute;
	const char *server_home_attribute;
	unsigned int server_refresh_msecs;
	unsigned int server_limit;

	/* 0 = no, 1 = yes */
	unsigned int readers;
	/* Separated by spaces. */
	const char *reader_attributes;
	/* A template of a DN. */
	const char *reader_group_base;
	const char *reader_group_filter;

	/* Filled in by referral_ldap_settings_check() */
	ARRAY_TYPE(referral_ldap_uri) parsed_uris;
	const char *const *parsed_reader_attributes;
};

extern const struct referral_setting referral_ldap_setting_defs[];

/* Check what concerns several settings, and fill in the defaults that depend on
   others. Returns 0, or -1 with error_r, which
   names the setting and says what is expected. */
int referral_ldap_settings_check(struct referral_ldap_settings *set,
				 pool_t pool, const char **error_r);

#endif
