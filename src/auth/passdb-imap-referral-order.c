/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "array.h"
#include "auth-settings.h"
#include "referral-compat.h"
#include "passdb-imap-referral-order.h"

static bool is_ours(const struct auth_passdb_settings *set)
{
	return strcmp(set->driver, "imap_referral") == 0;
}

/* Masters' logins are not ours, and a deny passdb accepts nobody. */
static bool checks_passwords(const struct auth_passdb_settings *set)
{
	return !set->master && !set->deny;
}

static bool ends_the_chain(const struct auth_passdb_settings *set)
{
	return !auth_passdb_has_pass(set) &&
		(strcmp(set->result_success, "return") == 0 ||
		 strcmp(set->result_success, "return-ok") == 0);
}

static const char *describe(const struct auth_passdb_settings *set)
{
	const char *name = *set->name != '\0' ? set->name : set->driver;

	if (*auth_passdb_args(set) == '\0')
		return name;
	return t_strdup_printf("%s (%s)", name, auth_passdb_args(set));
}

void passdb_imap_referral_check_order(void)
{
	static bool checked = FALSE;
	const struct auth_passdb_settings *set;
	unsigned int i, count;
	bool seen_ours = FALSE, seen_others = FALSE;

	/* Once, however many passdbs of ours and processes there are. */
	if (checked || worker)
		return;
	checked = TRUE;

	count = array_count(auth_settings_passdbs(global_auth_settings));
	for (i = 0; i < count; i++) {
		set = *array_idx(auth_settings_passdbs(global_auth_settings),
				 i);
		if (is_ours(set)) {
			seen_ours = TRUE;
			continue;
		}
		if (!checks_passwords(set))
			continue;
		if (seen_ours) {
			/* Dovecot skips a first passdb that is for those who
			   are known already, and says nothing. */
			if (!seen_others) {
				e_warning(auth_event, "passdb imap_referral "
					"has to come after the passdbs that "
					"check passwords");
			}
			break;
		}
		seen_others = TRUE;
		if (ends_the_chain(set)) {
			e_warning(auth_event, "passdb %s logs users in here, "
				"whatever their home server is: it needs "
				"\"result_success = continue\"", describe(set));
		}
	}
}
