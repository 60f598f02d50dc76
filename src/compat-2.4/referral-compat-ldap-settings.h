#ifndef REFERRAL_COMPAT_LDAP_SETTINGS_H
#define REFERRAL_COMPAT_LDAP_SETTINGS_H

struct referral_ldap_settings;
struct setting_parser_info;

extern struct setting_parser_info referral_ldap_setting_parser_info;

/* To be called before the info is used. */
void referral_ldap_setting_parser_info_init(void);

/* Get the referral_ldap_* settings of the dict that the event is for, with
   strings copied to the pool. Returns 0, or -1 with error_r, which says what is
   expected. */
int referral_ldap_settings_get(struct event *event, pool_t pool,
			       struct referral_ldap_settings *set,
			       const char **error_r);

#endif
