/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "array.h"
#include "passdb.h"
#include "referral-compat.h"
#include "referral-answer.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-plugin-settings.h"
#include "referral-self-lookup.h"
#include "passdb-referral-request.h"
#include "passdb-referral-reply.h"

/*
 * The end
 */

void passdb_referral_finish(struct passdb_referral_request *request,
			    enum passdb_result result)
{
	struct auth_request *auth_request = request->auth_request;

	if (request->verify_callback != NULL)
		request->verify_callback(result, auth_request);
	else {
		/* Without a password of ours, the one from the passdb before
		   us is used. */
		passdb_handle_credentials(result, NULL, NULL,
					  request->credentials_callback,
					  auth_request);
	}
	auth_request_unref(&auth_request);
}

void passdb_referral_fail(struct passdb_referral_request *request,
			  const char *what, const char *error)
{
	e_error(authdb_event(request->auth_request), "%s failed: %s",
		what, error);
	passdb_referral_finish(request, PASSDB_RESULT_INTERNAL_FAILURE);
}

/* Lookups that fail at the end ask nothing more. Returns FALSE if the request
   has been finished for that reason. */
static bool passdb_referral_may_ask(struct passdb_referral_request *request)
{
	if (request->passdb->client != NULL)
		return TRUE;
	passdb_referral_fail(request, "Asking the directory", "Shutting down");
	return FALSE;
}

static void
passdb_referral_lookup(struct passdb_referral_request *request, const char *key,
		       void (*callback)(const struct referral_lookup_result *,
					struct passdb_referral_request *))
{
	if (!passdb_referral_may_ask(request))
		return;
	(referral_client_lookup_async)(request->passdb->client,
		request->auth_request->fields.user, key,
		(referral_lookup_callback_t *)callback, request);
}

/* The same by all names of this server. */
static void
passdb_referral_lookup_self(struct passdb_referral_request *request,
			    referral_server_key_t *key,
			    bool (*callback)(const struct referral_lookup_result *,
					     struct passdb_referral_request *))
{
	const struct auth_request_fields *fields =
		&request->auth_request->fields;

	if (!passdb_referral_may_ask(request))
		return;
	referral_self_lookup_start((referral_self_lookup_init)(
		request->passdb->client, fields->user, request->passdb->self,
		&fields->local_ip, fields->local_port, key,
		(referral_self_lookup_callback_t *)callback, request));
}

/*
 * Elsewhere
 */

static void
passdb_referral_set_home(struct passdb_referral_request *request,
			 const struct referral_url *url)
{
	request->home = *url;
	request->home.host = p_strdup(request->auth_request->pool, url->host);
}

/* There is no shared mailbox for which the user could have come. */
static void
passdb_referral_no_shares(struct passdb_referral_request *request)
{
	if (request->offer)
		passdb_referral_admit(request, TRUE);
	else
		passdb_referral_refer(request);
}

/* The user may come for a shared mailbox that is on this server. A referral
   would send the client home, and home would send it here again, for ever: that
   of a tagged OK is followed, too. */
static bool
passdb_referral_shares_callback(const struct referral_lookup_result *result,
				struct passdb_referral_request *request)
{
	if (result->ret < 0) {
		/* The home server is known, and while nobody knows where the
		   mailboxes are, nobody is sent here for them. */
		e_error(authdb_event(request->auth_request), "Looking up "
			"whether there are shared mailboxes here failed: %s",
			result->error);
		passdb_referral_refer(request);
	} else if (result->ret > 0)
		passdb_referral_admit(request, FALSE);
	else
		passdb_referral_no_shares(request);
	return FALSE;
}

static void passdb_referral_send_home(struct passdb_referral_request *request)
{
	if (passdb_referral_wants_proxy(request)) {
		passdb_referral_proxy(request);
		return;
	}
	if (request->offer ||
	    request->passdb->set->guests == REFERRAL_GUESTS_AUTO) {
		passdb_referral_lookup_self(request, referral_key_shares,
					    passdb_referral_shares_callback);
	} else
		passdb_referral_refer(request);
}

/*
 * Here
 */

/* Nobody logs in at a server that is down: somebody may be moving its mail. */
static void
passdb_referral_down(struct passdb_referral_request *request,
		     const ARRAY_TYPE(referral_url) *successors)
{
	struct auth_request *auth_request = request->auth_request;
	const struct referral_url *url;

	url = referral_answer_choose_other(successors, request->passdb->self,
					   &auth_request->fields.local_ip,
					   auth_request->fields.local_port);
	if (url == NULL) {
		e_info(authdb_event(auth_request), "The directory says that "
		       "this server is down, and names no other: refused");
		passdb_referral_finish(request, PASSDB_RESULT_INTERNAL_FAILURE);
		return;
	}
	passdb_referral_set_home(request, url);
	if (passdb_referral_wants_proxy(request))
		passdb_referral_proxy(request);
	else
		passdb_referral_refer(request);
}

