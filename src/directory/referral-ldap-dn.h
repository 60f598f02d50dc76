#ifndef REFERRAL_LDAP_DN_H
#define REFERRAL_LDAP_DN_H

/* Distinguished names as text (RFC 4514). */

/* Append the value of an attribute, escaped: whatever it is, it stays one. */
void referral_ldap_dn_append_value(string_t *str, const char *value);

/* Returns NULL if a template (referral-ldap-template.h) is a DN, whatever the
   values of its variables are, unless these are empty; else what is
   expected. */
const char *referral_ldap_dn_template_error(const char *template);

/* Get a form of the DN, allocated from the data stack, that is the same for all
   ways to write it: spaces, escapes, case. Case matters in some attributes, but
   in none that names an entry usually. Returns FALSE if it is no DN, or the
   empty one. */
bool referral_ldap_dn_normalize(const char *dn, const char **normalized_r);

/* Whether the entry is the base or below it. FALSE also if one of them is no
   DN. */
bool referral_ldap_dn_is_below(const char *dn, const char *base);

/* Get the value of the attribute in the first RDN that has it, allocated from
   the data stack. Returns FALSE if none has, or it is no DN. */
bool referral_ldap_dn_find_value(const char *dn, const char *attribute,
				 const char **value_r);

#endif
