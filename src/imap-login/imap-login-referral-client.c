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
#include "imap-login-referral-compat.h"
#include "imap-login-referral-client.h"

#define IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_login_referral_module)

/* The question whether this server is in service. It may outlive its client. */
struct imap_login_referral_question {
	/* NULL when nobody waits for the answer any more. */
	struct client *client;
	/* Our names, of which the first ones have been asked about. */
	ARRAY_TYPE(referral_url) servers;
	unsigned int idx;
	/* The deadline for all of them together. */
	struct timeout *to;
	pool_t pool;
};

struct imap_login_referral_client {
	union login_client_module_context module_ctx;

	struct imap_login_referral_question *question;
	/* What to say when TLS has been agreed on, and what to log. */
	const char *bye, *reason;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_login_referral_module,
				  &login_module_register);

static const struct referral_plugin_settings *referral_set;
static pool_t referral_pool;
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
 * The question
 */

static void question_lookup(struct imap_login_referral_question *question);

/* Nobody waits for the answer any more. */
static void question_detach(struct imap_login_referral_question *question)
{
	struct imap_login_referral_client *rclient;

	if (question->client == NULL)
		return;
	timeout_remove(&question->to);
	rclient = IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(question->client);
	rclient->question = NULL;
	question->client = NULL;
}

static void question_free(struct imap_login_referral_question *question)
{
	question_detach(question);
	pool_unref(&question->pool);
}

static void
question_finish_open(struct imap_login_referral_question *question)
{
	struct client *client = question->client;

	question_free(question);
	client_greet(client);
}

static void
question_finish_closed(struct imap_login_referral_question *question,
		       const ARRAY_TYPE(referral_url) *successors)
{
	struct client *client = question->client;
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
	question_free(question);
	client_close(client);
}

static void question_log_failure(struct client *client, const char *error)
{
	if (!referral_lookups_fail) {
		e_error(client->event, "Looking up whether this server is in "
			"service failed: %s", error);
	}
	referral_lookups_fail = TRUE;
}

/* Whoever cannot ask is open: a server that nobody can connect to helps
   nobody. */
static void
question_failed(struct imap_login_referral_question *question,
		const char *error)
{
	question_log_failure(question->client, error);
	question_finish_open(question);
}

static void question_timeout(struct imap_login_referral_question *question)
{
	struct client *client = question->client;

	question_log_failure(client, t_strdup_printf("No answer in %u ms",
		referral_set->timeout_msecs));
	/* freed by the callback of the lookup that is under way */
	question_detach(question);
	client_greet(client);
}

static void
question_callback(const struct referral_lookup_result *result,
		  struct imap_login_referral_question *question)
{
	ARRAY_TYPE(referral_url) successors;
	enum referral_server_state state;
	const char *error;

	if (question->client == NULL) {
		question_free(question);
		return;
	}
	if (result->ret < 0) {
		question_failed(question, result->error);
		return;
	}
	if (result->ret > 0 &&
	    referral_answer_parse_server(pool_datastack_create(), result->value,
					 &state, &successors, &error) < 0) {
		question_failed(question, error);
		return;
	}
	referral_lookups_fail = FALSE;
	if (result->ret > 0)
		question_finish_closed(question, &successors);
	else
		question_lookup(question);
}

static void question_lookup(struct imap_login_referral_question *question)
{
	const struct referral_url *server;

	if (question->idx == array_count(&question->servers)) {
		question_finish_open(question);
		return;
	}
	server = array_idx(&question->servers, question->idx++);
	referral_client_lookup_async(referral_client, "",
				     referral_key_server(server),
				     question_callback, question);
}

static void question_start(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);
	struct imap_login_referral_question *question;
	ARRAY_TYPE(referral_url) servers;
	struct referral_url *server;
	pool_t pool;

	pool = pool_alloconly_create("imap login referral question", 512);
	question = p_new(pool, struct imap_login_referral_question, 1);
	question->pool = pool;
	question->client = client;
	referral_self_get_servers(referral_self, &client->local_ip,
				  client->local_port, &servers);
	p_array_init(&question->servers, pool, array_count(&servers));
	array_append_array(&question->servers, &servers);
	array_foreach_modifiable(&question->servers, server)
		server->host = p_strdup(pool, server->host);
	rclient->question = question;
	question->to = timeout_add(referral_set->timeout_msecs,
				   question_timeout, question);
	question_lookup(question);
}

/*
 * Clients
 */

static void imap_login_referral_client_notify_auth_ready(struct client *client)
{
	io_remove(&client->io);
	client->io = io_add_istream(client->input, client_waiting_input,
				    client);
	question_start(client);
}

static void imap_login_referral_client_destroy(struct client *client)
{
	struct imap_login_referral_client *rclient =
		IMAP_LOGIN_REFERRAL_CONTEXT_REQUIRE(client);

	if (rclient->question != NULL)
		question_detach(rclient->question);
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

/* Clients that answer a refused AUTHENTICATE by asking for the password again
   do not do so after a BYE. */
static void
client_refer_with_bye(struct client *client,
		      const struct client_auth_reply *reply,
		      const struct referral_url *server, const char *text)
{
	client_send_raw(client, t_strdup_printf(
		"* BYE "REFERRAL_RESPONSE_CODE"%s] %s\r\n",
		referral_url_create(server,
			imap_login_referral_reply_user(reply)), text));
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
	/* not to who is at the end of a proxied session */
	bye = referral_set->login_bye != 0 && client->login_proxy == NULL;
	if (bye)
		client_refer_with_bye(client, reply, &server, text);
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

int imap_login_referral_clients_init(const struct referral_plugin_settings *set,
				     const char **error_r)
{
	referral_pool = pool_alloconly_create("imap login referral", 1024);
	if (referral_self_init(referral_pool, set->server, set->aliases,
			       &referral_self, error_r) < 0) {
		pool_unref(&referral_pool);
		return -1;
	}
	referral_set = set;
	referral_client = referral_client_init(NULL, set->timeout_msecs, NULL);
	return 0;
}

void imap_login_referral_clients_deinit(void)
{
	if (referral_pool == NULL)
		return;
	referral_client_deinit(&referral_client);
	pool_unref(&referral_pool);
}
