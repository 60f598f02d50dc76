/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-template.h"

static const char *variable_value(const char *name, const void *context)
{
	const char *user = context, *p = strchr(user, '@');

	if (strcmp(name, "user") == 0)
		return user;
	if (strcmp(name, "username") == 0)
		return t_strcut(user, '@');
	if (strcmp(name, "domain") == 0)
		return p == NULL ? "" : p + 1;
	return NULL;
}

const char *referral_template_parse_variable(const char *p,
					     const char **name_r)
{
	const char *end;

	*name_r = NULL;
	if (p[1] == '%')
		return p + 2;
	if (p[1] != '{' || (end = strchr(p, '}')) == NULL)
		return NULL;
	*name_r = t_strdup_until(p + 2, end);
	return end + 1;
}

bool referral_template_expand_values(string_t *str, const char *template,
				     referral_template_value_t *get_value,
				     const void *context,
				     referral_template_append_t *append)
{
	const char *name, *value;
	bool all = TRUE;

	while (*template != '\0') {
		if (*template != '%') {
			str_append_c(str, *template++);
			continue;
		}
		template = referral_template_parse_variable(template, &name);
		i_assert(template != NULL);
		if (name == NULL) {
			str_append_c(str, '%');
			continue;
		}
		value = get_value(name, context);
		if (*value == '\0')
			all = FALSE;
		if (append != NULL)
			append(str, value);
		else
			str_append(str, value);
	}
	return all;
}

void referral_template_expand(string_t *str, const char *template,
			      const char *user,
			      referral_template_append_t *append)
{
	(void)referral_template_expand_values(str, template, variable_value,
					      user, append);
}

const char *referral_template_error(const char *template, bool *has_user_r,
				    bool *has_variables_r)
{
	const char *p, *name;

	*has_user_r = FALSE;
	*has_variables_r = FALSE;
	for (p = template; (p = strchr(p, '%')) != NULL; ) {
		p = referral_template_parse_variable(p, &name);
		if (p != NULL && name == NULL)
			continue;
		if (p == NULL || variable_value(name, "") == NULL) {
			return "%{user}, %{username}, %{domain} or %% "
				"where a % is";
		}
		*has_variables_r = TRUE;
		if (strcmp(name, "domain") != 0)
			*has_user_r = TRUE;
	}
	return NULL;
}
