/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "str-sanitize.h"
#include "referral-ldap-ticket.h"
#include "referral-ldap-gssapi.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

/* RFC 4752 section 3.1: the first of the server's 4 bytes, and ours */
#define GSSAPI_NO_LAYER 0x01

enum gssapi_state {
	/* Tokens are exchanged. */
	GSSAPI_STATE_CONTEXT,
	/* The server says which layers it has. */
	GSSAPI_STATE_LAYER,
	GSSAPI_STATE_DONE,
};

struct referral_ldap_gssapi {
	enum gssapi_state state;
	gss_cred_id_t cred;
	gss_name_t service;
	gss_ctx_id_t ctx;
	char *authzid;
};

static const char *gssapi_error(const char *what, OM_uint32 major,
				OM_uint32 minor)
{
	OM_uint32 code, unused, more = 0;
	gss_buffer_desc text;
	const char *error;

	code = minor != 0 ? minor : major;
	if (gss_display_status(&unused, code, minor != 0 ? GSS_C_MECH_CODE :
			       GSS_C_GSS_CODE, GSS_C_NO_OID, &more,
			       &text) != GSS_S_COMPLETE)
		return t_strdup_printf("%s failed", what);
	error = t_strdup_printf("%s failed: %s", what, str_sanitize(
		t_strndup(text.value, text.length), 300));
	(void)gss_release_buffer(&unused, &text);
	return error;
}

/* Take over the buffer. */
static void
gssapi_response(gss_buffer_t buffer, struct berval *response_r)
{
	OM_uint32 minor;

	response_r->bv_len = buffer->length;
	response_r->bv_val = t_malloc0(buffer->length + 1);
	if (buffer->length > 0)
		memcpy(response_r->bv_val, buffer->value, buffer->length);
	(void)gss_release_buffer(&minor, buffer);
}

int referral_ldap_gssapi_init(const struct referral_ldap_ticket *ticket,
			      const char *authzid,
			      struct referral_ldap_gssapi **gssapi_r,
			      const char **error_r)
{
	gss_key_value_element_desc element = { "ccache", ticket->ccache };
	gss_key_value_set_desc store = { 1, &element };
	gss_OID_set_desc mechs = { 1, (gss_OID)gss_mech_krb5 };
	gss_buffer_desc name = {
		.value = t_strdup_noconst(ticket->service),
		.length = strlen(ticket->service),
	};
	struct referral_ldap_gssapi *gssapi;
	OM_uint32 major, minor;

	gssapi = i_new(struct referral_ldap_gssapi, 1);
	gssapi->cred = GSS_C_NO_CREDENTIAL;
	gssapi->service = GSS_C_NO_NAME;
	gssapi->ctx = GSS_C_NO_CONTEXT;
	gssapi->authzid = i_strdup(authzid);

	/* As a principal, not as a host's service: that would look up the
	   host's name, which blocks. */
	major = gss_import_name(&minor, &name,
				(gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME,
				&gssapi->service);
	if (!GSS_ERROR(major)) {
		major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME,
			GSS_C_INDEFINITE, &mechs, GSS_C_INITIATE, &store,
			&gssapi->cred, NULL, NULL);
	}
	if (GSS_ERROR(major)) {
		*error_r = gssapi_error("GSSAPI", major, minor);
		referral_ldap_gssapi_deinit(&gssapi);
		return -1;
	}
	*gssapi_r = gssapi;
	return 0;
}

void referral_ldap_gssapi_deinit(struct referral_ldap_gssapi **_gssapi)
{
	struct referral_ldap_gssapi *gssapi = *_gssapi;
	OM_uint32 minor;

	*_gssapi = NULL;
	if (gssapi->ctx != GSS_C_NO_CONTEXT) {
		(void)gss_delete_sec_context(&minor, &gssapi->ctx,
					     GSS_C_NO_BUFFER);
	}
	if (gssapi->cred != GSS_C_NO_CREDENTIAL)
		(void)gss_release_cred(&minor, &gssapi->cred);
	if (gssapi->service != GSS_C_NO_NAME)
		(void)gss_release_name(&minor, &gssapi->service);
	i_free(gssapi->authzid);
	i_free(gssapi);
}

