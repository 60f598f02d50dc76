/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "passdb.h"
#include "referral-compat.h"
#include "referral-followers.h"
#include "referral-lookup.h"
#include "referral-self.h"
#include "passdb-referral-reply.h"
#include "passdb-referral-request.h"
#include "passdb-imap-referral.h"
#include "passdb-imap-referral-order.h"

/* GSSAPI asks the passdbs when the ticket has been verified; who may log in as
   somebody else is checked after that, and drops what we have said. Not so with
   others, where a passdb of "result_failure = continue-ok" looks the same. */
static bool is_proven_by_mechanism(struct passdb_referral_request *request)
{
	const struct auth_request *auth_request = request->auth_request;

	return request->credentials_callback != NULL &&
		auth_request->passdb_success &&
		(null_strcmp(auth_request->fields.mech_name, "GSSAPI") == 0 ||
		 null_strcmp(auth_request->fields.mech_name,
			     "GSS-SPNEGO") == 0);
}

/* The password has been checked by a passdb before us, or - as with CRAM and
   SCRAM - it will be checked against the credentials that came from there. */
static bool
passdb_referral_is_authenticated(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;

	if (auth_request->fields.skip_password_check ||
	    is_proven_by_mechanism(request))
		return TRUE;
	e_error(authdb_event(auth_request), "No passdb before this one has "
		"accepted the user: refused. This passdb needs "
		"\"skip = unauthenticated\", and the ones before it "
		"\"result_success = continue\"");
	return FALSE;
}

/* Other protocols have no referrals. After a master's login the client would
   present the master's password to the other server. */
static bool passdb_referral_is_wanted(struct passdb_referral_request *request)
{
	const struct auth_request_fields *fields =
		&request->auth_request->fields;

	return strcmp(auth_request_protocol(request->auth_request),
		      "imap") == 0 &&
		(fields->master_user == NULL ||
		 request->passdb->set->masters != 0);
}

static void passdb_referral_start(struct passdb_referral_request *request)
{
	struct auth_request *auth_request = request->auth_request;

	request->passdb = container_of(auth_request->passdb->passdb,
				       struct imap_referral_passdb, module);
	auth_request_ref(auth_request);
	if (!passdb_referral_is_authenticated(request))
		passdb_referral_finish(request, PASSDB_RESULT_INTERNAL_FAILURE);
	else if (!passdb_referral_is_wanted(request))
		passdb_referral_finish(request, PASSDB_RESULT_OK);
	else
		passdb_referral_request_start(request);
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
			       &passdb->self, error_r) < 0 ||
	    referral_followers_parse(pool, set->followers,
				     &passdb->followers, error_r) < 0)
		return NULL;
	/* No cache key: with one, CRAM-MD5 would fail from the cache. */
	return &passdb->module;
}

void passdb_imap_referral_init(struct passdb_module *module)
{
	struct imap_referral_passdb *passdb =
		container_of(module, struct imap_referral_passdb, module);

	passdb_imap_referral_check_order();
	passdb->client = referral_client_init(passdb->base_dir,
					      passdb->set->timeout_msecs,
					      auth_event);
}

void passdb_imap_referral_deinit(struct passdb_module *module)
{
	struct imap_referral_passdb *passdb =
		container_of(module, struct imap_referral_passdb, module);

	referral_client_deinit(&passdb->client);
	passdb_referral_abort_dns(passdb);
}
