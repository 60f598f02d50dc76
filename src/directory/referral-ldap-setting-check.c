/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-url.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-template.h"
#include "referral-ldap-setting-check.h"

#include <ctype.h>

int referral_ldap_check_base(const char *name, const char *base,
			     const char **error_r)
{
	if (*base == '\0') {
		*error_r = t_strdup_printf("%s is not set: "
			"expected a DN such as dc=example,dc=org", name);
		return -1;
	}
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_DN,
		name, base, REFERRAL_LDAP_VARIABLE_HOSTNAME, 0, error_r);
}

int referral_ldap_check_other_base(const char *name, const char *base,
				   const char **error_r)
{
	return *base == '\0' ? 0 :
		referral_ldap_check_base(name, base, error_r);
}

int referral_ldap_check_user_base(const char *name, const char *base,
				  const char **error_r)
{
	if (*base == '\0')
		return 0;
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_DN,
		name, base, REFERRAL_LDAP_VARIABLES_OF_USER |
		REFERRAL_LDAP_VARIABLE_HOSTNAME, 0, error_r);
}

int referral_ldap_check_attribute(const char *name, const char *attribute,
				  const char **error_r)
{
	const char *p;

	/* RFC 4512 section 1.4; options and OIDs, too */
	for (p = attribute; *p != '\0'; p++) {
		if (!i_isalnum(*p) && strchr("-.;", *p) == NULL)
			break;
	}
	if (p == attribute || *p != '\0') {
		*error_r = t_strdup_printf("%s=%s: expected the name of one "
			"attribute", name, attribute);
		return -1;
	}
	return 0;
}

int referral_ldap_check_preset_attribute(const char *name,
					 const char *attribute,
					 const char **error_r)
{
	return *attribute == '\0' ? 0 :
		referral_ldap_check_attribute(name, attribute, error_r);
}

int referral_ldap_check_reader_attributes(const char *name, const char *value,
					  const char **error_r)
{
	const char *const *attributes = t_strsplit_spaces(value, " ");
	const char *error;
	unsigned int i;

	for (i = 0; attributes[i] != NULL; i++) {
		/* The server's answer has its name in the place of an OID. */
		if (i == REFERRAL_LDAP_MAX_READER_ATTRIBUTES ||
		    i_isdigit(attributes[i][0]) ||
		    referral_ldap_check_attribute(name, attributes[i],
						  &error) < 0) {
			*error_r = t_strdup_printf("%s=%s: expected the names "
				"of %u attributes at most, separated by "
				"spaces, and no OID",
				name, value,
				REFERRAL_LDAP_MAX_READER_ATTRIBUTES);
			return -1;
		}
	}
	return 0;
}

int referral_ldap_check_user_filter(const char *name, const char *filter,
				    const char **error_r)
{
	if (*filter == '\0')
		return 0;
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_FILTER,
		name, filter, REFERRAL_LDAP_VARIABLES_OF_USER |
		REFERRAL_LDAP_VARIABLE_HOSTNAME,
		REFERRAL_LDAP_VARIABLE_USER | REFERRAL_LDAP_VARIABLE_USERNAME,
		error_r);
}

int referral_ldap_check_group_filter(const char *name, const char *filter,
				     const char **error_r)
{
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_FILTER,
		name, filter, REFERRAL_LDAP_VARIABLES_OF_USER |
		REFERRAL_LDAP_VARIABLE_USER_DN |
		REFERRAL_LDAP_VARIABLE_HOSTNAME,
		REFERRAL_LDAP_VARIABLE_USER | REFERRAL_LDAP_VARIABLE_USERNAME |
		REFERRAL_LDAP_VARIABLE_USER_DN, error_r);
}

int referral_ldap_check_filter(const char *name, const char *filter,
			       const char **error_r)
{
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_FILTER,
		name, filter, REFERRAL_LDAP_VARIABLE_HOSTNAME, 0, error_r);
}

int referral_ldap_check_preset_filter(const char *name, const char *filter,
				      const char **error_r)
{
	return *filter == '\0' ? 0 :
		referral_ldap_check_filter(name, filter, error_r);
}

int referral_ldap_check_mailbox_template(const char *name, const char *template,
					 const char **error_r)
{
	return referral_ldap_template_check(REFERRAL_LDAP_TEMPLATE_NAME,
		name, template, REFERRAL_LDAP_VARIABLE_MAILBOX |
		REFERRAL_LDAP_VARIABLE_HOSTNAME,
		REFERRAL_LDAP_VARIABLE_MAILBOX, error_r);
}

int referral_ldap_check_target_template(const char *name, const char *template,
					const char **error_r)
{
	return *template == '\0' ? 0 :
		referral_ldap_check_mailbox_template(name, template, error_r);
}

int referral_ldap_check_domain(const char *name, const char *domain,
			       const char **error_r)
{
	struct referral_url url;
	const char *error;

	if (*domain == '\0')
		return 0;
	if (strchr(domain, ':') != NULL || strchr(domain, '[') != NULL ||
	    *domain == '.' ||
	    referral_url_parse_server(pool_datastack_create(), domain, 143,
				      &url, &error) < 0) {
		*error_r = t_strdup_printf("%s=%s: expected a domain such as "
			"example.org", name, domain);
		return -1;
	}
	return 0;
}
