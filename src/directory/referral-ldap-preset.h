#ifndef REFERRAL_LDAP_PRESET_H
#define REFERRAL_LDAP_PRESET_H

struct referral_ldap_settings;

/* Where the directories of known products keep what we ask for: one setting,
   referral_ldap_preset, is the default of several others. */
enum referral_ldap_preset_id {
	REFERRAL_LDAP_PRESET_LASER,
	REFERRAL_LDAP_PRESET_NATIVE,
	REFERRAL_LDAP_PRESET_LABELEDURI,
	REFERRAL_LDAP_PRESET_KOLAB,
	REFERRAL_LDAP_PRESET_SUN,
	REFERRAL_LDAP_PRESET_ZIMBRA,
	REFERRAL_LDAP_PRESET_EXCHANGE,
};

/* In the same order, for a setting's choices. */
extern const char *const referral_ldap_preset_choices[];

/* How the value of home_attribute names a server. */
enum referral_ldap_home_value {
	/* The preset's; there is none of these afterwards. */
	REFERRAL_LDAP_HOME_VALUE_PRESET,
	/* host[:port] or imap://host[:port]/ */
	REFERRAL_LDAP_HOME_VALUE_SERVER,
	/* imap://host[:port]/ or imap://host[:port]/ imap-home, among other
	   URLs, which have nothing to do with it */
	REFERRAL_LDAP_HOME_VALUE_LABELED,
	/* The DN of the server's entry, or an Exchange path, in which cn is
	   the host. */
	REFERRAL_LDAP_HOME_VALUE_DN,
};
extern const char *const referral_ldap_home_value_choices[];

/* Fill in the settings that are not set. */
void referral_ldap_preset_apply(struct referral_ldap_settings *set);

#endif
