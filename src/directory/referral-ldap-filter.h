#ifndef REFERRAL_LDAP_FILTER_H
#define REFERRAL_LDAP_FILTER_H

/* LDAP filters as text (RFC 4515). */

/* Append a value, escaped: whatever it is, it stays one. */
void referral_ldap_filter_append_value(string_t *str, const char *value);

/* Returns NULL if a template (referral-ldap-template.h) is a filter, whatever
   the values of its variables are; else what is expected. */
const char *referral_ldap_filter_template_error(const char *template);

#endif
