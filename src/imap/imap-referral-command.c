/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "array.h"
#include "ostream.h"
#include "imap-arg.h"
#include "imap-parser.h"
#include "mailbox-tree.h"
#include "mailbox-list-private.h"
#include "mail-storage-private.h"
#include "imap-commands.h"
#include "module-context.h"
#include "referral-plugin-settings.h"
#include "referral-response.h"
#include "imap-referral-compat.h"
#include "imap-referral-mailbox.h"
#include "imap-referral-names.h"
#include "imap-referral-output.h"
#include "imap-referral-rename.h"
#include "imap-referral-user.h"
#include "imap-referral-command.h"

/* Only the imap process has these. */
#pragma weak imap_module_register
#pragma weak command_hook_register
#pragma weak command_hook_unregister
#pragma weak client_read_args
#pragma weak client_send_tagline

#define IMAP_REFERRAL_COMMAND_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_referral_command_module)
#define IMAP_REFERRAL_COMMAND_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_referral_command_module)

enum imap_referral_list_type {
	/* The command lists no mailboxes. */
	IMAP_REFERRAL_LIST_NONE = 0,
	IMAP_REFERRAL_LIST_LOCAL,
	/* RLIST, RLSUB */
	IMAP_REFERRAL_LIST_RLIST,
	/* LIST (REMOTE) */
	IMAP_REFERRAL_LIST_EXTENDED,
};

struct imap_referral_command {
	union imap_module_context module_ctx;

	/* The command's own function, if we have replaced it. */
	command_func_t *func;
	enum imap_referral_list_type list_type;
	/* NULL if the command does not list remote mailboxes */
	struct imap_referral_names *names;
	/* Somebody else makes a list meanwhile. */
	unsigned int names_hidden;
	/* While it runs, instead of the client's. */
	struct ostream *output;

	/* The first mailbox that was allocated for it. */
	struct mail_namespace *first_ns;
	const char *first_vname;
	bool first_is_virtual;

	bool nameless;
};

struct imap_referral_command_handler {
	const char *name;
	command_func_t *func;
	enum imap_referral_list_type list_type;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_command_module,
				  &imap_module_register);

/* There is one at a time in a process. */
static struct client_command_context *running_cmd;

static struct imap_referral_command *running_command(struct mail_user *user)
{
	if (running_cmd == NULL || running_cmd->client->user != user)
		return NULL;
	return IMAP_REFERRAL_COMMAND_CONTEXT_REQUIRE(running_cmd);
}

/*
 * Arguments
 */

/* Get the mailboxes that the command's first arguments name. They are left
   where they are for the command's own function. Returns FALSE if they are not
   there yet, or not right: then that function has to say so. */
static bool
command_get_mailboxes(struct client_command_context *cmd,
		      struct imap_referral_name_arg *mailboxes, unsigned int count)
{
	const struct imap_arg *args, *options;
	const char *name;
	unsigned int i, skip = 0;

	if (imap_parser_read_args(cmd->parser, 1, 0, &args) < 1)
		return FALSE;
	/* GETMETADATA may have options before the name (RFC 5464 section
	   4.2) */
	if (imap_arg_get_list(&args[0], &options))
		skip = 1;
	if (imap_parser_read_args(cmd->parser, skip + count, 0, &args) <
	    (int)(skip + count))
		return FALSE;
	for (i = 0; i < count; i++) {
		if (!imap_arg_get_astring(&args[skip + i], &name))
			return FALSE;
		mailboxes[i].ns = imap_referral_find_namespace(cmd, &name);
		if (mailboxes[i].ns == NULL)
			return FALSE;
		mailboxes[i].vname = name;
	}
	return TRUE;
}

static bool command_run(struct client_command_context *cmd)
{
	struct imap_referral_command *rcmd =
		IMAP_REFERRAL_COMMAND_CONTEXT_REQUIRE(cmd);

	return rcmd->func(cmd);
}

/* Answer in place of the command's own function. Returns FALSE if there is more
   of the command to come: it has to be read, as what follows a literal would
   be taken for the next command. */
