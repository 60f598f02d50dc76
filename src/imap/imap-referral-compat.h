#ifndef IMAP_REFERRAL_COMPAT_H
#define IMAP_REFERRAL_COMPAT_H

#include "referral-plugin-settings.h"

struct mail_user;

/* Get the user's imap_referral_* settings, allocated from the user's pool.
   Returns 0, or -1 with error_r, which says what is expected. In compat-*. */
int imap_referral_settings_get(struct mail_user *user,
			       struct referral_plugin_settings *set,
			       const char **error_r);

#endif
