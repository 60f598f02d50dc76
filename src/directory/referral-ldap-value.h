#ifndef REFERRAL_LDAP_VALUE_H
#define REFERRAL_LDAP_VALUE_H

#include "array-decl.h"
#include "referral-url.h"

/* A value of an attribute that says where something is. */
struct referral_ldap_value {
	struct referral_url url;
	/* Lower is preferred: LDAP values have no order of their own. */
	unsigned int preference;
};
ARRAY_DEFINE_TYPE(referral_ldap_value, struct referral_ldap_value);

/* Parse "host[:port] [number]" or "imap://host[:port]/[mailbox] [number]".
   What follows a URL after a space and is no number is a label (RFC 2079) and
   ignored. Without a number the preference is 0. Returns 0 with value_r,
   allocated from the pool; or -1 with error_r, which says what was expected. */
int referral_ldap_value_parse(pool_t pool, const char *data, size_t size,
			      in_port_t default_port,
			      struct referral_ldap_value *value_r,
			      const char **error_r);

/* The mailbox name in a URL of whatever scheme that may be unusable otherwise,
   allocated from the data stack. NULL if there is none that is valid. */
const char *referral_ldap_value_get_mailbox(const char *data, size_t size);

/* Sort by preference, then by URL, so that the order never depends on that of
   the LDAP server. */
void referral_ldap_values_sort(ARRAY_TYPE(referral_ldap_value) *values);

/* Append the URLs in the form of the dict contract: separated by a space, and at
   most REFERRAL_MAX_URLS of them. */
void referral_ldap_values_append(string_t *str,
	const ARRAY_TYPE(referral_ldap_value) *values);

#endif