static bool
command_refuse(struct client_command_context *cmd, const char *response)
{
	const struct imap_arg *args;

	if (!client_read_args(cmd, 0, IMAP_PARSE_FLAG_LITERAL8, &args))
		return FALSE;
	client_send_tagline(cmd, t_strconcat("NO ", response, NULL));
	return TRUE;
}

/*
 * Commands that do not open the mailbox, or not by a function of it that we
 * could override.
 */

static bool command_mailbox(struct client_command_context *cmd)
{
	struct imap_referral_location location;
	struct imap_referral_name_arg mailbox;

	if (!command_get_mailboxes(cmd, &mailbox, 1))
		return command_run(cmd);
	imap_referral_user_locate(cmd->client->user, mailbox.ns, mailbox.vname,
				  &location);
	if (location.place == IMAP_REFERRAL_PLACE_LOCAL)
		return command_run(cmd);
	return command_refuse(cmd,
		imap_referral_location_response(cmd->client->user, &location));
}

static bool is_subscribed_here(const struct imap_referral_name_arg *mailbox)
{
	struct mailbox_list *list = mailbox->ns->list;
	const struct mailbox_node *node;

	if (mailbox_list_iter_subscriptions_refresh(list) < 0)
		return TRUE;
	node = mailbox_tree_lookup(list->subscriptions, mailbox->vname);
	return node != NULL && (node->flags & MAILBOX_SUBSCRIBED) != 0;
}

static bool command_unsubscribe(struct client_command_context *cmd)
{
	const struct referral_plugin_settings *set =
		imap_referral_user_get_settings(cmd->client->user);
	struct imap_referral_name_arg mailbox;

	/* What is here of a subscription can always be removed. */
	if (set->subscriptions == REFERRAL_SUBSCRIPTIONS_LOCAL ||
	    !command_get_mailboxes(cmd, &mailbox, 1) ||
	    is_subscribed_here(&mailbox))
		return command_run(cmd);
	return command_mailbox(cmd);
}

/*
 * RENAME
 */

static bool command_rename(struct client_command_context *cmd)
{
	struct imap_referral_name_arg mailboxes[2];
	const char *response;

	if (!command_get_mailboxes(cmd, mailboxes, 2))
		return command_run(cmd);
	response = imap_referral_rename_get_response(cmd->client->user,
						     &mailboxes[0],
						     &mailboxes[1]);
	return response == NULL ? command_run(cmd) :
		command_refuse(cmd, response);
}

/*
 * LIST
 */

static void
command_set_list_type(struct client_command_context *cmd,
		      enum imap_referral_list_type type)
{
	struct imap_referral_command *rcmd =
		IMAP_REFERRAL_COMMAND_CONTEXT_REQUIRE(cmd);

	rcmd->list_type = type;
	if (type != IMAP_REFERRAL_LIST_LOCAL) {
		rcmd->names = imap_referral_names_init(cmd->pool,
						       cmd->client->user);
	}
}

static bool list_has_atom(const struct imap_arg *list, const char *atom)
{
	for (; !IMAP_ARG_IS_EOL(list); list++) {
		if (imap_arg_atom_equals(list, atom))
			return TRUE;
	}
	return FALSE;
}

static bool list_name_is_remote(const char *vname, void *context)
{
	struct client_command_context *cmd = context;
	struct imap_referral_command *rcmd =
		IMAP_REFERRAL_COMMAND_CONTEXT_REQUIRE(cmd);

	return imap_referral_names_is_remote(rcmd->names, vname);
}

static bool command_list(struct client_command_context *cmd)
{
	const struct imap_arg *args, *list_args;

	/* Dovecot knows the option and does nothing about it. */
	if (imap_parser_read_args(cmd->parser, 0, 0, &args) >= 0 &&
	    imap_arg_get_list(&args[0], &list_args) &&
	    list_has_atom(list_args, "REMOTE")) {
		command_set_list_type(cmd, IMAP_REFERRAL_LIST_EXTENDED);
		imap_referral_output_mark_remote(cmd->client->output,
						 list_name_is_remote, cmd);
	}
	return command_run(cmd);
}

