#ifndef REFERRAL_LDAP_SETTING_CHECK_H
#define REFERRAL_LDAP_SETTING_CHECK_H

/* Checks of single settings that hold DNs, attributes, filters and names, as
   struct referral_setting has them: 0, or -1 with error_r, which names the
   setting and says what is expected. */

int referral_ldap_check_base(const char *name, const char *base,
			     const char **error_r);
/* Empty: referral_ldap_base */
int referral_ldap_check_other_base(const char *name, const char *base,
				   const char **error_r);
/* Also with variables of the user. */
int referral_ldap_check_user_base(const char *name, const char *base,
				  const char **error_r);
int referral_ldap_check_attribute(const char *name, const char *attribute,
				  const char **error_r);
/* Empty: what the preset says. So for all that may be empty and is not said to
   mean something else. */
int referral_ldap_check_preset_attribute(const char *name,
					 const char *attribute,
					 const char **error_r);
/* Any number up to a limit, separated by spaces. */
int referral_ldap_check_reader_attributes(const char *name, const char *value,
					  const char **error_r);
/* Also with variables of the user, at least one of them. */
int referral_ldap_check_user_filter(const char *name, const char *filter,
				    const char **error_r);
/* Likewise, with the DN of the user. */
int referral_ldap_check_group_filter(const char *name, const char *filter,
				     const char **error_r);
int referral_ldap_check_filter(const char *name, const char *filter,
			       const char **error_r);
int referral_ldap_check_preset_filter(const char *name, const char *filter,
				      const char **error_r);
int referral_ldap_check_mailbox_template(const char *name, const char *template,
					 const char **error_r);
/* Empty: the same name as here */
int referral_ldap_check_target_template(const char *name, const char *template,
					const char **error_r);
/* What is appended to a host has to be one by itself. Empty: none */
int referral_ldap_check_domain(const char *name, const char *domain,
			       const char **error_r);

#endif
