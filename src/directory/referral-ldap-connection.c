/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "hash.h"
#include "net.h"
#include "str-sanitize.h"
#include "time-util.h"
#include "referral-dns.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-password.h"
#include "referral-ldap-connection.h"

/* Whose connection is lost that often while a search waits for its answer
   is probably lost by that search. */
#define REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS 4
/* After all servers have failed, searches fail at once for a while, which
   doubles each time. */
#define REFERRAL_LDAP_BACKOFF_MIN_MSECS 50
#define REFERRAL_LDAP_BACKOFF_MAX_MSECS 2000

enum referral_ldap_state {
	/* No socket. */
	REFERRAL_LDAP_STATE_DISCONNECTED,
	/* Waiting for the address, then for the connection, then for the
	   result of the bind. */
	REFERRAL_LDAP_STATE_RESOLVING,
	REFERRAL_LDAP_STATE_CONNECTING,
	REFERRAL_LDAP_STATE_BINDING,
	/* Searches are sent. */
	REFERRAL_LDAP_STATE_READY,
};

struct referral_ldap_request {
	struct referral_ldap_request *prev, *next;
	pool_t pool;
	struct referral_ldap_connection *conn;

	struct referral_ldap_search search;
	referral_ldap_callback_t *callback;
	void *context;

	/* Ends the request, whatever state it is in. */
	struct timeout *to;
	/* In conn->sent with this ID if it is not -1, else waiting to be
	   sent. */
	int msgid;
	struct timeval sent_time;
	unsigned int attempts;
	/* The entries that have come so far. */
	ARRAY(LDAPMessage *) entries;
};

struct referral_ldap_persist {
	struct referral_ldap_persist *prev, *next;
	pool_t pool;
	struct referral_ldap_connection *conn;

	struct referral_ldap_search search;
	referral_ldap_persist_control_t *control_cb;
	struct referral_ldap_persist_callbacks callbacks;
	void *context;

	/* -1 = waiting to be sent */
	int msgid;
	/* Callbacks that are running, and whether it was cancelled by one. */
	unsigned int calling;
	bool ended;
	/* Its connection is: end it. */
	bool lost;
};

struct referral_ldap_connection {
	const struct referral_ldap_settings *set;
	char *base_dir;
	struct event *event;

	enum referral_ldap_state state;
	/* The server that we are connected to, or try next. */
	unsigned int uri_idx;
	/* Servers that failed since one was READY. */
	unsigned int failed_uris;

	struct dns_lookup *dns_lookup;
	/* The server's addresses, and the next one to try. */
	struct ip_addr *ips;
	unsigned int ips_count, ip_idx;
	/* -1 if it is closed, or libldap's: then ld is set. */
	int fd;
	LDAP *ld;
	/* Whose results are being handled: not freed before that is over. */
	LDAP *input_ld;
	struct io *io;
	/* Set while the socket does not take more requests. */
	struct io *io_write;
	/* Ends the attempt to become READY. */
	struct timeout *to_attempt;
	int bind_msgid;
	struct timeval last_input_time;

	/* All requests, in the order in which they came. */
	struct referral_ldap_request *requests_head, *requests_tail;
	/* Those of them that are sent: never anything but in state READY. */
	HASH_TABLE(void *, struct referral_ldap_request *) sent;

	struct referral_ldap_persist *persists;
	/* Starts those that wait, outside of their users' call. */
	struct timeout *to_persists;

	/* Set while all servers are known to have failed. */
	char *last_error;
	struct timeval backoff_until;
	unsigned int backoff_msecs;

	bool deiniting;
};

static void referral_ldap_connect(struct referral_ldap_connection *conn);
static void referral_ldap_send_waiting(struct referral_ldap_connection *conn);
static void referral_ldap_persists_send(struct referral_ldap_connection *conn);

static const struct referral_ldap_uri *
referral_ldap_uri(struct referral_ldap_connection *conn)
{
	return array_idx(&conn->set->parsed_uris, conn->uri_idx);
}

/* What went wrong at which server. The server's text is foreign data. */
static const char *
referral_ldap_error(struct referral_ldap_connection *conn, const char *what,
		    int err, const char *text)
{
	return t_strdup_printf("%s: %s: %s%s%s%s",
		referral_ldap_uri(conn)->uri, what, ldap_err2string(err),
		text == NULL || *text == '\0' ? "" : " (",
		text == NULL ? "" : str_sanitize(text, 200),
		text == NULL || *text == '\0' ? "" : ")");
}

/*
 * Requests
 */

/* Free the entries that have come. */
static void referral_ldap_request_forget(struct referral_ldap_request *request)
{
	LDAPMessage *msg;

	if (!array_is_created(&request->entries))
		return;
	array_foreach_elem(&request->entries, msg)
		ldap_msgfree(msg);
	array_free(&request->entries);
}

static void
referral_ldap_request_finish(struct referral_ldap_request *request,
			     struct referral_ldap_result *result)
{
	struct referral_ldap_connection *conn = request->conn;

	if (request->msgid != -1)
		hash_table_remove(conn->sent, POINTER_CAST(request->msgid));
	DLLIST2_REMOVE(&conn->requests_head, &conn->requests_tail, request);
	timeout_remove(&request->to);

