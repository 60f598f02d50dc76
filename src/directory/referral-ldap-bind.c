/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str-sanitize.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-password.h"
#ifdef HAVE_KERBEROS
#  include "referral-ldap-gssapi.h"
#  include "referral-ldap-ticket.h"
#endif
#include "referral-ldap-bind.h"

struct referral_ldap_bind {
	const struct referral_ldap_settings *set;
	LDAP *ld;
	char *host;
	struct referral_ldap_tickets *tickets;
	unsigned int timeout_msecs;
	referral_ldap_bind_callback_t *callback;
	void *context;

	struct timeout *to;
	/* -1 = nothing sent */
	int msgid;
#ifdef HAVE_KERBEROS
	struct referral_ldap_ticket_request *ticket_request;
	struct referral_ldap_gssapi *gssapi;
#endif
};

/* The bind may be gone afterwards. */
static void bind_finish(struct referral_ldap_bind *bind, const char *error)
{
	bind->msgid = -1;
	bind->callback(error, bind->context);
}

static const char *
bind_error(struct referral_ldap_bind *bind, int err, const char *text)
{
	const char *who;

	if (bind->set->sasl_mechanism != REFERRAL_LDAP_SASL_NONE)
		who = t_strdup_printf("SASL bind (%s)",
			referral_ldap_sasl_names[bind->set->sasl_mechanism]);
	else
		who = t_strdup_printf("Bind as '%s'", bind->set->bind_dn);
	return t_strdup_printf("%s failed: %s%s%s%s", who,
		ldap_err2string(err),
		text == NULL || *text == '\0' ? "" : " (",
		text == NULL ? "" : str_sanitize(text, 200),
		text == NULL || *text == '\0' ? "" : ")");
}

static int
bind_send(struct referral_ldap_bind *bind, const char *dn,
	  const char *mechanism, struct berval *cred, const char **error_r)
{
	int err;

	err = ldap_sasl_bind(bind->ld, dn, mechanism, cred, NULL, NULL,
			     &bind->msgid);
	if (err == LDAP_SUCCESS)
		return 0;
	bind->msgid = -1;
	*error_r = bind_error(bind, err, NULL);
	return -1;
}

static int
bind_send_simple(struct referral_ldap_bind *bind, const char **error_r)
{
	const struct referral_ldap_settings *set = bind->set;
	const char *password = "", *error;
	struct berval cred;

	if (*set->password_file != '\0' &&
	    referral_ldap_password_read(set->password_file,
					&password, &error) < 0) {
		*error_r = t_strdup_printf("referral_ldap_password_file: %s",
					   error);
		return -1;
	}
	cred.bv_val = t_strdup_noconst(password);
	cred.bv_len = strlen(password);
	return bind_send(bind, set->bind_dn, LDAP_SASL_SIMPLE, &cred, error_r);
}

static int
bind_send_external(struct referral_ldap_bind *bind, const char **error_r)
{
	struct berval cred = {
		.bv_val = t_strdup_noconst(bind->set->sasl_authzid),
		.bv_len = strlen(bind->set->sasl_authzid),
	};

	return bind_send(bind, NULL, "EXTERNAL", &cred, error_r);
}

#ifdef HAVE_KERBEROS
static int
bind_send_gssapi(struct referral_ldap_bind *bind,
		 const struct berval *challenge, const char **error_r)
{
	struct berval response;

	if (referral_ldap_gssapi_step(bind->gssapi, challenge, &response,
				      error_r) < 0)
		return -1;
	return bind_send(bind, NULL, "GSSAPI", &response, error_r);
}

static void
bind_ticket_callback(const struct referral_ldap_ticket *ticket,
		     const char *error, struct referral_ldap_bind *bind)
{
	referral_ldap_ticket_request_deinit(&bind->ticket_request);
	if (ticket == NULL ||
	    referral_ldap_gssapi_init(ticket, bind->set->sasl_authzid,
				      &bind->gssapi, &error) < 0 ||
	    bind_send_gssapi(bind, NULL, &error) < 0)
		bind_finish(bind, error);
}
#endif

/* The server is satisfied. Returns 1, or -1 with error_r. */
static int
bind_accepted(struct referral_ldap_bind *bind ATTR_UNUSED,
	      const char **error_r ATTR_UNUSED)
{
#ifdef HAVE_KERBEROS
	if (bind->gssapi != NULL &&
	    !referral_ldap_gssapi_is_done(bind->gssapi)) {
		*error_r = "GSSAPI: the server has not shown who it is";
		return -1;
	}
#endif
	return 1;
}

