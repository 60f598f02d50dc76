/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "imap-commands-util.h"
#include "imap-referral-compat.h"

/* Only the imap process has it. */
#pragma weak client_find_namespace_full

struct mail_namespace *
imap_referral_find_namespace(struct client_command_context *cmd,
			     const char **mailbox)
{
	const char *error;

#ifdef HAVE_FIND_NAMESPACE_FOR_COMMAND
	return client_find_namespace_full(cmd, mailbox, &error);
#else
	return client_find_namespace_full(cmd->client, mailbox, &error);
#endif
}