	T_BEGIN {
		request->callback(result, request->context);
	} T_END;
	referral_ldap_request_forget(request);
	pool_unref(&request->pool);
}

static void
referral_ldap_request_fail(struct referral_ldap_request *request,
			   const char *error)
{
	struct referral_ldap_result result;

	i_zero(&result);
	result.error = error;
	referral_ldap_request_finish(request, &result);
}

static void
referral_ldap_requests_fail(struct referral_ldap_connection *conn,
			    const char *error)
{
	struct referral_ldap_request *request, *last = conn->requests_tail;
	bool more = last != NULL;

	/* Callbacks may add others: they come after the last one. */
	while (more) {
		request = conn->requests_head;
		more = request != last;
		referral_ldap_request_fail(request, error);
	}
}

/* The connection is gone: what was sent is waiting again. */
static void
referral_ldap_requests_unsend(struct referral_ldap_connection *conn)
{
	struct referral_ldap_request *request, *next;

	for (request = conn->requests_head; request != NULL; request = next) {
		next = request->next;
		if (request->msgid == -1)
			continue;
		hash_table_remove(conn->sent, POINTER_CAST(request->msgid));
		request->msgid = -1;
		referral_ldap_request_forget(request);
	}
}

/* A page's cookie is of no use on another connection. */
static void
referral_ldap_requests_lose_cookies(struct referral_ldap_connection *conn,
				    const char *error)
{
	struct referral_ldap_request *request, *next;
	struct referral_ldap_result result;

	for (request = conn->requests_head; request != NULL; request = next) {
		next = request->next;
		if (request->search.cookie == NULL)
			continue;
		i_zero(&result);
		result.error = error;
		result.cookie_lost = TRUE;
		referral_ldap_request_finish(request, &result);
		/* its callback may have changed the list */
		next = conn->requests_head;
	}
}

/*
 * Persistent searches
 */

static void
referral_ldap_persist_end(struct referral_ldap_persist *persist,
			  const struct referral_ldap_persist_end *end)
{
	if (persist->ended)
		return;
	persist->ended = TRUE;
	DLLIST_REMOVE(&persist->conn->persists, persist);
	T_BEGIN {
		if (end != NULL)
			persist->callbacks.end(end, persist->context);
	} T_END;
	if (persist->calling == 0)
		pool_unref(&persist->pool);
}

/* Those that were sent, or all. */
static void
referral_ldap_persists_fail(struct referral_ldap_connection *conn,
			    const char *error, bool all)
{
	const struct referral_ldap_persist_end end = {
		.error = error,
		.code = -1,
	};
	struct referral_ldap_persist *persist;

	for (persist = conn->persists; persist != NULL; persist = persist->next)
		persist->lost = all || persist->msgid != -1;
	/* Callbacks may add and cancel any: begin again after each. */
	do {
		for (persist = conn->persists; persist != NULL;
		     persist = persist->next) {
			if (persist->lost)
				break;
		}
		if (persist != NULL)
			referral_ldap_persist_end(persist, &end);
	} while (persist != NULL);
}

/*
 * Connection
 */

static void referral_ldap_close(struct referral_ldap_connection *conn)
{
	/* Dovecot 2.4 calls back when a lookup is aborted. */
	conn->state = REFERRAL_LDAP_STATE_DISCONNECTED;
	if (conn->dns_lookup != NULL)
		dns_lookup_abort(&conn->dns_lookup);
	timeout_remove(&conn->to_attempt);
	/* libldap has possibly closed the socket already */
	if (conn->ld != NULL) {
		io_remove_closed(&conn->io);
		io_remove_closed(&conn->io_write);
		if (conn->ld != conn->input_ld)
			(void)ldap_unbind_ext(conn->ld, NULL, NULL);
		conn->ld = NULL;
	} else {
		io_remove(&conn->io);
		i_close_fd(&conn->fd);
	}
	conn->bind_msgid = -1;
	conn->ips_count = conn->ip_idx = 0;
	i_free(conn->ips);
	referral_ldap_requests_unsend(conn);
}

static void
referral_ldap_backoff(struct referral_ldap_connection *conn, const char *error)
{
	conn->backoff_msecs = conn->backoff_msecs == 0 ?
		REFERRAL_LDAP_BACKOFF_MIN_MSECS :
		I_MIN(conn->backoff_msecs * 2, REFERRAL_LDAP_BACKOFF_MAX_MSECS);
	conn->backoff_until = ioloop_timeval;
	timeval_add_msecs(&conn->backoff_until, conn->backoff_msecs);
	i_free(conn->last_error);
	conn->last_error = i_strdup(error);
}

/* This server cannot be used now: go to the next one, or give up when all have
   been tried. */
