#ifndef REFERRAL_LDAP_TEMPLATE_H
#define REFERRAL_LDAP_TEMPLATE_H

/* LDAP filters (RFC 4515), DNs (RFC 4514) and names of mailboxes with variables
   in them. Whatever a variable's value is, it stays a value: it is escaped for
   the place where it goes to. %% is a percent sign. */

enum referral_ldap_variable {
	/* The login name. */
	REFERRAL_LDAP_VARIABLE_USER = 0x01,
	/* Its parts before and after the first @. The domain may be empty. */
	REFERRAL_LDAP_VARIABLE_USERNAME = 0x02,
	REFERRAL_LDAP_VARIABLE_DOMAIN = 0x04,
	/* The name of a mailbox, as its entry has it. */
	REFERRAL_LDAP_VARIABLE_MAILBOX = 0x08,
	/* The DN of the user's entry. */
	REFERRAL_LDAP_VARIABLE_USER_DN = 0x10,
	/* The name of this host. */
	REFERRAL_LDAP_VARIABLE_HOSTNAME = 0x20,
};
#define REFERRAL_LDAP_VARIABLES_OF_USER \
	(REFERRAL_LDAP_VARIABLE_USER | REFERRAL_LDAP_VARIABLE_USERNAME | \
	 REFERRAL_LDAP_VARIABLE_DOMAIN)

enum referral_ldap_template_type {
	REFERRAL_LDAP_TEMPLATE_FILTER,
	REFERRAL_LDAP_TEMPLATE_DN,
	REFERRAL_LDAP_TEMPLATE_NAME,
};

/* Values of variables. Those that a template does not have may be NULL. */
struct referral_ldap_variables {
	const char *user;
	const char *mailbox;
	const char *user_dn;
	/* NULL: my_hostname */
	const char *hostname;
};

/* Check a template. Its variables have to be among the allowed ones, and at
   least one of the required ones has to be there, unless these are 0. In
   filters and DNs variables stand in values only. Returns 0, or -1 with
   error_r, which names the setting and says what is expected. */
int referral_ldap_template_check(enum referral_ldap_template_type type,
				 const char *setting, const char *template,
				 enum referral_ldap_variable allowed,
				 enum referral_ldap_variable required,
				 const char **error_r);

/* The variables in a template, which has to have passed the check, as it has
   for all functions below. */
enum referral_ldap_variable
referral_ldap_template_get_variables(const char *template);

/* These return the template with the variables' values, allocated from the data
   stack. An empty value is one in a filter: it matches nothing. */
const char *
referral_ldap_filter_expand(const char *template,
			    const struct referral_ldap_variables *variables);
/* There are no such DNs as with an empty value: NULL, then, as there can be no
   such entry either. */
const char *
referral_ldap_dn_expand(const char *template,
			const struct referral_ldap_variables *variables);
/* The end of a DN's template that has none of the variables, for example
   ou=people,dc=example,dc=org of dc=%{domain},ou=people,dc=example,dc=org: a
   template as well, within the first one. NULL: there is no such end. */
const char *
referral_ldap_dn_template_tail(const char *template,
			       enum referral_ldap_variable variables);
/* Not escaped at all. */
const char *
referral_ldap_name_expand(const char *template,
			  const struct referral_ldap_variables *variables);

#endif
