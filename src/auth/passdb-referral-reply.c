/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "passdb.h"
#include "referral-dns.h"
#include "referral-followers.h"
#include "referral-lookup.h"
#include "referral-plugin-settings.h"
#include "referral-template.h"
#include "passdb-referral-request.h"
#include "passdb-referral-reply.h"

/* IMAPS (RFC 8314 section 3.2) */
#define REFERRAL_TLS_PORT 993

/*
 * The home server's address
 */

static void passdb_referral_dns_finish(struct passdb_referral_request *request)
{
	request->dns_finished = TRUE;
	timeout_remove(&request->to_dns);
	DLLIST_REMOVE(&request->passdb->dns_requests, request);
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
	request->dns_callback(request);
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

/* Call back when home.ip is known, or fail. */
static void
passdb_referral_resolve(struct passdb_referral_request *request,
			void (*callback)(struct passdb_referral_request *))
{
	struct imap_referral_passdb *passdb = request->passdb;

	if (request->home.ip.family != 0) {
		callback(request);
		return;
	}
	if (passdb->client == NULL) {
		passdb_referral_dns_fail(request, "Shutting down");
		return;
	}
	request->dns_callback = callback;
	DLLIST_PREPEND(&passdb->dns_requests, request);
	request->to_dns = timeout_add(passdb->set->timeout_msecs,
				      passdb_referral_dns_timeout, request);
	referral_dns_lookup(request->home.host, passdb->base_dir, auth_event,
			    passdb_referral_dns_callback, request,
			    &request->dns_lookup);
}

void passdb_referral_abort_dns(struct imap_referral_passdb *passdb)
{
	while (passdb->dns_requests != NULL)
		passdb_referral_dns_abort(passdb->dns_requests,
					  "Shutting down");
}

/*
 * Fields
 */

/* What passdbs before us may have set for a proxy of their own would send the
   client, or its password, another way than ours. */
static void
passdb_referral_remove_proxy(struct passdb_referral_request *request)
{
	static const char *const names[] = {
		"proxy", "proxy_maybe", "proxy_always", "proxy_mech",
		"proxy_noauth", "proxy_nopipelining", "host", "hostip", "port",
		"destuser", "master", "pass", "ssl", "starttls",
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(names); i++) {
		auth_fields_remove(request->auth_request->fields.extra_fields,
				   names[i]);
	}
}

/* Returns the name to log in with at the home server. */
static const char *
passdb_referral_get_user(struct passdb_referral_request *request)
{
	string_t *user = t_str_new(64);

	referral_template_expand(user, request->passdb->set->login_user,
				 request->auth_request->fields.user, NULL);
	return str_c(user);
}

static void
passdb_referral_set_user(struct passdb_referral_request *request)
{
	const char *user = passdb_referral_get_user(request);

	if (strcmp(user, request->auth_request->fields.user) != 0) {
		auth_request_set_field(request->auth_request, "destuser",
				       user, NULL);
	}
}

static void
passdb_referral_set_port(struct passdb_referral_request *request,
			 in_port_t port)
{
	auth_request_set_field(request->auth_request, "port",
			       t_strdup_printf("%u", port), NULL);
}

/*
 * Referral
 */

/* imap-login makes a tagged NO with a REFERRAL response code of these fields
   (RFC 2221 section 4.1). Never set "reason": it goes to the client also when
   the password was wrong. */
static void
passdb_referral_refer_to(struct passdb_referral_request *request,
			 const char *host)
{
	struct auth_request *auth_request = request->auth_request;

	e_debug(authdb_event(auth_request), "Home server is %s",
		referral_url_get_server(&request->home));
	passdb_referral_remove_proxy(request);
	/* imap-login copies the host as it is */
	auth_request_set_field(auth_request, "host",
		strchr(host, ':') != NULL ?
		t_strdup_printf("[%s]", host) : host, NULL);
	if (request->home.port != REFERRAL_DEFAULT_PORT)
		passdb_referral_set_port(request, request->home.port);
	passdb_referral_set_user(request);
	auth_request_set_field(auth_request, "nologin", "", NULL);
	passdb_referral_finish(request, PASSDB_RESULT_OK);
}

static void
passdb_referral_refer_to_address(struct passdb_referral_request *request)
{
	passdb_referral_refer_to(request, net_ip2addr(&request->home.ip));
}

void passdb_referral_refer(struct passdb_referral_request *request)
{
	/* A proxy in front of us does not look up names. */
	if (request->passdb->set->login_address != 0)
		passdb_referral_resolve(request,
					passdb_referral_refer_to_address);
	else
		passdb_referral_refer_to(request, request->home.host);
}

/*
 * Guest
 */

void passdb_referral_admit(struct passdb_referral_request *request, bool offer)
{
	struct auth_request *auth_request = request->auth_request;
	bool prefetch_set = auth_request->userdb_prefetch_set;

	e_info(authdb_event(auth_request), "Guest, the home server is %s",
	       referral_url_get_server(&request->home));
	auth_request_set_field(auth_request,
			       "userdb_"REFERRAL_USERDB_FIELD_HOME,
			       referral_url_create(&request->home, NULL), NULL);
	if (offer) {
		auth_request_set_field(auth_request,
				       "userdb_"REFERRAL_USERDB_FIELD_OFFER,
				       passdb_referral_get_user(request), NULL);
	}
	/* It is no reason for userdb prefetch not to ask the real userdb. */
	auth_request->userdb_prefetch_set = prefetch_set;
	passdb_referral_finish(request, PASSDB_RESULT_OK);
}

/*
 * Proxy
 */

/* The mechanisms with which a client gives us all that another server wants. */
static bool is_token_mechanism(const char *mech_name)
{
	return strcmp(mech_name, "OAUTHBEARER") == 0 ||
		strcmp(mech_name, "XOAUTH2") == 0;
}

/* Returns what the client has given as a proof, NULL if nobody but us can use
   it. */
static const char *
passdb_referral_get_secret(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	const char *mech_name = auth_request->fields.mech_name;
	const char *secret = auth_request->mech_password;

	if (mech_name == NULL)
		return NULL;
	if (is_token_mechanism(mech_name)) {
		/* Dovecot 2.4 */
		if (secret == NULL) {
			secret = auth_fields_find(
				auth_request->fields.extra_fields, "token");
		}
	} else if (request->verify_callback == NULL ||
		   (strcmp(mech_name, "PLAIN") != 0 &&
		    strcmp(mech_name, "LOGIN") != 0))
		return NULL;
	return secret == NULL || *secret == '\0' ? NULL : secret;
}

bool passdb_referral_wants_proxy(struct passdb_referral_request *request)
{
	const struct auth_request_fields *fields =
		&request->auth_request->fields;
	const struct referral_connection conn = {
		.local_ip = fields->local_ip,
		.local_port = fields->local_port,
		.remote_ip = fields->remote_ip,
		.server_name = fields->local_name,
		.client_id = fields->client_id,
	};

	switch ((enum referral_fallback)request->passdb->set->fallback) {
	case REFERRAL_FALLBACK_NONE:
		return FALSE;
	case REFERRAL_FALLBACK_PROXY:
		break;
	}
	return !referral_followers_match(request->passdb->followers, &conn) &&
		passdb_referral_get_secret(request) != NULL;
}

static void
passdb_referral_set_tls(struct passdb_referral_request *request,
			in_port_t *port)
{
	struct auth_request *auth_request = request->auth_request;
	const char *name = NULL, *value = "yes";

	switch ((enum referral_proxy_tls)request->passdb->set->proxy_tls) {
	case REFERRAL_PROXY_TLS_NO:
		return;
	case REFERRAL_PROXY_TLS_STARTTLS_ANY_CERT:
		value = "any-cert";
		/* fall through */
	case REFERRAL_PROXY_TLS_STARTTLS:
		name = *port == REFERRAL_TLS_PORT ? "ssl" : "starttls";
		break;
	case REFERRAL_PROXY_TLS_TLS_ANY_CERT:
		value = "any-cert";
		/* fall through */
	case REFERRAL_PROXY_TLS_TLS:
		name = "ssl";
		if (*port == REFERRAL_DEFAULT_PORT)
			*port = REFERRAL_TLS_PORT;
		break;
	}
	auth_request_set_field(auth_request, name, value, NULL);
}

/* The directory may know us by a name that we do not know. */
static bool
passdb_referral_is_self(struct passdb_referral_request *request, in_port_t port)
{
	const struct auth_request_fields *fields =
		&request->auth_request->fields;
	const struct referral_url url = {
		.host = net_ip2addr(&request->home.ip),
		.ip = request->home.ip,
		.port = port,
	};

	return referral_self_matches(request->passdb->self, &url,
				     &fields->local_ip, fields->local_port);
}

static void passdb_referral_proxy_to(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;
	const char *secret = passdb_referral_get_secret(request);
	const char *ip = net_ip2addr(&request->home.ip);
	in_port_t port = request->home.port;

	if (passdb_referral_is_self(request, port)) {
		passdb_referral_fail(request, t_strdup_printf(
			"Proxying to %s", request->home.host),
			"It is this server: add it to imap_referral_aliases");
		return;
	}
	/* our own copy: it may be a field of those */
	secret = t_strdup(secret);
	passdb_referral_remove_proxy(request);
	/* Dovecot adds it itself, and takes it away again if the login fails
	   after all; but it does not know that a token is one. */
	if (auth_request->mech_password == NULL)
		auth_request_set_field(auth_request, "pass", secret, NULL);
	if (is_token_mechanism(auth_request->fields.mech_name)) {
		auth_request_set_field(auth_request, "proxy_mech",
				       auth_request->fields.mech_name, NULL);
	}
	if (request->passdb->set->proxy_port != 0)
		port = request->passdb->set->proxy_port;
	passdb_referral_set_tls(request, &port);
	passdb_referral_set_port(request, port);
	passdb_referral_set_user(request);
	auth_request_set_field(auth_request, "host", request->home.host, NULL);
	if (strcmp(ip, request->home.host) != 0)
		auth_request_set_field(auth_request, "hostip", ip, NULL);
	auth_request_set_field(auth_request, "proxy", "y", NULL);
	passdb_referral_finish(request, PASSDB_RESULT_OK);
}

void passdb_referral_proxy(struct passdb_referral_request *request)
{
	passdb_referral_resolve(request, passdb_referral_proxy_to);
}