static void
referral_ldap_server_failed(struct referral_ldap_connection *conn,
			    const char *error)
{
	unsigned int count = array_count(&conn->set->parsed_uris);

	/* the error may belong to the LDAP that is freed here */
	error = t_strdup(error);
	referral_ldap_close(conn);
	conn->uri_idx = (conn->uri_idx + 1) % count;
	conn->failed_uris++;
	if (conn->failed_uris < count) {
		e_warning(conn->event, "%s - trying the next server", error);
		referral_ldap_connect(conn);
		referral_ldap_requests_lose_cookies(conn, error);
		referral_ldap_persists_fail(conn, error, FALSE);
		return;
	}
	/* Who waits for the answers logs the failure. */
	e_debug(conn->event, "%s", error);
	conn->failed_uris = 0;
	referral_ldap_backoff(conn, error);
	referral_ldap_persists_fail(conn, error, TRUE);
	referral_ldap_requests_fail(conn, error);
}

static void referral_ldap_attempt_timeout(struct referral_ldap_connection *conn)
{
	static const char *const what[] = {
		[REFERRAL_LDAP_STATE_DISCONNECTED] = "connecting",
		[REFERRAL_LDAP_STATE_RESOLVING] = "looking up its address",
		[REFERRAL_LDAP_STATE_CONNECTING] = "connecting",
		[REFERRAL_LDAP_STATE_BINDING] = "binding",
		[REFERRAL_LDAP_STATE_READY] = "binding",
	};

	referral_ldap_server_failed(conn, t_strdup_printf(
		"%s: Timeout while %s",
		referral_ldap_uri(conn)->uri, what[conn->state]));
}

/* The connection was lost while it was in use. Servers are restarted, and they
   end idle connections: try the same one again if there is something to do. */
static void
referral_ldap_connection_lost(struct referral_ldap_connection *conn,
			      const char *error)
{
	struct referral_ldap_request *request, *next;

	referral_ldap_close(conn);
	for (request = conn->requests_head; request != NULL; request = next) {
		next = request->next;
		if (request->attempts >= REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS) {
			referral_ldap_request_fail(request, error);
			/* its callback may have changed the list */
			next = conn->requests_head;
		}
	}
	referral_ldap_requests_lose_cookies(conn, error);
	referral_ldap_persists_fail(conn, error, FALSE);
	if (conn->requests_head == NULL)
		e_debug(conn->event, "%s", error);
	else if (conn->state == REFERRAL_LDAP_STATE_DISCONNECTED) {
		e_warning(conn->event, "%s - reconnecting", error);
		referral_ldap_connect(conn);
	}
}

static void referral_ldap_ready(struct referral_ldap_connection *conn)
{
	timeout_remove(&conn->to_attempt);
	conn->state = REFERRAL_LDAP_STATE_READY;
	conn->failed_uris = 0;
	conn->backoff_msecs = 0;
	i_free(conn->last_error);
	e_debug(conn->event, "Connected to %s", referral_ldap_uri(conn)->uri);
	referral_ldap_send_waiting(conn);
	referral_ldap_persists_send(conn);
}

static void
referral_ldap_input_bind(struct referral_ldap_connection *conn,
			 LDAPMessage *msg)
{
	char *text = NULL;
	int err, ret;

	ret = ldap_parse_result(conn->ld, msg, &err, NULL, &text, NULL, NULL,
				FALSE);
	if (ret != LDAP_SUCCESS)
		err = ret;
	if (err == LDAP_SUCCESS)
		referral_ldap_ready(conn);
	else {
		referral_ldap_server_failed(conn, referral_ldap_error(conn,
			t_strdup_printf("Bind as '%s' failed",
					conn->set->bind_dn), err, text));
	}
	ldap_memfree(text);
}

static void
referral_ldap_parse_cookie(struct referral_ldap_result *result,
			   LDAPControl **controls)
{
	LDAPControl *control;
	ber_int_t size;

	control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, controls, NULL);
	if (control == NULL)
		return;
	if (ldap_parse_pageresponse_control(result->ld, control, &size,
					    &result->cookie) != LDAP_SUCCESS)
		result->error = "Broken paged results control";
}

static void
referral_ldap_entry_init(struct referral_ldap_entry *entry_r, LDAP *ld,
			 LDAPMessage *msg)
{
	char *dn;

	entry_r->ld = ld;
	entry_r->msg = msg;
	dn = ldap_get_dn(ld, msg);
	entry_r->dn = t_strdup(dn == NULL ? "<broken DN>" : dn);
	ldap_memfree(dn);
}

static const char *
referral_ldap_search_error(struct referral_ldap_connection *conn,
			   const struct referral_ldap_request *request,
			   int err, const char *text)
{
	const char *error;

	error = referral_ldap_error(conn, t_strdup_printf(
		"Search below %s failed", request->search.base), err, text);
	if (err == LDAP_SIZELIMIT_EXCEEDED && request->search.size_limit == 0) {
		error = t_strdup_printf("%s - the server's size limit for '%s' "
			"has to be raised", error, conn->set->bind_dn);
	}
	return error;
}

/* The server cannot serve, another one may. All other errors are answers. */
static bool referral_ldap_is_server_error(int err)
{
	switch (err) {
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
	case LDAP_UNWILLING_TO_PERFORM:
	case LDAP_TIMELIMIT_EXCEEDED:
	case LDAP_OTHER:
	case LDAP_REFERRAL:
		return TRUE;
	default:
		/* libldap's own */
		return err < 0;
	}
}

