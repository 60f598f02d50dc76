/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

/* All entries of a result, or of a page of it: no server makes us keep more. In
   bytes, and what libldap needs for each entry beside these. */
#define REQUEST_MAX_SIZE (64*1024*1024)
#define REQUEST_ENTRY_SIZE 256
/* References and other messages on the way to a result. */
#define REQUEST_MAX_OTHERS 1000

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
	char *text = NULL, *matched_dn = NULL;
	int err, ret;

	i_zero(&result);
	result.ld = referral_ldap_link_get_ld(server->link);
	if (array_is_created(&request->entries)) {
		result.entries = array_get(&request->entries,
					   &result.entries_count);
	}
	ret = ldap_parse_result(result.ld, msg, &err, &matched_dn, &text, NULL,
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
		result.matched_dn = matched_dn;
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
	ldap_memfree(matched_dn);
	ldap_memfree(text);
}

/* What the server has sent is nothing that was asked for. */
static void
request_bad_input(struct referral_ldap_request *request, const char *what)
{
	struct referral_ldap_server *server = request->server;

	referral_ldap_server_failed(server, t_strdup_printf(
		"%s: Search below %s failed: %s",
		server->uri->uri, request->search.base, what));
}

static void
request_entry(struct referral_ldap_request *request, LDAPMessage **msg)
{
	const struct referral_ldap_search *search = &request->search;
	LDAP *ld = referral_ldap_link_get_ld(request->server->link);
	unsigned int limit = search->size_limit > 0 ?
		search->size_limit : search->page_size;
	size_t size;

	if (referral_ldap_entry_check(ld, *msg, &size) < 0) {
		request_bad_input(request, "An entry cannot be read");
		return;
	}
	if (!array_is_created(&request->entries))
		i_array_init(&request->entries, 1);
	array_push_back(&request->entries, msg);
	*msg = NULL;
	request->entries_size += size + REQUEST_ENTRY_SIZE;
	if (limit > 0 && array_count(&request->entries) > limit) {
		request_bad_input(request, t_strdup_printf(
			"There are more entries than the %u that were asked "
			"for", limit));
	} else if (request->entries_size > REQUEST_MAX_SIZE) {
		request_bad_input(request, t_strdup_printf(
			"The answer is larger than %u MB",
			REQUEST_MAX_SIZE / 1024 / 1024));
	}
}

void referral_ldap_request_input(struct referral_ldap_request *request,
				 LDAPMessage **msg)
{
	int type = ldap_msgtype(*msg);

	switch (type) {
	case LDAP_RES_SEARCH_ENTRY:
		request_entry(request, msg);
		break;
	case LDAP_RES_SEARCH_RESULT:
		request_result(request, *msg);
		break;
	case LDAP_RES_SEARCH_REFERENCE:
	case LDAP_RES_INTERMEDIATE:
		/* references (RFC 4511 section 4.5.3) are not followed */
		if (++request->others_count > REQUEST_MAX_OTHERS) {
			request_bad_input(request, t_strdup_printf(
				"There are more than %u references",
				REQUEST_MAX_OTHERS));
		}
		break;
	default:
		request_bad_input(request, t_strdup_printf(
			"It answers with another operation's result 0x%x",
			type));
		break;
	}
}
