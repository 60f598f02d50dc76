/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str-sanitize.h"
#include "referral-entry-values.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-template.h"
#include "referral-user-entry.h"

bool referral_user_entry_get_search(const struct referral_ldap_settings *set,
				    const char *user,
				    struct referral_ldap_search *search_r)
{
	const struct referral_ldap_variables variables = { .user = user };

	i_zero(search_r);
	search_r->base = referral_ldap_dn_expand(set->home_base, &variables);
	if (search_r->base == NULL)
		return FALSE;
	search_r->scope = set->home_scope;
	search_r->filter = referral_ldap_filter_expand(set->home_filter,
						       &variables);
	/* the second one is one too many */
	search_r->size_limit = 2;
	return TRUE;
}

int referral_user_entry_get(const struct referral_ldap_settings *set,
			    struct referral_ldap_result *result,
			    struct referral_ldap_entry *entry_r,
			    const char **error_r)
{
	struct referral_ldap_entry entry2;

	if (result->error != NULL) {
		/* no such domain, for example, and so no such user */
		if (referral_ldap_base_is_missing(set->home_base, result))
			return 0;
		*error_r = result->error;
		return -1;
	}
	if (!referral_ldap_result_next(result, entry_r))
		return 0;
	if (referral_ldap_result_next(result, &entry2)) {
		*error_r = t_strdup_printf(
			"referral_ldap_home_filter finds several entries for "
			"one user, at least %s and %s",
			str_sanitize(entry_r->dn, 256),
			str_sanitize(entry2.dn, 256));
		return -1;
	}
	return 1;
}