static void
referral_ldap_input_result(struct referral_ldap_connection *conn,
			   struct referral_ldap_request *request,
			   LDAPMessage *msg)
{
	struct referral_ldap_result result;
	LDAPControl **controls = NULL;
	char *text = NULL;
	int err, ret;

	i_zero(&result);
	result.ld = conn->ld;
	result.entries = array_get(&request->entries, &result.entries_count);

	ret = ldap_parse_result(conn->ld, msg, &err, NULL, &text, NULL,
				&controls, FALSE);
	if (ret != LDAP_SUCCESS)
		err = ret;
	if (err == LDAP_SIZELIMIT_EXCEEDED && request->search.size_limit > 0 &&
	    result.entries_count >= request->search.size_limit)
		result.truncated = TRUE;
	else if (err != LDAP_SUCCESS) {
		result.error = referral_ldap_search_error(conn, request,
							  err, text);
		result.refused = !referral_ldap_is_server_error(err);
		result.code = err;
	}
	if (result.error == NULL)
		referral_ldap_parse_cookie(&result, controls);
	if (result.error != NULL)
		result.entries_count = 0;
	referral_ldap_request_finish(request, &result);

	ber_memfree(result.cookie.bv_val);
	ldap_controls_free(controls);
	ldap_memfree(text);
}

static void
referral_ldap_input_search(struct referral_ldap_connection *conn,
			   struct referral_ldap_request *request,
			   LDAPMessage **msg)
{
	if (!array_is_created(&request->entries))
		i_array_init(&request->entries, 1);
	switch (ldap_msgtype(*msg)) {
	case LDAP_RES_SEARCH_ENTRY:
		array_push_back(&request->entries, msg);
		*msg = NULL;
		break;
	case LDAP_RES_SEARCH_RESULT:
		referral_ldap_input_result(conn, request, *msg);
		break;
	default:
		/* references (RFC 4511 section 4.5.3) are not followed */
		break;
	}
}

static void
referral_ldap_persist_entry(struct referral_ldap_persist *persist,
			    LDAPMessage *msg)
{
	struct referral_ldap_entry entry;
	LDAPControl **controls = NULL;
	LDAP *ld = persist->conn->ld;

	if (ldap_get_entry_controls(ld, msg, &controls) != LDAP_SUCCESS)
		controls = NULL;
	referral_ldap_entry_init(&entry, ld, msg);
	persist->callbacks.entry(&entry, controls, persist->context);
	ldap_controls_free(controls);
}

static void
referral_ldap_persist_info(struct referral_ldap_persist *persist,
			   LDAPMessage *msg)
{
	struct berval *data = NULL;
	char *oid = NULL;

	if (ldap_parse_intermediate(persist->conn->ld, msg, &oid, &data,
				    NULL, FALSE) != LDAP_SUCCESS)
		oid = NULL;
	persist->callbacks.info(oid == NULL ? "" : oid, data,
				persist->context);
	ldap_memfree(oid);
	ber_bvfree(data);
}

static void
referral_ldap_persist_result(struct referral_ldap_persist *persist,
			     LDAPMessage *msg)
{
	struct referral_ldap_persist_end end;
	char *text = NULL;
	int ret;

	i_zero(&end);
	ret = ldap_parse_result(persist->conn->ld, msg, &end.code, NULL, &text,
				NULL, &end.controls, FALSE);
	if (ret != LDAP_SUCCESS)
		end.code = -1;
	if (end.code != LDAP_SUCCESS) {
		end.error = referral_ldap_error(persist->conn, t_strdup_printf(
			"Live search below %s ended", persist->search.base),
			ret != LDAP_SUCCESS ? ret : end.code, text);
	}
	referral_ldap_persist_end(persist, &end);
	ldap_controls_free(end.controls);
	ldap_memfree(text);
}

static void
referral_ldap_input_persist(struct referral_ldap_persist *persist,
			    LDAPMessage *msg)
{
	persist->calling++;
	T_BEGIN {
		switch (ldap_msgtype(msg)) {
		case LDAP_RES_SEARCH_ENTRY:
			referral_ldap_persist_entry(persist, msg);
			break;
		case LDAP_RES_INTERMEDIATE:
			referral_ldap_persist_info(persist, msg);
			break;
		case LDAP_RES_SEARCH_RESULT:
			referral_ldap_persist_result(persist, msg);
			break;
		}
	} T_END;
	if (--persist->calling == 0 && persist->ended)
		pool_unref(&persist->pool);
}

static void
referral_ldap_input_message(struct referral_ldap_connection *conn,
			    LDAPMessage **msg)
{
	struct referral_ldap_request *request;
	struct referral_ldap_persist *persist;
	int msgid = ldap_msgid(*msg);

	if (conn->state == REFERRAL_LDAP_STATE_BINDING) {
		if (msgid == conn->bind_msgid)
			referral_ldap_input_bind(conn, *msg);
		return;
	}
	for (persist = conn->persists; persist != NULL;
	     persist = persist->next) {
		if (persist->msgid == msgid) {
			referral_ldap_input_persist(persist, *msg);
			return;
		}
	}
	/* NULL if it was abandoned meanwhile */
	request = hash_table_lookup(conn->sent, POINTER_CAST(msgid));
	if (request != NULL)
		referral_ldap_input_search(conn, request, msg);
}

