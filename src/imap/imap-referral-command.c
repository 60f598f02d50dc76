/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "array.h"
#include "istream.h"
#include "ostream.h"
#include "str.h"
#include "strescape.h"
#include "imap-arg.h"
#include "imap-parser.h"
#include "imap-util.h"
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

/* A mailbox that a client has named */
struct imap_referral_arg {
	struct mail_namespace *ns;
	const char *vname;
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
		      struct imap_referral_arg *mailboxes, unsigned int count)
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

	if (!client_read_args(cmd, 0, 0, &args))
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
	struct imap_referral_arg mailbox;

	if (!command_get_mailboxes(cmd, &mailbox, 1))
		return command_run(cmd);
	imap_referral_user_locate(cmd->client->user, mailbox.ns, mailbox.vname,
				  &location);
	if (location.place == IMAP_REFERRAL_PLACE_LOCAL)
		return command_run(cmd);
	return command_refuse(cmd,
		imap_referral_location_response(cmd->client->user, &location));
}

static bool is_subscribed_here(const struct imap_referral_arg *mailbox)
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
	struct imap_referral_arg mailbox;

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

/* One half of the pair: where the mailbox is or would be (RFC 2193 section
   4.3). */
static void
rename_get_url(struct mail_user *user, const struct imap_referral_arg *mailbox,
	       const struct imap_referral_location *location,
	       const struct referral_url *default_server,
	       struct referral_url *url_r)
{
	if (location->place != IMAP_REFERRAL_PLACE_LOCAL) {
		*url_r = *array_front(&location->urls);
		return;
	}
	*url_r = default_server != NULL ? *default_server :
		*imap_referral_user_get_server(user);
	url_r->mailbox = imap_referral_mailbox_get_key_name(mailbox->ns,
							    mailbox->vname);
	if (url_r->mailbox == NULL)
		url_r->mailbox = mailbox->vname;
}

static const char *
rename_get_response(struct mail_user *user,
		    const struct imap_referral_arg *old_mailbox,
		    const struct imap_referral_arg *new_mailbox)
{
	struct imap_referral_location old_location, new_location;
	struct referral_url old_url, new_url;
	bool old_local, new_local, stays;

	imap_referral_user_locate(user, old_mailbox->ns, old_mailbox->vname,
				  &old_location);
	imap_referral_user_locate(user, new_mailbox->ns, new_mailbox->vname,
				  &new_location);
	if (old_location.place == IMAP_REFERRAL_PLACE_UNKNOWN ||
	    new_location.place == IMAP_REFERRAL_PLACE_UNKNOWN)
		return REFERRAL_RESPONSE_UNAVAILABLE;
	old_local = old_location.place == IMAP_REFERRAL_PLACE_LOCAL;
	new_local = new_location.place == IMAP_REFERRAL_PLACE_LOCAL;
	/* What does not exist is Dovecot's to tell. */
	if (old_local &&
	    (new_local ||
	     !imap_referral_mailbox_is_here(old_mailbox->ns->list,
					    old_mailbox->vname)))
		return NULL;
	if (old_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS ||
	    new_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS) {
		return referral_response_no_visitors(array_front(
			old_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS ?
			&old_location.urls : &new_location.urls));
	}

	rename_get_url(user, old_mailbox, &old_location, NULL, &old_url);
	/* A name that the directory does not place stays on the mailbox's
	   server, but personal mailboxes are here. */
	stays = !new_location.listed_here &&
		new_mailbox->ns->type != MAIL_NAMESPACE_TYPE_PRIVATE;
	rename_get_url(user, new_mailbox, &new_location,
		       stays ? &old_url : NULL, &new_url);
	return referral_response_rename(&old_url, &new_url,
					old_local ? &new_url : &old_url,
					user->username);
}