static const struct imap_referral_command_handler command_handlers[] = {
	{ .name = "LIST", .func = command_list,
	  .list_type = IMAP_REFERRAL_LIST_LOCAL },
	{ .name = "LSUB", .list_type = IMAP_REFERRAL_LIST_LOCAL },
	{ .name = "XLIST", .list_type = IMAP_REFERRAL_LIST_LOCAL },
	{ .name = "RLIST", .list_type = IMAP_REFERRAL_LIST_RLIST },
	{ .name = "RLSUB", .list_type = IMAP_REFERRAL_LIST_RLIST },
	/* It sends the status of the mailboxes that it watches. */
	{ .name = "NOTIFY", .list_type = IMAP_REFERRAL_LIST_LOCAL },
	{ .name = "RENAME", .func = command_rename },
	{ .name = "UNSUBSCRIBE", .func = command_unsubscribe },
	{ .name = "GETACL", .func = command_mailbox },
	{ .name = "SETACL", .func = command_mailbox },
	{ .name = "DELETEACL", .func = command_mailbox },
	{ .name = "LISTRIGHTS", .func = command_mailbox },
	{ .name = "MYRIGHTS", .func = command_mailbox },
	{ .name = "GETQUOTAROOT", .func = command_mailbox },
	{ .name = "GETMETADATA", .func = command_mailbox },
	{ .name = "SETMETADATA", .func = command_mailbox },
};

/* They name no mailbox: what is opened while they run, as by NOTIFY, was named
   earlier. */
static const char *const nameless_commands[] = {
	"NOOP", "CHECK", "IDLE", "FETCH", "STORE", "SEARCH", "SORT", "THREAD",
	"EXPUNGE", "UID FETCH", "UID STORE", "UID SEARCH", "UID SORT",
	"UID THREAD", "UID EXPUNGE", "CLOSE", "UNSELECT", "GETQUOTA",
	"SETQUOTA", "NAMESPACE", "ENABLE", "ID", "CAPABILITY", "COMPRESS",
	"LOGOUT", NULL
};

/*
 * The running command
 */

static struct imap_referral_command *
command_attach(struct client_command_context *cmd)
{
	const struct imap_referral_command_handler *handler;
	struct imap_referral_command *rcmd;
	unsigned int i;

	rcmd = p_new(cmd->pool, struct imap_referral_command, 1);
	MODULE_CONTEXT_SET(cmd, imap_referral_command_module, rcmd);
	/* a line that is no command has no name itself */
	if (cmd->name == NULL ||
	    str_array_icase_find(nameless_commands, cmd->name)) {
		rcmd->nameless = TRUE;
		return rcmd;
	}
	for (i = 0; i < N_ELEMENTS(command_handlers); i++) {
		handler = &command_handlers[i];
		if (strcasecmp(cmd->name, handler->name) != 0)
			continue;
		if (handler->list_type != IMAP_REFERRAL_LIST_NONE)
			command_set_list_type(cmd, handler->list_type);
		if (handler->func != NULL) {
			rcmd->func = cmd->func;
			cmd->func = handler->func;
		}
		break;
	}
	return rcmd;
}

static void imap_referral_command_pre(struct client_command_context *cmd)
{
	struct client *client = cmd->client;
	struct imap_referral_command *rcmd;

	if (imap_referral_user_get_settings(client->user) == NULL)
		return;
	rcmd = IMAP_REFERRAL_COMMAND_CONTEXT(cmd);
	if (rcmd == NULL)
		rcmd = command_attach(cmd);
	running_cmd = cmd;
	if (rcmd->list_type != IMAP_REFERRAL_LIST_NONE) {
		rcmd->output = client->output;
		client->output = imap_referral_output_create(rcmd->output);
		if (rcmd->list_type == IMAP_REFERRAL_LIST_EXTENDED) {
			imap_referral_output_mark_remote(client->output,
				list_name_is_remote, cmd);
		}
	}
}

