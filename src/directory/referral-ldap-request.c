/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "llist.h"
#include "time-util.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

/* Free the entries that have come. */
static void request_forget_entries(struct referral_ldap_request *request)
{
	LDAPMessage *msg;

	request->entries_size = 0;
	request->others_count = 0;
	if (!array_is_created(&request->entries))
		return;
	array_foreach_elem(&request->entries, msg)
		(void)ldap_msgfree(msg);
	array_free(&request->entries);
}

/* Take it away from its server. */
static void request_unassign(struct referral_ldap_request *request)
{
	struct referral_ldap_server *server = request->server;

	if (server == NULL)
		return;
	if (request->msgid != -1) {
		hash_table_remove(server->sent, POINTER_CAST(request->msgid));
		request->msgid = -1;
	}
	DLLIST2_REMOVE_FULL(&server->requests_head, &server->requests_tail,
			    request, server_prev, server_next);
	request->server = NULL;
	if (server->requests_head == NULL)
		referral_ldap_server_idle(server);
}

void referral_ldap_request_finish(struct referral_ldap_request *request,
				  struct referral_ldap_result *result)
{
	struct referral_ldap_connection *conn = request->conn;

	request_unassign(request);
	DLLIST2_REMOVE(&conn->requests_head, &conn->requests_tail, request);
	conn->requests_count--;

	T_BEGIN {
		request->callback(result, request->context);
	} T_END;
	request_forget_entries(request);
	i_free(request->error);
	pool_unref(&request->pool);
}

void referral_ldap_request_fail(struct referral_ldap_request *request,
				const char *error)
{
	struct referral_ldap_result result;

	i_zero(&result);
	/* it may be the request's */
	result.error = t_strdup(error);
	referral_ldap_request_finish(request, &result);
}

static void
request_lose_cookie(struct referral_ldap_request *request, const char *error)
{
	struct referral_ldap_result result;

	i_zero(&result);
	result.error = error == NULL ? "Connection lost between two pages" :
		t_strdup(error);
	result.cookie_lost = TRUE;
	referral_ldap_request_finish(request, &result);
}

static void
request_set_error(struct referral_ldap_request *request, const char *error)
{
	char *copy = i_strdup(error);

	i_free(request->error);
	request->error = copy;
}

/* The cookie of a page is of use only on its own connection. */
static bool request_has_lost_cookie(struct referral_ldap_request *request,
				    struct referral_ldap_server *server)
{
	struct referral_ldap_connection *conn = request->conn;

	return request->search.cookie != NULL &&
		(conn->page_server != server ||
		 (request->tried & (1U << server->idx)) != 0 ||
		 conn->page_link_num != server->link_num ||
		 !referral_ldap_server_is_ready(server));
}

void referral_ldap_request_assign(struct referral_ldap_request *request)
{
	struct referral_ldap_connection *conn = request->conn;
	struct referral_ldap_server *server;

	i_assert(request->server == NULL && request->msgid == -1);

	if (conn->deiniting) {
		referral_ldap_request_fail(request, "Shutting down");
		return;
	}
	if (request->search.cookie != NULL && conn->page_server != NULL)
		server = conn->page_server;
	else
		server = referral_ldap_connection_choose(conn, request->tried);
	if (server == NULL) {
		referral_ldap_request_fail(request, request->error != NULL ?
			request->error : conn->last_error != NULL ?
			conn->last_error : "No LDAP server could be asked");
		return;
	}
	if (request_has_lost_cookie(request, server)) {
		request_lose_cookie(request, request->error);
		return;
	}

	request->server = server;
	if (server->requests_head == NULL)
		referral_ldap_server_busy(server);
	DLLIST2_APPEND_FULL(&server->requests_head, &server->requests_tail,
			    request, server_prev, server_next);
	if (referral_ldap_server_is_ready(server))
		referral_ldap_requests_send(server);
	else
		referral_ldap_server_open(server);
}

void referral_ldap_request_next_server(struct referral_ldap_request *request,
				       const char *error)
{
	struct referral_ldap_server *server = request->server;
	struct referral_ldap_connection *conn = request->conn;

	request->tried |= 1U << server->idx;
	request_set_error(request, error);
	if (!server->complained &&
	    referral_ldap_connection_choose(conn, request->tried) != NULL) {
		server->complained = TRUE;
		e_warning(conn->event, "%s - trying the next server", error);
	}
	request_unassign(request);
	request_forget_entries(request);
	referral_ldap_request_assign(request);
}

/*
 * Sending
 */

static int request_send(struct referral_ldap_request *request, LDAP *ld)
{
	const struct referral_ldap_search *search = &request->search;
	LDAPControl *controls[] = { NULL, NULL };
	int err = LDAP_SUCCESS;

	if (search->page_size > 0) {
		err = ldap_create_page_control(ld, search->page_size,
			(struct berval *)search->cookie, FALSE, &controls[0]);
	}
	if (err == LDAP_SUCCESS) {
		err = ldap_search_ext(ld, search->base, search->scope,
				      search->filter,
				      (char **)search->attributes, FALSE,
				      controls, NULL, NULL,
				      search->size_limit, &request->msgid);
	}
	if (controls[0] != NULL)
		ldap_control_free(controls[0]);
	if (err != LDAP_SUCCESS)
		request->msgid = -1;
	return err;
}

