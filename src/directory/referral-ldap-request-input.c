/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

/* All entries of a result, or of a page of it: no server makes us keep
   more. */
#define REQUEST_MAX_SIZE (64*1024*1024)

static void
request_parse_cookie(struct referral_ldap_request *request,
		     struct referral_ldap_result *result,
		     LDAPControl **controls)
{
	struct referral_ldap_server *server = request->server;
	LDAPControl *control;
	ber_int_t size;

	control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	if (control == NULL)
		return;
	if (ldap_parse_pageresponse_control(result->ld, control, &size,
					    &result->cookie) != LDAP_SUCCESS)
		result->error = "Broken paged results control";
	else {
		request->conn->page_server = server;
		request->conn->page_link_num = server->link_num;
	}
}

static void
request_result(struct referral_ldap_request *request, LDAPMessage *msg)
{
	struct referral_ldap_server *server = request->server;
	struct referral_ldap_result result;
	LDAPControl **controls = NULL;
	char *text = NULL;
	int err, ret;

	i_zero(&result);
	result.ld = referral_ldap_link_get_ld(server->link);
	if (array_is_created(&request->entries)) {
		result.entries = array_get(&request->entries,
					   &result.entries_count);
	}
	ret = ldap_parse_result(result.ld, msg, &err, NULL, &text, NULL,
				&controls, FALSE);
	if (ret != LDAP_SUCCESS)
		err = ret;
	if (err == LDAP_SIZELIMIT_EXCEEDED && request->search.size_limit > 0 &&
	    result.entries_count >= request->search.size_limit)
		result.truncated = TRUE;
	else if (err != LDAP_SUCCESS) {
		result.error = referral_ldap_request_error(request, err,
							   text);
		result.refused = !referral_ldap_is_server_error(err);
		result.code = err;
	}
	if (result.error == NULL)
		request_parse_cookie(request, &result, controls);
	/* other servers can do nothing with a cookie */
	if (result.error != NULL && !result.refused &&
	    request->search.cookie == NULL)
		referral_ldap_request_next_server(request, result.error);
	else {
		server->lost_without_answer = 0;
		server->complained = FALSE;
		if (result.error != NULL)
			result.entries_count = 0;
		referral_ldap_request_finish(request, &result);
	}

	ber_memfree(result.cookie.bv_val);
	ldap_controls_free(controls);
	ldap_memfree(text);
}

static size_t message_size(LDAP *ld, LDAPMessage *msg)
{
	BerElement *ber;
	struct berval dn;
	ber_len_t size;

	if (ldap_get_dn_ber(ld, msg, &ber, &dn) != LDAP_SUCCESS)
		return 0;
	if (ber_get_option(ber, LBER_OPT_BER_TOTAL_BYTES,
			   &size) != LBER_OPT_SUCCESS)
		size = 0;
	ber_free(ber, 0);
	return size;
}

static void
request_entry(struct referral_ldap_request *request, LDAPMessage **msg)
{
	struct referral_ldap_server *server = request->server;

	if (!array_is_created(&request->entries))
		i_array_init(&request->entries, 1);
	request->entries_size += message_size(
		referral_ldap_link_get_ld(server->link), *msg);
	array_push_back(&request->entries, msg);
	*msg = NULL;
	if (request->entries_size <= REQUEST_MAX_SIZE)
		return;
	(void)ldap_abandon_ext(referral_ldap_link_get_ld(server->link),
			       request->msgid, NULL, NULL);
	referral_ldap_request_next_server(request, t_strdup_printf(
		"%s: Search below %s failed: The answer is larger than %u MB",
		server->uri->uri, request->search.base,
		REQUEST_MAX_SIZE / 1024 / 1024));
}

void referral_ldap_request_input(struct referral_ldap_request *request,
				 LDAPMessage **msg)
{
	switch (ldap_msgtype(*msg)) {
	case LDAP_RES_SEARCH_ENTRY:
		request_entry(request, msg);
		break;
	case LDAP_RES_SEARCH_RESULT:
		request_result(request, *msg);
		break;
	default:
		/* references (RFC 4511 section 4.5.3) are not followed */
		break;
	}
}
