#ifndef IMAP_REFERRAL_COMPAT_H
#define IMAP_REFERRAL_COMPAT_H

#include "referral-plugin-settings.h"

struct mail_user;
struct mail_namespace;
struct client_command_context;

/* Get the user's imap_referral_* settings, allocated from the user's pool.
   Returns 0, or -1 with error_r, which says what is expected. In compat-*. */
int imap_referral_settings_get(struct mail_user *user,
			       struct referral_plugin_settings *set,
			       const char **error_r);

/* Find the namespace of a mailbox, and decode its name, allocated from the data
   stack. Returns NULL if the name is not valid or in no namespace. */
struct mail_namespace *
imap_referral_find_namespace(struct client_command_context *cmd,
			     const char **mailbox);

#endif