/* The server wants to hear more. Returns 0, or -1 with error_r. */
static int
bind_challenged(struct referral_ldap_bind *bind,
		const struct berval *challenge ATTR_UNUSED,
		const char **error_r)
{
#ifdef HAVE_KERBEROS
	if (bind->gssapi != NULL)
		return bind_send_gssapi(bind, challenge, error_r);
#endif
	*error_r = bind_error(bind, LDAP_SASL_BIND_IN_PROGRESS, NULL);
	return -1;
}

static void bind_start(struct referral_ldap_bind *bind)
{
	const char *error = NULL;
	int ret = 0;

	timeout_remove(&bind->to);
	switch ((enum referral_ldap_sasl)bind->set->sasl_mechanism) {
	case REFERRAL_LDAP_SASL_NONE:
		ret = bind_send_simple(bind, &error);
		break;
	case REFERRAL_LDAP_SASL_EXTERNAL:
		ret = bind_send_external(bind, &error);
		break;
	case REFERRAL_LDAP_SASL_GSSAPI:
#ifdef HAVE_KERBEROS
		bind->ticket_request = referral_ldap_ticket_get(bind->tickets,
			bind->host, bind->timeout_msecs, bind_ticket_callback,
			bind);
#else
		/* the settings' check has refused it */
		i_unreached();
#endif
		break;
	}
	if (ret < 0)
		bind_finish(bind, error);
}

/* Returns 1 if it is done, 0 if the server was answered, -1 with error_r. */
static int
bind_handle_result(struct referral_ldap_bind *bind, LDAPMessage *msg,
		   const char **error_r)
{
	struct berval *challenge = NULL;
	char *text = NULL;
	int err, ret;

	ret = ldap_parse_result(bind->ld, msg, &err, NULL, &text, NULL, NULL,
				FALSE);
	if (ret == LDAP_SUCCESS &&
	    (err == LDAP_SUCCESS || err == LDAP_SASL_BIND_IN_PROGRESS))
		ret = ldap_parse_sasl_bind_result(bind->ld, msg, &challenge,
						  FALSE);
	if (ret != LDAP_SUCCESS && ret != LDAP_SASL_BIND_IN_PROGRESS)
		err = ret;
	if (err == LDAP_SUCCESS)
		ret = bind_accepted(bind, error_r);
	else if (err == LDAP_SASL_BIND_IN_PROGRESS)
		ret = bind_challenged(bind, challenge, error_r);
	else {
		*error_r = bind_error(bind, err, text);
		ret = -1;
	}
	ldap_memfree(text);
	ber_bvfree(challenge);
	return ret;
}

void referral_ldap_bind_input(struct referral_ldap_bind *bind, LDAPMessage *msg)
{
	const char *error = NULL;
	int ret;

	if (bind->msgid == -1 || ldap_msgid(msg) != bind->msgid)
		return;
	ret = bind_handle_result(bind, msg, &error);
	if (ret != 0)
		bind_finish(bind, ret > 0 ? NULL : error);
}

#undef referral_ldap_bind_init
struct referral_ldap_bind *
referral_ldap_bind_init(const struct referral_ldap_settings *set, LDAP *ld,
			const char *host, struct referral_ldap_tickets *tickets,
			unsigned int timeout_msecs,
			referral_ldap_bind_callback_t *callback, void *context)
{
	struct referral_ldap_bind *bind;

	bind = i_new(struct referral_ldap_bind, 1);
	bind->set = set;
	bind->ld = ld;
	bind->host = i_strdup(host);
	bind->tickets = tickets;
	bind->timeout_msecs = timeout_msecs;
	bind->callback = callback;
	bind->context = context;
	bind->msgid = -1;
	bind->to = timeout_add_short(0, bind_start, bind);
	return bind;
}

void referral_ldap_bind_deinit(struct referral_ldap_bind **_bind)
{
	struct referral_ldap_bind *bind = *_bind;

	*_bind = NULL;
	timeout_remove(&bind->to);
#ifdef HAVE_KERBEROS
	if (bind->ticket_request != NULL)
		referral_ldap_ticket_request_deinit(&bind->ticket_request);
	if (bind->gssapi != NULL)
		referral_ldap_gssapi_deinit(&bind->gssapi);
#endif
	i_free(bind->host);
	i_free(bind);
}

const char *referral_ldap_bind_doing(const struct referral_ldap_bind *bind)
{
	return bind->msgid == -1 &&
		bind->set->sasl_mechanism == REFERRAL_LDAP_SASL_GSSAPI ?
		"getting a Kerberos ticket" : "binding";
}