static void referral_ldap_input(struct referral_ldap_connection *conn)
{
	LDAP *ld = conn->ld;
	struct timeval no_wait;
	LDAPMessage *msg;
	int ret, err;

	conn->last_input_time = ioloop_timeval;
	conn->input_ld = ld;
	do {
		i_zero(&no_wait);
		ret = ldap_result(ld, LDAP_RES_ANY, LDAP_MSG_ONE, &no_wait,
				  &msg);
		if (ret > 0) {
			referral_ldap_input_message(conn, &msg);
			if (msg != NULL)
				ldap_msgfree(msg);
		}
		/* a callback may have started a new connection */
	} while (ret > 0 && conn->ld == ld);
	conn->input_ld = NULL;

	if (conn->ld != ld) {
		(void)ldap_unbind_ext(ld, NULL, NULL);
		return;
	}
	if (ret >= 0)
		return;
	if (ldap_get_option(ld, LDAP_OPT_RESULT_CODE, &err) != LDAP_OPT_SUCCESS)
		err = LDAP_SERVER_DOWN;
	if (conn->state == REFERRAL_LDAP_STATE_READY) {
		referral_ldap_connection_lost(conn, referral_ldap_error(conn,
			"Connection lost", err, NULL));
	} else {
		referral_ldap_server_failed(conn, referral_ldap_error(conn,
			"Connection lost while binding", err, NULL));
	}
}

static int
referral_ldap_bind(struct referral_ldap_connection *conn, const char **error_r)
{
	struct berval cred = { .bv_val = "" };
	const char *password = "", *error;
	int err;

	if (*conn->set->password_file != '\0' &&
	    referral_ldap_password_read(conn->set->password_file,
					&password, &error) < 0) {
		*error_r = t_strdup_printf("referral_ldap_password_file: %s",
					   error);
		return -1;
	}
	cred.bv_val = t_strdup_noconst(password);
	cred.bv_len = strlen(password);
	err = ldap_sasl_bind(conn->ld, conn->set->bind_dn, LDAP_SASL_SIMPLE,
			     &cred, NULL, NULL, &conn->bind_msgid);
	if (err != LDAP_SUCCESS) {
		*error_r = referral_ldap_error(conn, "Bind failed", err, NULL);
		return -1;
	}
	return 0;
}