static void imap_referral_command_post(struct client_command_context *cmd)
{
	struct imap_referral_command *rcmd = IMAP_REFERRAL_COMMAND_CONTEXT(cmd);

	running_cmd = NULL;
	if (rcmd != NULL && rcmd->output != NULL) {
		o_stream_unref(&cmd->client->output);
		cmd->client->output = rcmd->output;
		rcmd->output = NULL;
	}
}

void imap_referral_commands_init(void)
{
	command_hook_register(imap_referral_command_pre,
			      imap_referral_command_post);
}

void imap_referral_commands_deinit(void)
{
	command_hook_unregister(imap_referral_command_pre,
				imap_referral_command_post);
}

bool imap_referral_command_is(struct mail_user *user, const char *name)
{
	return running_command(user) != NULL && running_cmd->name != NULL &&
		strcasecmp(running_cmd->name, name) == 0;
}

bool imap_referral_command_is_list(struct mail_user *user)
{
	struct imap_referral_command *rcmd = running_command(user);

	return rcmd != NULL && rcmd->list_type != IMAP_REFERRAL_LIST_NONE;
}

bool imap_referral_command_hides_remote(struct mail_user *user)
{
	struct imap_referral_command *rcmd = running_command(user);

	return rcmd != NULL && rcmd->list_type == IMAP_REFERRAL_LIST_LOCAL;
}

struct imap_referral_names *
imap_referral_command_get_names(struct mail_user *user)
{
	struct imap_referral_command *rcmd = running_command(user);

	return rcmd == NULL || rcmd->names_hidden > 0 ? NULL : rcmd->names;
}

void imap_referral_command_hide_names(struct mail_user *user, bool hide)
{
	struct imap_referral_command *rcmd = running_command(user);

	if (rcmd == NULL)
		return;
	if (hide)
		rcmd->names_hidden++;
	else
		rcmd->names_hidden--;
}

void imap_referral_command_add_mailbox(struct mailbox *box)
{
	struct imap_referral_command *rcmd =
		running_command(box->list->ns->user);

	if (rcmd == NULL || rcmd->first_vname != NULL)
		return;
	rcmd->first_ns = box->list->ns;
	rcmd->first_vname = p_strdup(running_cmd->pool, box->vname);
	rcmd->first_is_virtual = imap_referral_mailbox_is_virtual(box);
}

bool imap_referral_command_names(struct mailbox *box)
{
	struct imap_referral_command *rcmd =
		running_command(box->list->ns->user);

	if (rcmd == NULL || rcmd->nameless)
		return FALSE;
	/* Quota counts all personal mailboxes, whatever the command is about;
	   others are rarely used but by name. */
	return rcmd->list_type != IMAP_REFERRAL_LIST_NONE ||
		box->list->ns->type != MAIL_NAMESPACE_TYPE_PRIVATE ||
		null_strcmp(rcmd->first_vname, box->vname) == 0;
}

bool imap_referral_command_is_backend(struct mailbox *box)
{
	struct imap_referral_command *rcmd =
		running_command(box->list->ns->user);

	return rcmd != NULL && rcmd->first_is_virtual &&
		strcmp(rcmd->first_vname, box->vname) != 0;
}

const char *
imap_referral_command_get_response(struct client_command_context *cmd,
				   bool failed)
{
	struct imap_referral_command *rcmd = IMAP_REFERRAL_COMMAND_CONTEXT(cmd);
	struct mail_user *user = cmd->client->user;
	struct imap_referral_location location;

	if (rcmd == NULL)
		return NULL;
	if (rcmd->names != NULL && imap_referral_names_failed(rcmd->names))
		return REFERRAL_RESPONSE_LIST_UNAVAILABLE;
	if (!failed || rcmd->first_vname == NULL ||
	    rcmd->list_type != IMAP_REFERRAL_LIST_NONE)
		return NULL;
	imap_referral_user_locate(user, rcmd->first_ns, rcmd->first_vname,
				  &location);
	if (location.place != IMAP_REFERRAL_PLACE_REMOTE)
		return NULL;
	return imap_referral_location_response(user, &location);
}
