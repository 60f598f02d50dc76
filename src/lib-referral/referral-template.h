#ifndef REFERRAL_TEMPLATE_H
#define REFERRAL_TEMPLATE_H

/* Texts with variables in them: %{user} is a login name, %{username} and
   %{domain} its parts before and after the first @, %% a %. They are the same
   with all versions of Dovecot. */

/* Append a variable's value, escaped for where it goes to. */
typedef void referral_template_append_t(string_t *str, const char *value);

/* Returns the value of a variable, which is one that the check has let pass. */
typedef const char *
referral_template_value_t(const char *name, const void *context);

/* Append the text with its variables expanded; it must have been checked. NULL
   appends values as they are. Returns FALSE if there is an empty value in
   it. */
bool referral_template_expand_values(string_t *str, const char *template,
				     referral_template_value_t *get_value,
				     const void *context,
				     referral_template_append_t *append)
	ATTR_NULL(5);
/* The same with the variables above. */
void referral_template_expand(string_t *str, const char *template,
			      const char *user,
			      referral_template_append_t *append) ATTR_NULL(4);

/* Returns NULL if all variables are known, else what was expected. The
   others say whether %{user} or %{username} is among them, and whether there
   is any. */
const char *referral_template_error(const char *template, bool *has_user_r,
				    bool *has_variables_r);

/* Take what begins at a '%': returns the end of it, or NULL if it is neither
   %% nor %{name}. name_r is NULL for %%, else allocated from the data stack. */
const char *referral_template_parse_variable(const char *p,
					     const char **name_r);

#endif