static int
referral_ldap_start(struct referral_ldap_connection *conn, const char **error_r)
{
	const struct referral_ldap_uri *uri = referral_ldap_uri(conn);
	int err, version = LDAP_VERSION3, fd = conn->fd;

	/* ldap_init_fd() because a name in a URL would be looked up and a
	   connection made by libldap, both of which block */
	err = ldap_init_fd(fd, uri->path != NULL ? LDAP_PROTO_IPC :
			   LDAP_PROTO_TCP, uri->uri, &conn->ld);
	if (err != LDAP_SUCCESS) {
		*error_r = referral_ldap_error(conn, "ldap_init_fd() failed",
					       err, NULL);
		return -1;
	}
	/* it is libldap's now */
	conn->fd = -1;
	if (ldap_set_option(conn->ld, LDAP_OPT_PROTOCOL_VERSION,
			    &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(conn->ld, LDAP_OPT_REFERRALS,
			    LDAP_OPT_OFF) != LDAP_OPT_SUCCESS) {
		*error_r = "ldap_set_option() failed";
		return -1;
	}
	conn->state = REFERRAL_LDAP_STATE_BINDING;
	conn->io = io_add(fd, IO_READ, referral_ldap_input, conn);
	return referral_ldap_bind(conn, error_r);
}

static void
referral_ldap_connect_ip(struct referral_ldap_connection *conn,
			 const struct ip_addr *ip);

static bool referral_ldap_connect_next_ip(struct referral_ldap_connection *conn)
{
	if (conn->ip_idx >= conn->ips_count)
		return FALSE;
	referral_ldap_connect_ip(conn, &conn->ips[conn->ip_idx++]);
	return TRUE;
}

static void referral_ldap_connected(struct referral_ldap_connection *conn)
{
	const char *error;
	int err;

	io_remove(&conn->io);
	if ((err = net_geterror(conn->fd)) != 0) {
		if (conn->ip_idx < conn->ips_count) {
			i_close_fd(&conn->fd);
			(void)referral_ldap_connect_next_ip(conn);
			return;
		}
		referral_ldap_server_failed(conn, t_strdup_printf(
			"%s: connect() failed: %s",
			referral_ldap_uri(conn)->uri, strerror(err)));
	} else if (referral_ldap_start(conn, &error) < 0)
		referral_ldap_server_failed(conn, error);
}

static void
referral_ldap_connect_ip(struct referral_ldap_connection *conn,
			 const struct ip_addr *ip)
{
	const struct referral_ldap_uri *uri = referral_ldap_uri(conn);

	conn->state = REFERRAL_LDAP_STATE_CONNECTING;
	conn->fd = uri->path != NULL ? net_connect_unix(uri->path) :
		net_connect_ip(ip, uri->port, NULL);
	if (conn->fd == -1) {
		if (referral_ldap_connect_next_ip(conn))
			return;
		referral_ldap_server_failed(conn, t_strdup_printf(
			"%s: connect() failed: %m", uri->uri));
		return;
	}
	if (uri->path == NULL)
		(void)net_set_tcp_nodelay(conn->fd, TRUE);
	conn->io = io_add(conn->fd, IO_WRITE, referral_ldap_connected, conn);
}

static void
referral_ldap_dns_callback(const struct dns_lookup_result *result,
			   struct referral_ldap_connection *conn)
{
	conn->dns_lookup = NULL;
	if (conn->state != REFERRAL_LDAP_STATE_RESOLVING)
		return;
	if (result->ret != 0) {
		referral_ldap_server_failed(conn, t_strdup_printf(
			"%s: Looking up its address failed: %s",
			referral_ldap_uri(conn)->uri, result->error));
		return;
	}
	conn->ips_count = result->ips_count;
	conn->ips = i_new(struct ip_addr, result->ips_count);
	memcpy(conn->ips, result->ips,
	       result->ips_count * sizeof(*result->ips));
	(void)referral_ldap_connect_next_ip(conn);
}

static void
referral_ldap_resolve(struct referral_ldap_connection *conn, const char *host)
{
	conn->state = REFERRAL_LDAP_STATE_RESOLVING;
	referral_dns_lookup(host, conn->base_dir, conn->event,
			    referral_ldap_dns_callback, conn,
			    &conn->dns_lookup);
}

static void referral_ldap_connect(struct referral_ldap_connection *conn)
{
	const struct referral_ldap_uri *uri = referral_ldap_uri(conn);
	struct ip_addr ip;

	i_assert(conn->state == REFERRAL_LDAP_STATE_DISCONNECTED);

	/* So that all servers can be tried before the requests time out. */
	conn->to_attempt = timeout_add(conn->set->timeout_msecs /
				       array_count(&conn->set->parsed_uris),
				       referral_ldap_attempt_timeout, conn);
	if (uri->path != NULL)
		referral_ldap_connect_ip(conn, NULL);
	else if (net_addr2ip(uri->host, &ip) == 0)
		referral_ldap_connect_ip(conn, &ip);
	else
		referral_ldap_resolve(conn, uri->host);
}

/*
 * Searches
 */

static int
referral_ldap_send(struct referral_ldap_request *request)
{
	struct referral_ldap_connection *conn = request->conn;
	const struct referral_ldap_search *search = &request->search;
	LDAPControl *controls[] = { NULL, NULL };
	int err = LDAP_SUCCESS;

	if (search->page_size > 0) {
		err = ldap_create_page_control(conn->ld, search->page_size,
			(struct berval *)search->cookie, FALSE, &controls[0]);
	}
	if (err == LDAP_SUCCESS) {
		err = ldap_search_ext(conn->ld, search->base, search->scope,
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

static void referral_ldap_writable(struct referral_ldap_connection *conn)
{
	io_remove(&conn->io_write);
	referral_ldap_send_waiting(conn);
	if (conn->io_write == NULL)
		referral_ldap_persists_send(conn);
}

static void referral_ldap_wait_writable(struct referral_ldap_connection *conn)
{
	int fd;

	if (conn->io_write != NULL)
		return;
	if (ldap_get_option(conn->ld, LDAP_OPT_DESC, &fd) != LDAP_OPT_SUCCESS)
		i_unreached();
	conn->io_write = io_add(fd, IO_WRITE, referral_ldap_writable, conn);
}

static void referral_ldap_send_waiting(struct referral_ldap_connection *conn)
{
	struct referral_ldap_request *request, *next;
	int err;

	for (request = conn->requests_head; request != NULL; request = next) {
		next = request->next;
		if (request->msgid != -1)
			continue;

		request->attempts++;
		request->sent_time = ioloop_timeval;
		err = referral_ldap_send(request);
		switch (err) {
		case LDAP_SUCCESS:
			hash_table_insert(conn->sent,
					  POINTER_CAST(request->msgid),
					  request);
			break;
		case LDAP_BUSY:
			/* libldap still has to write the one before. */
			request->attempts--;
			referral_ldap_wait_writable(conn);
			return;
		case LDAP_SERVER_DOWN:
			referral_ldap_connection_lost(conn,
				referral_ldap_error(conn, "Connection lost",
						    err, NULL));
			return;
		default:
			referral_ldap_request_fail(request,
				referral_ldap_search_error(conn, request,
							   err, NULL));
			/* its callback may have changed everything */
			if (conn->state != REFERRAL_LDAP_STATE_READY)
				return;
			next = conn->requests_head;
		}
	}
}

static void referral_ldap_request_timeout(struct referral_ldap_request *request)
{
	struct referral_ldap_connection *conn = request->conn;
	const char *error;
	bool hung;

	if (request->msgid == -1) {
		referral_ldap_request_fail(request, t_strdup_printf(
			"%s: Timeout before it could be asked",
			referral_ldap_uri(conn)->uri));
		return;
	}
	error = t_strdup_printf("%s: No answer in %u ms",
				referral_ldap_uri(conn)->uri,
				conn->set->timeout_msecs);
	/* A slow search is its own problem, a server that says nothing at all
	   is everybody's. */
	hung = timeval_cmp(&conn->last_input_time, &request->sent_time) <= 0;
	(void)ldap_abandon_ext(conn->ld, request->msgid, NULL, NULL);
	referral_ldap_request_fail(request, error);
	if (hung && conn->state == REFERRAL_LDAP_STATE_READY)
		referral_ldap_server_failed(conn, error);
}

static void
referral_ldap_search_copy(pool_t pool, struct referral_ldap_search *dest,
			  const struct referral_ldap_search *src)
{
	*dest = *src;
	dest->base = p_strdup(pool, src->base);
	dest->filter = p_strdup(pool, src->filter);
	dest->attributes = p_strarray_dup(pool, src->attributes);
}

#undef referral_ldap_connection_search
void referral_ldap_connection_search(struct referral_ldap_connection *conn,
				     const struct referral_ldap_search *search,
				     referral_ldap_callback_t *callback,
				     void *context)
{
	struct referral_ldap_request *request;
	struct berval *cookie;
	pool_t pool;

	pool = pool_alloconly_create("referral ldap request", 512);
	request = p_new(pool, struct referral_ldap_request, 1);
	request->pool = pool;
	request->conn = conn;
	request->msgid = -1;
	request->callback = callback;
	request->context = context;

	referral_ldap_search_copy(pool, &request->search, search);
	if (search->cookie != NULL) {
		cookie = p_new(pool, struct berval, 1);
		cookie->bv_len = search->cookie->bv_len;
		cookie->bv_val = p_memdup(pool, search->cookie->bv_val,
					  search->cookie->bv_len);
		request->search.cookie = cookie;
	}

	request->to = timeout_add(conn->set->timeout_msecs,
				  referral_ldap_request_timeout, request);
	DLLIST2_APPEND(&conn->requests_head, &conn->requests_tail, request);

	switch (conn->state) {
	case REFERRAL_LDAP_STATE_DISCONNECTED:
		if (conn->deiniting)
			referral_ldap_request_fail(request, "Shutting down");
		else if (search->cookie != NULL)
			referral_ldap_requests_lose_cookies(conn,
				"Connection lost between two pages");
		else if (conn->last_error != NULL &&
		    timeval_cmp(&ioloop_timeval, &conn->backoff_until) < 0)
			referral_ldap_request_fail(request, conn->last_error);
		else
			referral_ldap_connect(conn);
		break;
	case REFERRAL_LDAP_STATE_RESOLVING:
	case REFERRAL_LDAP_STATE_CONNECTING:
	case REFERRAL_LDAP_STATE_BINDING:
		break;
	case REFERRAL_LDAP_STATE_READY:
		referral_ldap_send_waiting(conn);
		break;
	}
}

static int referral_ldap_persist_send(struct referral_ldap_persist *persist)
{
	struct referral_ldap_connection *conn = persist->conn;
	const struct referral_ldap_search *search = &persist->search;
	LDAPControl control, *controls[] = { &control, NULL };
	int err;

	i_zero(&control);
	persist->control_cb(referral_ldap_uri(conn)->uri, &control,
			    persist->context);
	err = ldap_search_ext(conn->ld, search->base, search->scope,
			      search->filter, (char **)search->attributes,
			      FALSE, controls, NULL, NULL, 0,
			      &persist->msgid);
	if (err != LDAP_SUCCESS)
		persist->msgid = -1;
	return err;
}

static void referral_ldap_persists_send(struct referral_ldap_connection *conn)
{
	struct referral_ldap_persist *persist;
	struct referral_ldap_persist_end end;
	int err = LDAP_SUCCESS;

	do {
		/* callbacks may have changed everything */
		for (persist = conn->persists; persist != NULL;
		     persist = persist->next) {
			if (persist->msgid == -1)
				break;
		}
		if (persist == NULL ||
		    conn->state != REFERRAL_LDAP_STATE_READY)
			return;
		T_BEGIN {
			err = referral_ldap_persist_send(persist);
		} T_END;
		if (err == LDAP_BUSY)
			referral_ldap_wait_writable(conn);
		else if (err != LDAP_SUCCESS) {
			i_zero(&end);
			end.code = -1;
			end.error = referral_ldap_error(conn,
				"Live search failed", err, NULL);
			referral_ldap_persist_end(persist, &end);
		}
	} while (err != LDAP_BUSY);
}

static void referral_ldap_persists_start(struct referral_ldap_connection *conn)
{
	timeout_remove(&conn->to_persists);
	switch (conn->state) {
	case REFERRAL_LDAP_STATE_DISCONNECTED:
		if (conn->deiniting)
			referral_ldap_persists_fail(conn, "Shutting down", TRUE);
		else if (conn->last_error != NULL &&
			 timeval_cmp(&ioloop_timeval, &conn->backoff_until) < 0)
			referral_ldap_persists_fail(conn, conn->last_error,
						    TRUE);
		else
			referral_ldap_connect(conn);
		break;
	case REFERRAL_LDAP_STATE_RESOLVING:
	case REFERRAL_LDAP_STATE_CONNECTING:
	case REFERRAL_LDAP_STATE_BINDING:
		break;
	case REFERRAL_LDAP_STATE_READY:
		referral_ldap_persists_send(conn);
		break;
	}
}

struct referral_ldap_persist *
referral_ldap_connection_persist(struct referral_ldap_connection *conn,
	const struct referral_ldap_search *search,
	referral_ldap_persist_control_t *control_cb,
	const struct referral_ldap_persist_callbacks *callbacks,
	void *context)
{
	struct referral_ldap_persist *persist;
	pool_t pool;

	pool = pool_alloconly_create("referral ldap persist", 512);
	persist = p_new(pool, struct referral_ldap_persist, 1);
	persist->pool = pool;
	persist->conn = conn;
	persist->msgid = -1;
	persist->control_cb = control_cb;
	persist->callbacks = *callbacks;
	persist->context = context;
	referral_ldap_search_copy(pool, &persist->search, search);
	DLLIST_PREPEND(&conn->persists, persist);
	if (conn->to_persists == NULL) {
		conn->to_persists = timeout_add_short(0,
			referral_ldap_persists_start, conn);
	}
	return persist;
}

void referral_ldap_persist_cancel(struct referral_ldap_persist **_persist)
{
	struct referral_ldap_persist *persist = *_persist;

	*_persist = NULL;
	if (persist->ended)
		return;
	if (persist->msgid != -1) {
		(void)ldap_abandon_ext(persist->conn->ld, persist->msgid,
				       NULL, NULL);
	}
	referral_ldap_persist_end(persist, NULL);
}

void referral_ldap_preload(void)
{
	int version;

	(void)ldap_get_option(NULL, LDAP_OPT_PROTOCOL_VERSION, &version);
}

struct referral_ldap_connection *
referral_ldap_connection_init(const struct referral_ldap_settings *set,
			      const char *base_dir, struct event *event_parent)
{
	struct referral_ldap_connection *conn;

	conn = i_new(struct referral_ldap_connection, 1);
	conn->set = set;
	conn->base_dir = i_strdup(base_dir);
	conn->event = event_create(event_parent);
	event_set_append_log_prefix(conn->event, "ldap: ");
	conn->fd = -1;
	conn->bind_msgid = -1;
	hash_table_create_direct(&conn->sent, default_pool, 0);
	return conn;
}

void referral_ldap_connection_abort(struct referral_ldap_connection *conn)
{
	conn->deiniting = TRUE;
	referral_ldap_close(conn);
	referral_ldap_persists_fail(conn, "Shutting down", TRUE);
	referral_ldap_requests_fail(conn, "Shutting down");
}

void referral_ldap_connection_deinit(struct referral_ldap_connection **_conn)
{
	struct referral_ldap_connection *conn = *_conn;

	*_conn = NULL;
	referral_ldap_connection_abort(conn);
	timeout_remove(&conn->to_persists);
	hash_table_destroy(&conn->sent);
	event_unref(&conn->event);
	i_free(conn->last_error);
	i_free(conn->base_dir);
	i_free(conn);
}

void referral_ldap_connection_get_status(
	const struct referral_ldap_connection *conn,
	struct referral_ldap_status *status_r)
{
	const struct referral_ldap_uri *uri =
		array_idx(&conn->set->parsed_uris, conn->uri_idx);

	status_r->uri = uri->uri;
	switch (conn->state) {
	case REFERRAL_LDAP_STATE_DISCONNECTED:
		status_r->state = conn->last_error != NULL ?
			"failed" : "disconnected";
		break;
	case REFERRAL_LDAP_STATE_RESOLVING:
	case REFERRAL_LDAP_STATE_CONNECTING:
	case REFERRAL_LDAP_STATE_BINDING:
		status_r->state = "connecting";
		break;
	case REFERRAL_LDAP_STATE_READY:
		status_r->state = "connected";
		break;
	}
}

/*
 * Results
 */

bool referral_ldap_result_next(struct referral_ldap_result *result,
			       struct referral_ldap_entry *entry_r)
{
	if (result->next_entry == result->entries_count)
		return FALSE;
	referral_ldap_entry_init(entry_r, result->ld,
				 result->entries[result->next_entry++]);
	return TRUE;
}

void referral_ldap_entry_get_values(const struct referral_ldap_entry *entry,
				    const char *attribute,
				    ARRAY_TYPE(referral_ldap_bytes) *values_r)
{
	struct referral_ldap_bytes *bytes;
	struct berval **values;
	unsigned int i;
	char *data;

	t_array_init(values_r, 4);
	values = ldap_get_values_len(entry->ld, entry->msg, attribute);
	if (values == NULL)
		return;
	for (i = 0; values[i] != NULL; i++) {
		bytes = array_append_space(values_r);
		bytes->size = values[i]->bv_len;
		data = t_malloc0(values[i]->bv_len + 1);
		memcpy(data, values[i]->bv_val, values[i]->bv_len);
		bytes->data = data;
	}
	ldap_value_free_len(values);
}