const char *
referral_ldap_request_error(struct referral_ldap_request *request, int err,
			    const char *text)
{
	const char *error;

	error = referral_ldap_server_error(request->server, t_strdup_printf(
		"Search below %s failed", request->search.base), err, text);
	if (err == LDAP_SIZELIMIT_EXCEEDED && request->search.size_limit == 0) {
		error = t_strdup_printf("%s - the server's size limit for '%s' "
			"has to be raised", error,
			request->conn->set->bind_dn);
	}
	return error;
}

void referral_ldap_requests_send(struct referral_ldap_server *server)
{
	struct referral_ldap_request *request, *prev;
	int err;

	/* Those that wait are the last ones. */
	request = server->requests_tail;
	if (request == NULL || request->msgid != -1 ||
	    referral_ldap_link_is_blocked(server->link))
		return;
	while ((prev = request->server_prev) != NULL && prev->msgid == -1)
		request = prev;

	while (request != NULL && referral_ldap_server_is_ready(server)) {
		err = request_send(request,
				   referral_ldap_link_get_ld(server->link));
		switch (err) {
		case LDAP_SUCCESS:
			request->attempts++;
			hash_table_insert(server->sent,
					  POINTER_CAST(request->msgid),
					  request);
			request = request->server_next;
			break;
		case LDAP_BUSY:
			/* libldap still has to write the one before. */
			referral_ldap_link_wait_writable(server->link);
			return;
		case LDAP_SERVER_DOWN:
			referral_ldap_link_set_broken(server->link, err);
			return;
		default:
			/* such as a filter that it does not understand */
			referral_ldap_request_fail(request,
				referral_ldap_request_error(request, err, NULL));
			/* its callback may have changed everything */
			referral_ldap_requests_send(server);
			return;
		}
	}
}

void referral_ldap_requests_move(struct referral_ldap_server *server,
				 const char *error)
{
	ARRAY(struct referral_ldap_request *) requests;
	struct referral_ldap_request *request;

	i_array_init(&requests, 64);
	while ((request = server->requests_head) != NULL) {
		/* perhaps another one survives it */
		if (server->failed || (request->attempts >= 2 &&
		    referral_ldap_connection_choose(server->conn,
			request->tried | 1U << server->idx) != NULL))
			request->tried |= 1U << server->idx;
		request_unassign(request);
		request_forget_entries(request);
		request_set_error(request, error);
		array_push_back(&requests, &request);
	}
	/* Nobody ends these but we, and callbacks only add others. */
	array_foreach_elem(&requests, request) {
		if (request->attempts >= REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS)
			referral_ldap_request_fail(request, request->error);
		else
			referral_ldap_request_assign(request);
	}
	array_free(&requests);
}

/*
 * Deadline
 */

static void requests_set_deadline(struct referral_ldap_connection *conn);

static void request_timeout(struct referral_ldap_request *request)
{
	struct referral_ldap_server *server = request->server;
	unsigned int msecs = request->conn->set->timeout_msecs;

	if (request->msgid == -1) {
		/* always with a server, else it would have failed already */
		referral_ldap_request_fail(request, request->error != NULL ?
			request->error :
			t_strdup_printf("%s: Timeout before it could be asked",
					server->uri->uri));
		return;
	}
	(void)ldap_abandon_ext(referral_ldap_link_get_ld(server->link),
			       request->msgid, NULL, NULL);
	/* A slow search is its own problem. Whether the server answers at all is
	   found out by probes. */
	referral_ldap_request_fail(request, t_strdup_printf(
		"%s: No answer in %u ms", server->uri->uri, msecs));
}

static void requests_deadline(struct referral_ldap_connection *conn)
{
	struct referral_ldap_request *request;

	timeout_remove(&conn->to_deadline);
	while ((request = conn->requests_head) != NULL &&
	       timeval_cmp(&request->deadline, &ioloop_timeval) <= 0) T_BEGIN {
		request_timeout(request);
	} T_END;
	if (conn->to_deadline == NULL && conn->requests_head != NULL)
		requests_set_deadline(conn);
}

static void requests_set_deadline(struct referral_ldap_connection *conn)
{
	conn->to_deadline = timeout_add_absolute(
		&conn->requests_head->deadline, requests_deadline, conn);
}

#undef referral_ldap_connection_search
void referral_ldap_connection_search(struct referral_ldap_connection *conn,
				     const struct referral_ldap_search *search,
				     referral_ldap_callback_t *callback,
				     void *context)
{
	struct referral_ldap_request *request;
	pool_t pool;

	pool = pool_alloconly_create("referral ldap request", 1024);
	request = p_new(pool, struct referral_ldap_request, 1);
	request->pool = pool;
	request->conn = conn;
	request->msgid = -1;
	request->callback = callback;
	request->context = context;
	referral_ldap_search_copy(pool, &request->search, search);
	request->deadline = ioloop_timeval;
	timeval_add_msecs(&request->deadline, conn->set->timeout_msecs);

	DLLIST2_APPEND(&conn->requests_head, &conn->requests_tail, request);
	conn->requests_count++;
	if (conn->to_deadline == NULL)
		requests_set_deadline(conn);
	referral_ldap_request_assign(request);
}