static int
gssapi_step_context(struct referral_ldap_gssapi *gssapi, gss_buffer_t input,
		    struct berval *response_r, const char **error_r)
{
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	OM_uint32 major, minor, unused;

	major = gss_init_sec_context(&minor, gssapi->cred, &gssapi->ctx,
		gssapi->service, (gss_OID)gss_mech_krb5,
		GSS_C_MUTUAL_FLAG | GSS_C_INTEG_FLAG | GSS_C_SEQUENCE_FLAG,
		0, GSS_C_NO_CHANNEL_BINDINGS, input, NULL, &output, NULL,
		NULL);
	if (GSS_ERROR(major)) {
		*error_r = gssapi_error("GSSAPI", major, minor);
		(void)gss_release_buffer(&unused, &output);
		return -1;
	}
	if (major == GSS_S_COMPLETE)
		gssapi->state = GSSAPI_STATE_LAYER;
	gssapi_response(&output, response_r);
	return 0;
}

static int
gssapi_step_layer(struct referral_ldap_gssapi *gssapi, gss_buffer_t input,
		  struct berval *response_r, const char **error_r)
{
	gss_buffer_desc offer = GSS_C_EMPTY_BUFFER;
	gss_buffer_desc output = GSS_C_EMPTY_BUFFER;
	gss_buffer_desc answer;
	OM_uint32 major, minor, unused;
	bool no_layer;
	string_t *str;

	major = gss_unwrap(&minor, gssapi->ctx, input, &offer, NULL, NULL);
	if (GSS_ERROR(major)) {
		*error_r = gssapi_error("GSSAPI: what the server offers",
					major, minor);
		return -1;
	}
	no_layer = offer.length == 4 &&
		(((const unsigned char *)offer.value)[0] &
		 GSSAPI_NO_LAYER) != 0;
	(void)gss_release_buffer(&unused, &offer);
	if (!no_layer) {
		*error_r = "GSSAPI: the server wants a security layer: use TLS "
			"(ldaps:// or referral_ldap_starttls) instead";
		return -1;
	}

	str = t_str_new(64);
	str_append_data(str, "\x01\0\0\0", 4);
	str_append(str, gssapi->authzid);
	answer.value = str_c_modifiable(str);
	answer.length = str_len(str);
	major = gss_wrap(&minor, gssapi->ctx, 0, GSS_C_QOP_DEFAULT, &answer,
			 NULL, &output);
	if (GSS_ERROR(major)) {
		*error_r = gssapi_error("GSSAPI", major, minor);
		return -1;
	}
	gssapi->state = GSSAPI_STATE_DONE;
	gssapi_response(&output, response_r);
	return 0;
}

int referral_ldap_gssapi_step(struct referral_ldap_gssapi *gssapi,
			      const struct berval *challenge,
			      struct berval *response_r, const char **error_r)
{
	gss_buffer_desc input = GSS_C_EMPTY_BUFFER;

	if (challenge != NULL) {
		input.value = challenge->bv_val;
		input.length = challenge->bv_len;
	}
	switch (gssapi->state) {
	case GSSAPI_STATE_CONTEXT:
		return gssapi_step_context(gssapi, &input, response_r,
					   error_r);
	case GSSAPI_STATE_LAYER:
		return gssapi_step_layer(gssapi, &input, response_r, error_r);
	case GSSAPI_STATE_DONE:
		break;
	}
	*error_r = "GSSAPI: the server says more than it should";
	return -1;
}

bool referral_ldap_gssapi_is_done(const struct referral_ldap_gssapi *gssapi)
{
	return gssapi->state == GSSAPI_STATE_DONE;
}
