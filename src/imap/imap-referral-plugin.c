/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "str.h"
#include "mail-storage-hooks.h"
#include "imap-referral-mailbox.h"
#include "imap-referral-user.h"
#include "imap-referral-plugin.h"

/* RFC 2193 section 3 */
#define MAILBOX_REFERRALS_CAPABILITY "MAILBOX-REFERRALS"

/* Only the imap process has these. Where mail_plugins is global, other
   programs load this plugin, too: there it does nothing. */
#pragma weak imap_client_created_hook_set
#pragma weak client_add_capability

const char *imap_referral_plugin_version = DOVECOT_ABI_VERSION;

static struct module *imap_referral_module;
static imap_client_created_func_t *next_hook_client_created;

static struct mail_storage_hooks imap_referral_hooks = {
	.mail_user_created = imap_referral_user_created,
	.mailbox_allocated = imap_referral_mailbox_allocated,
};

static void imap_referral_client_created(struct client **client)
{
	/* imap_capability may have added it already */
	if (mail_user_is_plugin_loaded((*client)->user, imap_referral_module) &&
	    !str_array_find(t_strsplit_spaces(
				str_c((*client)->capability_string), " "),
			    MAILBOX_REFERRALS_CAPABILITY))
		client_add_capability(*client, MAILBOX_REFERRALS_CAPABILITY);

	if (next_hook_client_created != NULL)
		next_hook_client_created(client);
}

static bool in_imap_process(void)
{
	return imap_client_created_hook_set != NULL;
}

void imap_referral_plugin_init(struct module *module)
{
	if (!in_imap_process())
		return;
	imap_referral_module = module;
	mail_storage_hooks_add(module, &imap_referral_hooks);
	next_hook_client_created =
		imap_client_created_hook_set(imap_referral_client_created);
}

void imap_referral_plugin_deinit(void)
{
	if (!in_imap_process())
		return;
	imap_client_created_hook_set(next_hook_client_created);
	mail_storage_hooks_remove(&imap_referral_hooks);
}
