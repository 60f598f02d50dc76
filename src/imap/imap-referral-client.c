/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "array.h"
#include "str.h"
#include "module-context.h"
#include "referral-compat.h"
#include "referral-response.h"
#include "imap-referral-command.h"
#include "imap-referral-offer.h"
#include "imap-referral-user.h"
#include "imap-referral-client.h"

/* Only the imap process has these. */
#pragma weak imap_module_register
#pragma weak client_add_capability

/* RFC 2193 section 3 */
#define MAILBOX_REFERRALS_CAPABILITY "MAILBOX-REFERRALS"

#define IMAP_REFERRAL_CLIENT_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_referral_client_module)

struct imap_referral_client {
	union imap_module_context module_ctx;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_client_module,
				  &imap_module_register);

/* The URL of a message elsewhere, in CATENATE: the code would be taken for the
   destination's. */
static const char *remove_second_code(const char *data)
{
	const char *code, *end;

	code = strstr(data, REFERRAL_RESPONSE_CODE);
	if (code == NULL || (end = strchr(code, ']')) == NULL)
		return data;
	end++;
	return t_strconcat(t_strdup_until(data, code),
			   *end == ' ' ? end + 1 : end, NULL);
}

/* GENURLAUTH takes every failure for the client's. */
static const char *find_response(const char *data)
{
	const char *p;

	for (p = strchr(data, '['); p != NULL; p = strchr(p + 1, '[')) {
		if (referral_response_is(p))
			return t_strconcat("NO ", p, NULL);
	}
	return data;
}

static const char *
repair_tagline(struct client_command_context *cmd, const char *data)
{
	const char *response;
	bool failed;

	if (str_begins_with(data, "NO [BADURL "))
		return remove_second_code(data);
	if (str_begins_with(data, "BAD ") && cmd->name != NULL &&
	    strcasecmp(cmd->name, "GENURLAUTH") == 0)
		return find_response(data);
	failed = str_begins_with(data, "NO ");
	if ((failed && referral_response_is(data + strlen("NO "))) ||
	    str_begins_with(data, "NO [UNAVAILABLE] ") ||
	    (!failed && !str_begins_with(data, "OK ")))
		return data;
	/* Some mailboxes fail before any function of theirs is called. */
	response = imap_referral_command_get_response(cmd, failed);
	return response == NULL ? data : t_strconcat("NO ", response, NULL);
}

static void
imap_referral_send_tagline(struct client_command_context *cmd,
			   const char *data)
{
	struct imap_referral_client *rclient =
		IMAP_REFERRAL_CLIENT_CONTEXT(cmd->client);
	struct timeval start_time = cmd->stats.start_time;

	data = repair_tagline(cmd, data);

	/* People read this: leave out how long the command took. */
	if (str_begins_with(data, "NO "REFERRAL_RESPONSE_CODE))
		i_zero(&cmd->stats.start_time);
	rclient->module_ctx.super.send_tagline(cmd, data);
	cmd->stats.start_time = start_time;
}

static bool client_has_capability(struct client *client, const char *name)
{
	return str_array_find(t_strsplit(str_c(client->capability_string),
					 " "), name);
}

static void imap_referral_client_init(struct client *client)
{
	struct imap_referral_client *rclient =
		IMAP_REFERRAL_CLIENT_CONTEXT(client);

	imap_referral_offer_end(client);
	rclient->module_ctx.super.init(client);
}

static void
imap_referral_client_destroy(struct client *client, const char *reason)
{
	struct imap_referral_client *rclient =
		IMAP_REFERRAL_CLIENT_CONTEXT(client);

	imap_referral_offer_end(client);
	rclient->module_ctx.super.destroy(client, reason);
}

bool imap_referral_have_clients(void)
{
	return client_add_capability != NULL;
}

void imap_referral_client_created(struct client *client)
{
	struct imap_referral_client *rclient;
	const char *offer;

	rclient = p_new(client->pool, struct imap_referral_client, 1);
	rclient->module_ctx.super = client->v;
	client->v.send_tagline = imap_referral_send_tagline;
	MODULE_CONTEXT_SET(client, imap_referral_client_module, rclient);

	/* imap_capability may have it already */
	if (!client_has_capability(client, MAILBOX_REFERRALS_CAPABILITY))
		client_add_capability(client, MAILBOX_REFERRALS_CAPABILITY);

	offer = imap_referral_user_get_offer(client->user);
	if (offer != NULL) {
		client->v.init = imap_referral_client_init;
		client->v.destroy = imap_referral_client_destroy;
		imap_referral_offer_begin(client,
					  p_strdup(client->pool, offer));
	}
}
