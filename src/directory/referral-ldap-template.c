/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "hostpid.h"
#include "referral-template.h"
#include "referral-ldap-dn.h"
#include "referral-ldap-filter.h"
#include "referral-ldap-template.h"

#define VARIABLES_COUNT 6

/* In the order of their bits. */
static const char *const variable_names[VARIABLES_COUNT] = {
	"user", "username", "domain", "mailbox", "user_dn", "hostname"
};

/* Returns 0 if there is no such variable. */
static enum referral_ldap_variable variable_find(const char *name)
{
	unsigned int i;

	for (i = 0; i < VARIABLES_COUNT; i++) {
		if (strcmp(variable_names[i], name) == 0)
			return 1 << i;
	}
	return 0;
}

static const char *variable_value(const char *name, const void *context)
{
	const struct referral_ldap_variables *variables = context;
	const char *value = NULL, *p;

	switch (variable_find(name)) {
	case REFERRAL_LDAP_VARIABLE_USER:
		value = variables->user;
		break;
	case REFERRAL_LDAP_VARIABLE_USERNAME:
		i_assert(variables->user != NULL);
		value = t_strcut(variables->user, '@');
		break;
	case REFERRAL_LDAP_VARIABLE_DOMAIN:
		i_assert(variables->user != NULL);
		p = strchr(variables->user, '@');
		value = p == NULL ? "" : p + 1;
		break;
	case REFERRAL_LDAP_VARIABLE_MAILBOX:
		value = variables->mailbox;
		break;
	case REFERRAL_LDAP_VARIABLE_USER_DN:
		value = variables->user_dn;
		break;
	case REFERRAL_LDAP_VARIABLE_HOSTNAME:
		value = variables->hostname != NULL ?
			variables->hostname : my_hostname;
		break;
	}
	i_assert(value != NULL);
	return value;
}

const char *
referral_ldap_filter_expand(const char *template,
			    const struct referral_ldap_variables *variables)
{
	string_t *str = t_str_new(256);

	(void)referral_template_expand_values(str, template, variable_value,
		variables, referral_ldap_filter_append_value);
	return str_c(str);
}

const char *
referral_ldap_dn_expand(const char *template,
			const struct referral_ldap_variables *variables)
{
	string_t *str = t_str_new(256);

	if (!referral_template_expand_values(str, template, variable_value,
			variables, referral_ldap_dn_append_value))
		return NULL;
	return str_c(str);
}

const char *
referral_ldap_dn_template_tail(const char *template,
			       enum referral_ldap_variable variables)
{
	const char *p;

	for (p = template; *p != '\0'; p++) {
		if (*p == '\\' && p[1] != '\0')
			p++;
		else if (*p == ',' && (variables &
			 referral_ldap_template_get_variables(p + 1)) == 0)
			return p + 1;
	}
	return NULL;
}

const char *
referral_ldap_name_expand(const char *template,
			  const struct referral_ldap_variables *variables)
{
	string_t *str = t_str_new(256);

	(void)referral_template_expand_values(str, template, variable_value,
					      variables, NULL);
	return str_c(str);
}

/*
 * Checks
 */

enum referral_ldap_variable
referral_ldap_template_get_variables(const char *template)
{
	enum referral_ldap_variable variables = 0;
	const char *p, *name;

	for (p = template; (p = strchr(p, '%')) != NULL; ) {
		p = referral_template_parse_variable(p, &name);
		i_assert(p != NULL);
		if (name != NULL)
			variables |= variable_find(name);
	}
	return variables;
}

/* "%{user}, %{domain} or %{hostname}" */
static const char *variables_list(enum referral_ldap_variable variables)
{
	string_t *str = t_str_new(128);
	unsigned int i;

	for (i = 0; i < VARIABLES_COUNT; i++) {
		if ((variables & (1U << i)) == 0)
			continue;
		variables &= ~(1U << i);
		if (str_len(str) > 0)
			str_append(str, variables == 0 ? " or " : ", ");
		str_printfa(str, "%%{%s}", variable_names[i]);
	}
	return str_c(str);
}

static bool
variables_are_known(const char *template, enum referral_ldap_variable allowed)
{
	const char *p, *name;

	for (p = template; (p = strchr(p, '%')) != NULL; ) {
		p = referral_template_parse_variable(p, &name);
		if (p == NULL ||
		    (name != NULL && (variable_find(name) & allowed) == 0))
			return FALSE;
	}
	return TRUE;
}

/* Returns what is expected of the text around the variables, or NULL. */
static const char *
template_text_error(enum referral_ldap_template_type type, const char *template)
{
	switch (type) {
	case REFERRAL_LDAP_TEMPLATE_FILTER:
		return referral_ldap_filter_template_error(template);
	case REFERRAL_LDAP_TEMPLATE_DN:
		return referral_ldap_dn_template_error(template);
	case REFERRAL_LDAP_TEMPLATE_NAME:
		return NULL;
	}
	i_unreached();
}

int referral_ldap_template_check(enum referral_ldap_template_type type,
				 const char *setting, const char *template,
				 enum referral_ldap_variable allowed,
				 enum referral_ldap_variable required,
				 const char **error_r)
{
	const char *expected;

	if (!variables_are_known(template, allowed)) {
		*error_r = t_strdup_printf("%s=%s: expected %s, or %%%% where "
			"a %% is", setting, template, variables_list(allowed));
		return -1;
	}
	expected = template_text_error(type, template);
	if (expected != NULL) {
		*error_r = t_strdup_printf("%s=%s: expected %s",
					   setting, template, expected);
		return -1;
	}
	if (required != 0 && (referral_ldap_template_get_variables(template) &
			      required) == 0) {
		*error_r = t_strdup_printf("%s=%s: expected %s in it: without "
			"it the same would come out for everybody",
			setting, template, variables_list(required));
		return -1;
	}
	return 0;
}
