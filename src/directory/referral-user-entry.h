#ifndef REFERRAL_USER_ENTRY_H
#define REFERRAL_USER_ENTRY_H

/* The entry of a user: the referral_ldap_home_* settings say where it is, for
   whatever is wanted of it. */

struct referral_ldap_entry;
struct referral_ldap_result;
struct referral_ldap_search;
struct referral_ldap_settings;

/* Get the search for it, allocated from the data stack. Its attributes are the
   caller's. Returns FALSE if there can be no such entry: as for a user without
   a domain where each domain has a base of its own. */
bool referral_user_entry_get_search(const struct referral_ldap_settings *set,
				    const char *user,
				    struct referral_ldap_search *search_r);

/* Take the one entry from the search's result: one without an error, or one that
   was refused. Returns 1 with entry_r; 0 if there is none; -1 with error_r if
   the search was refused or finds several entries. */
int referral_user_entry_get(const struct referral_ldap_settings *set,
			    struct referral_ldap_result *result,
			    struct referral_ldap_entry *entry_r,
			    const char **error_r);

#endif