static bool
passdb_referral_own_state_callback(const struct referral_lookup_result *result,
				   struct passdb_referral_request *request)
{
	ARRAY_TYPE(referral_url) successors;
	enum referral_server_state state;
	const char *error;

	switch (referral_answer_get_server(result, &state, &successors,
					   &error)) {
	case -1:
		passdb_referral_fail(request, "Looking up whether this server "
				     "is in service", error);
		return FALSE;
	case 0:
		passdb_referral_finish(request, PASSDB_RESULT_OK);
		return FALSE;
	}
	switch (state) {
	case REFERRAL_SERVER_STATE_DRAIN:
		/* another name may be down */
		return TRUE;
	case REFERRAL_SERVER_STATE_DOWN:
		passdb_referral_down(request, &successors);
		return FALSE;
	}
	i_unreached();
}

/* Log in here, unless the directory has closed this server. */
static void passdb_referral_login_here(struct passdb_referral_request *request)
{
	passdb_referral_lookup_self(request, referral_key_server,
				    passdb_referral_own_state_callback);
}

/*
 * The home server
 */

/* A home server that is out of service has a successor. That one is not asked
   about again: nobody is sent around in circles. */
static void
passdb_referral_home_state_callback(const struct referral_lookup_result *result,
				    struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	ARRAY_TYPE(referral_url) successors;
	enum referral_server_state state;
	const struct referral_url *url;
	const char *error;
	int ret;

	ret = referral_answer_get_server(result, &state, &successors, &error);
	if (ret < 0) {
		/* Where the home is, is known. If that is closed, it says so
		   itself. */
		e_error(authdb_event(auth_request), "Looking up whether server "
			"%s is in service failed: %s",
			referral_url_get_server(&request->home), error);
	} else if (ret > 0 && array_count(&successors) > 0) {
		url = referral_answer_choose(&successors, request->passdb->self,
					     &auth_request->fields.local_ip,
					     auth_request->fields.local_port);
		if (url == NULL) {
			passdb_referral_login_here(request);
			return;
		}
		passdb_referral_set_home(request, url);
	}
	passdb_referral_send_home(request);
}

static bool
passdb_referral_is_offered(struct passdb_referral_request *request,
			   enum referral_answer_login login)
{
	switch (login) {
	case REFERRAL_ANSWER_LOGIN_DEFAULT:
		break;
	case REFERRAL_ANSWER_LOGIN_REFER:
		return FALSE;
	case REFERRAL_ANSWER_LOGIN_OFFER:
		return TRUE;
	}
	return request->passdb->set->login == REFERRAL_LOGIN_OFFER;
}

static void
passdb_referral_handle_home(struct passdb_referral_request *request,
			    const char *value)
{
	struct auth_request *auth_request = request->auth_request;
	ARRAY_TYPE(referral_url) urls;
	enum referral_answer_login login;
	const struct referral_url *url;
	const char *error;

	if (referral_answer_parse_home(pool_datastack_create(), value,
				       &login, &urls, &error) < 0) {
		passdb_referral_fail(request, "Reading the home server", error);
		return;
	}
	url = referral_answer_choose(&urls, request->passdb->self,
				     &auth_request->fields.local_ip,
				     auth_request->fields.local_port);
	if (url == NULL) {
		passdb_referral_login_here(request);
		return;
	}
	request->offer = passdb_referral_is_offered(request, login);
	passdb_referral_set_home(request, url);
	passdb_referral_lookup(request, referral_key_server(&request->home),
			       passdb_referral_home_state_callback);
}

static void
passdb_referral_handle_no_home(struct passdb_referral_request *request)
{
	switch ((enum referral_no_home)request->passdb->set->no_home) {
	case REFERRAL_NO_HOME_LOCAL:
		passdb_referral_login_here(request);
		break;
	case REFERRAL_NO_HOME_REFUSE:
		e_info(authdb_event(request->auth_request), "The directory "
		       "names no home server (imap_referral_no_home=refuse)");
		passdb_referral_finish(request, PASSDB_RESULT_USER_UNKNOWN);
		break;
	}
}

static void
passdb_referral_home_callback(const struct referral_lookup_result *result,
			      struct passdb_referral_request *request)
{
	if (result->ret < 0) {
		passdb_referral_fail(request, "Looking up the home server",
				     result->error);
	} else if (result->ret == 0)
		passdb_referral_handle_no_home(request);
	else
		passdb_referral_handle_home(request, result->value);
}

void passdb_referral_request_start(struct passdb_referral_request *request)
{
	const char *key = referral_key_home(request->auth_request->fields.user);

	if (key == NULL)
		passdb_referral_handle_no_home(request);
	else {
		passdb_referral_lookup(request, key,
				       passdb_referral_home_callback);
	}
}