static bool command_rename(struct client_command_context *cmd)
{
	struct imap_referral_arg mailboxes[2];
	const char *response;

	if (!command_get_mailboxes(cmd, mailboxes, 2))
		return command_run(cmd);
	response = rename_get_response(cmd->client->user, &mailboxes[0],
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

/* Write arguments as imap_write_args() does, but with quoted strings in place
   of literals. Returns FALSE if a string cannot be quoted: then it is no name
   of a mailbox. */
static bool
write_args(string_t *str, const struct imap_arg *args)
{
	const struct imap_arg *list_args;
	const char *value;

	for (; !IMAP_ARG_IS_EOL(args); args++) {
		if (str_len(str) > 0 && str_data(str)[str_len(str) - 1] != '(')
			str_append_c(str, ' ');
		if (imap_arg_get_list(args, &list_args)) {
			str_append_c(str, '(');
			if (!write_args(str, list_args))
				return FALSE;
			str_append_c(str, ')');
		} else if (args->type == IMAP_ARG_ATOM ||
			   args->type == IMAP_ARG_NIL) {
			imap_write_arg(str, args);
		} else {
			if (!imap_arg_get_astring(args, &value) ||
			    strpbrk(value, "\r\n") != NULL)
				return FALSE;
			str_printfa(str, "\"%s\"", str_escape(value));
		}
	}
	return TRUE;
}

/* The arguments of LIST (REMOTE), with what makes Dovecot send the attributes
   of ours: RETURN (SPECIAL-USE). That sends real ones of local mailboxes as
   well, which a server may always do (RFC 6154 section 2). */
static const char *list_extend_args(const struct imap_arg *args)
{
	const struct imap_arg *list_args;
	string_t *str = t_str_new(256);
	unsigned int count = 0;

	if (!write_args(str, args))
		return NULL;
	while (!IMAP_ARG_IS_EOL(&args[count]))
		count++;
	if (count >= 2 && imap_arg_atom_equals(&args[count - 2], "RETURN") &&
	    imap_arg_get_list(&args[count - 1], &list_args)) {
		str_truncate(str, str_len(str) - 1);
		str_append(str, IMAP_ARG_IS_EOL(list_args) ?
			   "SPECIAL-USE)" : " SPECIAL-USE)");
	} else
		str_append(str, " RETURN (SPECIAL-USE)");
	str_append(str, "\r\n");
	return str_c(str);
}

/* Run the command with other arguments. */
static bool
command_run_args(struct client_command_context *cmd, const char *line)
{
	struct imap_parser *parser = cmd->parser;
	struct istream *input;
	bool finished;

	input = i_stream_create_copy_from_data(line, strlen(line));
	(void)i_stream_read(input);
	cmd->parser = imap_referral_parser_create(input, strlen(line) + 1);
	finished = command_run(cmd);
	imap_parser_unref(&cmd->parser);
	cmd->parser = parser;
	i_stream_unref(&input);
	return finished;
}

static bool command_list(struct client_command_context *cmd)
{
	const struct imap_arg *args, *list_args;
	const char *line;

	if (imap_parser_read_args(cmd->parser, 0, 0, &args) < 0 ||
	    !imap_arg_get_list(&args[0], &list_args) ||
	    !list_has_atom(list_args, "REMOTE"))
		return command_run(cmd);

	command_set_list_type(cmd, IMAP_REFERRAL_LIST_EXTENDED);
	if (imap_referral_user_is_guest(cmd->client->user))
		imap_referral_output_set_remote_inbox(cmd->client->output);
	line = list_extend_args(args);
	return line == NULL ? command_run(cmd) : command_run_args(cmd, line);
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
	"UID THREAD", "UID EXPUNGE", NULL
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
		if (rcmd->list_type == IMAP_REFERRAL_LIST_EXTENDED &&
		    imap_referral_user_is_guest(client->user))
			imap_referral_output_set_remote_inbox(client->output);
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

bool imap_referral_command_names_mailboxes(struct mail_user *user)
{
	struct imap_referral_command *rcmd = running_command(user);

	return rcmd != NULL && !rcmd->nameless;
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
imap_referral_command_get_names(struct mail_user *user, bool *extended_r)
{
	struct imap_referral_command *rcmd = running_command(user);

	if (rcmd == NULL)
		return NULL;
	*extended_r = rcmd->list_type == IMAP_REFERRAL_LIST_EXTENDED;
	return rcmd->names;
}

void imap_referral_command_add_mailbox(struct mailbox *box)
{
	struct imap_referral_command *rcmd =
		running_command(box->list->ns->user);

	if (rcmd == NULL || rcmd->first_vname != NULL)
		return;
	rcmd->first_ns = box->list->ns;
	rcmd->first_vname = p_strdup(running_cmd->pool, box->vname);
	rcmd->first_is_virtual = strcmp(box->storage->name, "virtual") == 0;
}

bool imap_referral_command_is_backend(struct mailbox *box)
{
	struct imap_referral_command *rcmd =
		running_command(box->list->ns->user);

	return rcmd != NULL && rcmd->first_is_virtual &&
		strcmp(rcmd->first_vname, box->vname) != 0;
}

const char *
imap_referral_command_get_response(struct client_command_context *cmd)
{
	struct imap_referral_command *rcmd = IMAP_REFERRAL_COMMAND_CONTEXT(cmd);
	struct mail_user *user = cmd->client->user;
	struct imap_referral_location location;

	if (rcmd == NULL || rcmd->first_vname == NULL ||
	    rcmd->list_type != IMAP_REFERRAL_LIST_NONE)
		return NULL;
	imap_referral_user_locate(user, rcmd->first_ns, rcmd->first_vname,
				  &location);
	if (location.place != IMAP_REFERRAL_PLACE_REMOTE)
		return NULL;
	return imap_referral_location_response(user, &location);
}
