/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "imap-commands.h"
#include "mail-storage-hooks.h"
#include "imap-referral-client.h"
#include "imap-referral-command.h"
#include "imap-referral-list.h"
#include "imap-referral-mailbox.h"
#include "imap-referral-user.h"
#include "imap-referral-plugin.h"

/* Only the imap process has these. */
#pragma weak imap_client_created_hook_set
#pragma weak command_register
#pragma weak command_unregister
#pragma weak cmd_list
#pragma weak cmd_lsub

const char *imap_referral_plugin_version = DOVECOT_ABI_VERSION;

static struct module *imap_referral_module;
static imap_client_created_func_t *next_hook_client_created;

static struct mail_storage_hooks imap_referral_hooks = {
	.mail_user_created = imap_referral_user_created,
	.mailbox_list_created = imap_referral_mailbox_list_created,
	.mailbox_allocated = imap_referral_mailbox_allocated,
};

static void imap_referral_hook_client_created(struct client **client)
{
	if (mail_user_is_plugin_loaded((*client)->user, imap_referral_module))
		imap_referral_client_created(*client);
	if (next_hook_client_created != NULL)
		next_hook_client_created(client);
}

void imap_referral_plugin_init(struct module *module)
{
	if (!imap_referral_have_clients())
		return;
	imap_referral_module = module;
	mail_storage_hooks_add(module, &imap_referral_hooks);
	next_hook_client_created =
		imap_client_created_hook_set(imap_referral_hook_client_created);
	imap_referral_commands_init();
	/* RFC 2193 sections 5.1 and 5.2: as LIST and LSUB, and what else they
	   show is what the mailbox lists add. */
	command_register("RLIST", cmd_list, 0);
	command_register("RLSUB", cmd_lsub, 0);
}

void imap_referral_plugin_deinit(void)
{
	if (!imap_referral_have_clients())
		return;
	command_unregister("RLIST");
	command_unregister("RLSUB");
	imap_referral_commands_deinit();
	imap_client_created_hook_set(next_hook_client_created);
	mail_storage_hooks_remove(&imap_referral_hooks);
}
