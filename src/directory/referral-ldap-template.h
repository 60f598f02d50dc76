#ifndef REFERRAL_LDAP_TEMPLATE_H
#define REFERRAL_LDAP_TEMPLATE_H

/* LDAP filters (RFC 4515) with variables: %{user} is the login name,
   %{username} and %{domain} its parts before and after the first @ (the
   domain may be empty), %% a percent sign. */

/* Returns 0 if the filter is well-formed and has only known variables - and at
   least one that depends on the user if need_user, else none - or -1 with
   error_r, which names the setting and says what is expected. */
int referral_ldap_template_check(const char *setting, const char *filter,
				 bool need_user, const char **error_r);

/* Returns the filter with the variables' values, escaped: whatever the user
   name is, it stays a value. Allocated from the data stack. The template has
   to have passed the check. */
const char *referral_ldap_template_expand(const char *filter,
					  const char *user) ATTR_NULL(2);

#endif
