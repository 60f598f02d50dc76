#ifndef REFERRAL_COMPAT_LDAP_SETTINGS_H
#define REFERRAL_COMPAT_LDAP_SETTINGS_H

struct referral_ldap_settings;

/* Read and check a file of referral_ldap_* settings, with strings copied to the
   pool. Returns 0, or -1 with error_r, which names the file - and line, where
   it is one line - and says what is expected. */
int referral_ldap_settings_read(const char *path, pool_t pool,
				struct referral_ldap_settings *set,
				const char **error_r);

#endif
