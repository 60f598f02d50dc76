/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "login-common.h"
#include "array.h"
#include "ioloop.h"
#include "istream.h"
#include "iostream-ssl.h"
#include "client-common.h"
#include "module-context.h"
#include "referral-answer.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-plugin-settings.h"
#include "referral-response.h"
#include "referral-self-lookup.h"
#include "imap-login-referral-compat.h"
#include "imap-login-referral-client.h"

#define IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_login_referral_module)

struct imap_login_referral_client {
	union login_client_module_context module_ctx;

	/* While it is asked whether this server is in service, with a deadline
	   for all of its names together. */
	struct referral_self_lookup *lookup;
	struct timeout *to_lookup;
	/* What to say when TLS has been agreed on, and what to log. */
	const char *bye, *reason;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_login_referral_module,
				  &login_module_register);

static const struct referral_plugin_settings *referral_set;
static struct referral_self *referral_self;
static struct referral_client *referral_client;
/* Until it succeeds again: a process logs an outage once. */
static bool referral_lookups_fail;

/*
 * The end of waiting
 */

static void client_greet(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	io_remove(&client->io);
	rclient->module_ctx.super.notify_auth_ready(client);
	imap_login_referral_begin_input(client);
}

static void client_close(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	if (client->ssl_iostream != NULL &&
	    !ssl_iostream_is_handshaked(client->ssl_iostream)) {
		/* it would be lost */
		return;
	}
	client_send_raw(client, t_strconcat("* BYE ", rclient->bye, "\r\n",
					    NULL));
	client_destroy(client, rclient->reason);
}

/* Read what comes before the greeting, which may be a TLS handshake. Commands
   wait for the greeting. */
static void client_waiting_input(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	switch (i_stream_read(client->input)) {
	case -2:
		/* enough for now */
		io_remove(&client->io);
		break;
	case -1:
		client_destroy_iostream_error(client);
		return;
	}
	if (rclient->bye != NULL)
		client_close(client);
}

/*
 * Whether this server is in service
 */

static void
client_handle_closed(struct client *client,
		     const ARRAY_TYPE(referral_url) *successors)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);
	const struct referral_url *url;

	url = referral_answer_choose_other(successors, referral_self,
					   &client->local_ip,
					   client->local_port);
	rclient->bye = p_strdup(client->pool, referral_response_closed(url));
	rclient->reason = p_strdup_printf(client->pool,
		"The directory has closed this server%s%s",
		url == NULL ? "" : ", referred to ",
		url == NULL ? "" : referral_url_get_server(url));
	client_close(client);
}

/* Whoever cannot ask is open: a server that nobody can connect to helps
   nobody. */
static void client_handle_unknown(struct client *client, const char *error)
{
	if (!referral_lookups_fail) {
		e_error(client->event, "Looking up whether this server is in "
			"service failed: %s", error);
	}
	referral_lookups_fail = TRUE;
	client_greet(client);
}

static bool
client_state_callback(const struct referral_lookup_result *result,
		      struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);
	ARRAY_TYPE(referral_url) successors;
	enum referral_server_state state;
	const char *error;
	int ret;

	rclient->lookup = NULL;
	timeout_remove(&rclient->to_lookup);
	ret = referral_answer_get_server(result, &state, &successors, &error);
	if (ret < 0)
		client_handle_unknown(client, error);
	else {
		referral_lookups_fail = FALSE;
		if (ret > 0)
			client_handle_closed(client, &successors);
		else
			client_greet(client);
	}
	return FALSE;
}

static void client_stop_asking(struct imap_login_referral_client *rclient)
{
	timeout_remove(&rclient->to_lookup);
	if (rclient->lookup != NULL)
		referral_self_lookup_abort(&rclient->lookup);
}

static void client_state_timeout(struct client *client)
{
	client_stop_asking(IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client));
	client_handle_unknown(client, t_strdup_printf("No answer in %u ms",
		referral_set->timeout_msecs));
}

static void client_ask_state(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	rclient->lookup = referral_self_lookup_init(referral_client, "",
		referral_self, &client->local_ip, client->local_port,
		referral_key_server, client_state_callback, client);
	rclient->to_lookup = timeout_add(referral_set->timeout_msecs,
					 client_state_timeout, client);
	referral_self_lookup_start(rclient->lookup);
}

/*
 * Clients
 */

static void imap_login_referral_client_notify_auth_ready(struct client *client)
{
	io_remove(&client->io);
	client->io = io_add_istream(client->input, client_waiting_input,
				    client);
	client_ask_state(client);
}

static void imap_login_referral_client_destroy(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	client_stop_asking(rclient);
	rclient->module_ctx.super.destroy(client);
}

/* Returns FALSE if it is none that can be ours. */
static bool
reply_get_server(const struct client_auth_reply *reply,
		 struct referral_url *server_r)
{
	const char *host = imap_login_referral_reply_host(reply);
	const char *error;

	if (reply->reason != NULL || host == NULL ||
	    referral_url_parse_server(pool_datastack_create(), host,
				      REFERRAL_DEFAULT_PORT, server_r,
				      &error) < 0)
		return FALSE;
	server_r->port = imap_login_referral_reply_port(reply);
	return TRUE;
}

static void
imap_login_referral_client_auth_result(struct client *client,
				       enum client_auth_result result,
				       const struct client_auth_reply *reply,
				       const char *text)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);
	struct referral_url server;
	bool bye;

	if (result != CLIENT_AUTH_RESULT_REFERRAL_NOLOGIN ||
	    !reply_get_server(reply, &server)) {
		rclient->module_ctx.super.auth_result(client, result, reply,
						      text);
		return;
	}
	text = referral_response_login_text(&server);
	/* Clients that answer a refused AUTHENTICATE by asking for the password
	   again do not do so after a BYE. Not to who is at the end of a proxied
	   session. */
	bye = referral_set->login_bye != 0 && client->login_proxy == NULL;
	if (bye) {
		client_send_raw(client, t_strdup_printf("* BYE %s\r\n",
			referral_response_login(&server,
				imap_login_referral_reply_user(reply))));
	}
	rclient->module_ctx.super.auth_result(client, result, reply, text);
	if (bye)
		client_destroy(client, "Referred to another server");
}

void imap_login_referral_client_allocated(struct client *client)
{
	struct client_vfuncs *v = client->vlast;
	struct imap_login_referral_client *rclient;

	rclient = p_new(client->pool, struct imap_login_referral_client, 1);
	rclient->module_ctx.super = *v;
	client->vlast = &rclient->module_ctx.super;
	MODULE_CONTEXT_SET(client, imap_login_referral_module, rclient);

	v->auth_result = imap_login_referral_client_auth_result;
	v->destroy = imap_login_referral_client_destroy;
	/* health checks are told how Dovecot is, not what is planned */
	if (!imap_login_referral_is_trusted(client)) {
		v->notify_auth_ready =
			imap_login_referral_client_notify_auth_ready;
	}
}

/*
 * All clients
 */

int imap_login_referral_clients_init(pool_t pool,
				     const struct referral_plugin_settings *set,
				     const char **error_r)
{
	if (referral_self_init(pool, set->server, set->aliases,
			       &referral_self, error_r) < 0)
		return -1;
	referral_set = set;
	referral_client = referral_client_init(NULL, set->timeout_msecs, NULL);
	return 0;
}

void imap_login_referral_clients_deinit(void)
{
	referral_client_deinit(&referral_client);
}
