/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "referral-compat.h"
#include "referral-answer.h"
#include "referral-dns.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-self.h"
#include "passdb-imap-referral.h"

struct imap_referral_passdb {
	struct passdb_module module;
	const struct referral_plugin_settings *set;
	const char *base_dir;
	struct referral_self *self;
	/* NULL until init() */
	struct referral_client *client;
	/* Those that wait for an address. */
	struct passdb_referral_request *dns_requests;
};

struct passdb_referral_request {
	struct passdb_referral_request *prev, *next;
	struct auth_request *auth_request;
	/* One of them is set. */
	verify_plain_callback_t *verify_callback;
	lookup_credentials_callback_t *credentials_callback;

	/* The user's home server, once it is known to be another one. */
	struct referral_url home;
	/* Our names, of which the first ones have been asked about. */
	ARRAY_TYPE(referral_url) self_servers;
	unsigned int self_idx;
	/* While the home server's address is looked up. */
	struct dns_lookup *dns_lookup;
	struct timeout *to_dns;
	bool dns_finished;
};

static void
passdb_referral_finish(struct passdb_referral_request *request,
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

/* imap-login makes a tagged NO with a REFERRAL response code of these fields
   (RFC 2221 section 4.1). Never set "reason": it goes to the client also when
   the password was wrong. */
static void
passdb_referral_set_fields(struct auth_request *auth_request,
			   const struct referral_url *url)
{
	/* imap-login copies the host as it is */
	auth_request_set_field(auth_request, "host",
		url->ip.family == AF_INET6 ?
		t_strdup_printf("[%s]", url->host) : url->host, NULL);
	if (url->port != REFERRAL_DEFAULT_PORT) {
		auth_request_set_field(auth_request, "port",
				       t_strdup_printf("%u", url->port), NULL);
	}
	auth_request_set_field(auth_request, "nologin", "", NULL);
}

static struct imap_referral_passdb *
passdb_referral_get_passdb(struct auth_request *auth_request)
{
	return container_of(auth_request->passdb->passdb,
			    struct imap_referral_passdb, module);
}

static void
passdb_referral_fail(struct passdb_referral_request *request, const char *what,
		     const char *error)
{
	/* Never a login on the wrong server: it would create an empty account
	   there. */
	e_error(authdb_event(request->auth_request), "%s failed: %s",
		what, error);
	passdb_referral_finish(request, PASSDB_RESULT_INTERNAL_FAILURE);
}

static void passdb_referral_refer(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;

	e_debug(authdb_event(auth_request), "Home server is %s",
		referral_url_get_server(&request->home));
	passdb_referral_set_fields(auth_request, &request->home);
	passdb_referral_finish(request, PASSDB_RESULT_OK);
}

static void passdb_referral_dns_finish(struct passdb_referral_request *request)
{
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(request->auth_request);

	request->dns_finished = TRUE;
	timeout_remove(&request->to_dns);
	DLLIST_REMOVE(&passdb->dns_requests, request);
}

static void passdb_referral_dns_fail(struct passdb_referral_request *request,
				     const char *error)
{
	passdb_referral_fail(request, t_strdup_printf(
		"Looking up the address of %s", request->home.host), error);
}

static void
passdb_referral_dns_callback(const struct dns_lookup_result *result,
			     struct passdb_referral_request *request)
{
	request->dns_lookup = NULL;
	/* Dovecot 2.4 calls back when a lookup is aborted. */
	if (request->dns_finished)
		return;
	passdb_referral_dns_finish(request);
	if (result->ret != 0) {
		passdb_referral_dns_fail(request, result->error);
		return;
	}
	request->home.ip = result->ips[0];
	request->home.host = p_strdup(request->auth_request->pool,
				      net_ip2addr(&result->ips[0]));
	passdb_referral_refer(request);
}

static void passdb_referral_dns_abort(struct passdb_referral_request *request,
				      const char *error)
{
	passdb_referral_dns_finish(request);
	dns_lookup_abort(&request->dns_lookup);
	passdb_referral_dns_fail(request, error);
}

static void passdb_referral_dns_timeout(struct passdb_referral_request *request)
{
	passdb_referral_dns_abort(request, "Timeout");
}

/* A proxy in front of us does not look up names. */
static void
passdb_referral_refer_to_address(struct passdb_referral_request *request)
{
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(request->auth_request);

	if (request->home.ip.family != 0) {
		passdb_referral_refer(request);
		return;
	}
	DLLIST_PREPEND(&passdb->dns_requests, request);
	request->to_dns = timeout_add(passdb->set->timeout_msecs,
				      passdb_referral_dns_timeout, request);
	referral_dns_lookup(request->home.host, passdb->base_dir, auth_event,
			    passdb_referral_dns_callback, request,
			    &request->dns_lookup);
}

static void
passdb_referral_send_home(struct passdb_referral_request *request)
{
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(request->auth_request);

	if (passdb->set->login_address != 0)
		passdb_referral_refer_to_address(request);
	else
		passdb_referral_refer(request);
}

/* The user may come for a shared mailbox that is on this server. A referral
   would send the client home, and home would send it here again, for ever. The
   imap process refers the user's own mailboxes. */
static void passdb_referral_admit_guest(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	bool prefetch_set = auth_request->userdb_prefetch_set;

	e_info(authdb_event(auth_request), "Guest, the home server is %s",
	       referral_url_get_server(&request->home));
	auth_request_set_field(auth_request,
			       "userdb_"REFERRAL_USERDB_FIELD_HOME,
			       referral_url_create(&request->home, NULL), NULL);
	/* It is no reason for userdb prefetch not to ask the real userdb. */
	auth_request->userdb_prefetch_set = prefetch_set;
	passdb_referral_finish(request, PASSDB_RESULT_OK);
}

static void
passdb_referral_shares_callback(const struct referral_lookup_result *result,
				struct passdb_referral_request *request);

/* Ask whether the directory lists a shared mailbox here, under one of our names
   after the other. */
static void
passdb_referral_lookup_shares(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(auth_request);
	const struct referral_url *server;

	if (request->self_idx == array_count(&request->self_servers)) {
		passdb_referral_send_home(request);
		return;
	}
	server = array_idx(&request->self_servers, request->self_idx++);
	referral_client_lookup_async(passdb->client, auth_request->fields.user,
				     referral_key_shares(server),
				     passdb_referral_shares_callback, request);
}

static void
passdb_referral_shares_callback(const struct referral_lookup_result *result,
				struct passdb_referral_request *request)
{
	if (result->ret < 0) {
		/* The home server is known, and while nobody knows where the
		   mailboxes are, nobody is sent here for them. */
		e_error(authdb_event(request->auth_request), "Looking up "
			"whether there are shared mailboxes here failed: %s",
			result->error);
		passdb_referral_send_home(request);
	} else if (result->ret > 0)
		passdb_referral_admit_guest(request);
	else
		passdb_referral_lookup_shares(request);
}

static void
passdb_referral_home_elsewhere(struct passdb_referral_request *request,
			       const struct referral_url *url)
{
	struct auth_request *auth_request = request->auth_request;
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(auth_request);
	ARRAY_TYPE(referral_url) servers;
	struct referral_url *server;

	request->home = *url;
	request->home.host = p_strdup(auth_request->pool, url->host);
	switch ((enum referral_guests)passdb->set->guests) {
	case REFERRAL_GUESTS_NO:
		passdb_referral_send_home(request);
		break;
	case REFERRAL_GUESTS_AUTO:
		referral_self_get_servers(passdb->self,
					  &auth_request->fields.local_ip,
					  auth_request->fields.local_port,
					  &servers);
		p_array_init(&request->self_servers, auth_request->pool,
			     array_count(&servers));
		array_append_array(&request->self_servers, &servers);
		array_foreach_modifiable(&request->self_servers, server) {
			server->host = p_strdup(auth_request->pool,
						server->host);
		}
		passdb_referral_lookup_shares(request);
		break;
	}
}

static void
passdb_referral_handle_home(struct passdb_referral_request *request,
			    const char *value)
{
	struct auth_request *auth_request = request->auth_request;
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(auth_request);
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	const char *error;

	if (referral_answer_parse(pool_datastack_create(), value,
				  &urls, &error) < 0) {
		passdb_referral_fail(request, "Reading the home server", error);
		return;
	}
	url = referral_answer_choose(&urls, passdb->self,
				     &auth_request->fields.local_ip,
				     auth_request->fields.local_port);
	if (url == NULL)
		passdb_referral_finish(request, PASSDB_RESULT_OK);
	else
		passdb_referral_home_elsewhere(request, url);
}

static void
passdb_referral_handle_no_home(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(auth_request);

	switch ((enum referral_no_home)passdb->set->no_home) {
	case REFERRAL_NO_HOME_LOCAL:
		passdb_referral_finish(request, PASSDB_RESULT_OK);
		break;
	case REFERRAL_NO_HOME_REFUSE:
		e_info(authdb_event(auth_request), "The directory names no "
		       "home server (imap_referral_no_home=refuse)");
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

/* The password has been checked by a passdb before us, or - as with CRAM and
   SCRAM - it will be checked against the credentials that came from there. */
static bool passdb_referral_is_authenticated(struct auth_request *auth_request)
{
	if (auth_request->fields.skip_password_check)
		return TRUE;
	e_error(authdb_event(auth_request), "No passdb before this one has "
		"accepted the user: refused. This passdb needs "
		"\"skip = unauthenticated\", and the ones before it "
		"\"result_success = continue\"");
	return FALSE;
}

static void passdb_referral_start(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	struct imap_referral_passdb *passdb =
		passdb_referral_get_passdb(auth_request);
	const char *key;

	auth_request_ref(auth_request);
	if (!passdb_referral_is_authenticated(auth_request)) {
		passdb_referral_finish(request, PASSDB_RESULT_INTERNAL_FAILURE);
		return;
	}
	/* Other protocols have no referrals. After a master's login the client
	   would present the master's password to the other server. */
	if (strcmp(auth_request_protocol(auth_request), "imap") != 0 ||
	    auth_request->fields.master_user != NULL) {
		passdb_referral_finish(request, PASSDB_RESULT_OK);
		return;
	}
	key = referral_key_home(auth_request->fields.user);
	if (key == NULL) {
		passdb_referral_handle_no_home(request);
		return;
	}
	referral_client_lookup_async(passdb->client, auth_request->fields.user,
				     key, passdb_referral_home_callback,
				     request);
}

void passdb_imap_referral_verify_plain(struct auth_request *auth_request,
				       const char *password ATTR_UNUSED,
				       verify_plain_callback_t *callback)
{
	struct passdb_referral_request *request;

	request = p_new(auth_request->pool, struct passdb_referral_request, 1);
	request->auth_request = auth_request;
	request->verify_callback = callback;
	passdb_referral_start(request);
}

void passdb_imap_referral_lookup_credentials(
	struct auth_request *auth_request,
	lookup_credentials_callback_t *callback)
{
	struct passdb_referral_request *request;

	request = p_new(auth_request->pool, struct passdb_referral_request, 1);
	request->auth_request = auth_request;
	request->credentials_callback = callback;
	passdb_referral_start(request);
}

struct passdb_module *
passdb_imap_referral_create(pool_t pool,
			    const struct referral_plugin_settings *set,
			    const char *base_dir, const char **error_r)
{
	struct imap_referral_passdb *passdb;

	passdb = p_new(pool, struct imap_referral_passdb, 1);
	passdb->set = set;
	passdb->base_dir = p_strdup(pool, base_dir);
	if (referral_self_init(pool, set->server, set->aliases,
			       &passdb->self, error_r) < 0)
		return NULL;
	/* No cache key: with one, CRAM-MD5 would fail from the cache. */
	return &passdb->module;
}

void passdb_imap_referral_init(struct passdb_module *module)
{
	struct imap_referral_passdb *passdb =
		container_of(module, struct imap_referral_passdb, module);

	passdb->client = referral_client_init(passdb->base_dir,
					      passdb->set->timeout_msecs,
					      auth_event);
}

void passdb_imap_referral_deinit(struct passdb_module *module)
{
	struct imap_referral_passdb *passdb =
		container_of(module, struct imap_referral_passdb, module);

	while (passdb->dns_requests != NULL)
		passdb_referral_dns_abort(passdb->dns_requests,
					  "Shutting down");
	referral_client_deinit(&passdb->client);
}
