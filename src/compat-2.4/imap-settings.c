/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "mail-user.h"
#include "referral-compat-settings.h"
#include "imap-referral-compat.h"

int imap_referral_settings_get(struct mail_user *user,
			       struct referral_plugin_settings *set,
			       const char **error_r)
{
	return imap_referral_plugin_settings_get(user->event, user->pool, set,
						 error_r);
}
