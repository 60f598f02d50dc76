/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

/* A server that has failed is tried again after a while, which doubles each
   time: while others serve, and while none does. */
#define SERVER_RETRY_MIN_MSECS 1000
#define SERVER_RETRY_MAX_MSECS (60*1000)
#define SERVER_ALL_DOWN_RETRY_MIN_MSECS 50
#define SERVER_ALL_DOWN_RETRY_MAX_MSECS 2000
/* That long it has to be well until it begins at the minimum again. */
#define SERVER_WELL_MSECS (10*1000)
/* A server that is not the preferred one keeps its link so long after its last
   request. */
#define SERVER_SPARE_IDLE_MSECS (5*1000)
/* Whether others serve before this one does. */
static bool server_is_spare(struct referral_ldap_server *server)
{
	struct referral_ldap_server *first =
		referral_ldap_connection_choose(server->conn, 0);

	return first != NULL && first->idx < server->idx;
}

/*
 * Trying again
 */

static void server_retry(struct referral_ldap_server *server)
{
	timeout_remove(&server->to_retry);
	server->trial = TRUE;
	referral_ldap_server_open(server);
}

static void server_schedule_retry(struct referral_ldap_server *server)
{
	bool all_down = referral_ldap_connection_choose(server->conn,
							0) == NULL;
	unsigned int min = all_down ? SERVER_ALL_DOWN_RETRY_MIN_MSECS :
		SERVER_RETRY_MIN_MSECS;
	unsigned int max = all_down ? SERVER_ALL_DOWN_RETRY_MAX_MSECS :
		SERVER_RETRY_MAX_MSECS;
	unsigned int msecs = I_MIN(I_MAX(server->backoff_msecs * 2, min), max);

	timeout_remove(&server->to_retry);
	server->backoff_msecs = msecs;
	/* many processes of many hosts should not all come at once */
	msecs = msecs * 3 / 4 + i_rand_limit(msecs / 2);
	server->to_retry = timeout_add(msecs, server_retry, server);
}

/* The last one has failed: what those that failed before wait for is too far
   away now. */
static void servers_all_down(struct referral_ldap_connection *conn)
{
	struct referral_ldap_server *server;

	array_foreach_elem(&conn->servers, server) {
		if (server->to_retry != NULL) {
			server->backoff_msecs = 0;
			server_schedule_retry(server);
		}
	}
}

void referral_ldap_server_well(struct referral_ldap_server *server)
{
	struct referral_ldap_connection *conn = server->conn;
	struct referral_ldap_server *other;
	const char *error;

	server->failed = FALSE;
	server->trial = FALSE;
	server->lost_without_answer = 0;
	server->complained = FALSE;
	server->well_since = ioloop_timeval;
	i_free(server->error);
	timeout_remove(&server->to_health);
	if (server_is_spare(server)) {
		e_info(conn->event, "%s: It answers again", server->uri->uri);
		referral_ldap_server_close(server);
		return;
	}
	e_info(conn->event, "%s: It answers again, and is used",
	       server->uri->uri);
	referral_ldap_server_idle(server);
	/* What goes on at a less preferred one begins here anew. */
	error = t_strdup_printf("%s: Back to this server", server->uri->uri);
	array_foreach_elem(&conn->servers, other) {
		if (other->idx <= server->idx)
			continue;
		referral_ldap_persists_end(conn, other, error);
		referral_ldap_server_idle(other);
	}
}

/*
 * Failures
 */

void referral_ldap_server_failed(struct referral_ldap_server *server,
				 const char *error)
{
	struct referral_ldap_connection *conn = server->conn;
	bool failed_before = server->failed;

	/* it may be the link's */
	error = t_strdup(error);
	referral_ldap_server_close(server);
	i_free(server->error);
	server->error = i_strdup(error);
	i_free(conn->last_error);
	conn->last_error = i_strdup(error);
	conn->last_server = server;

	server->failed = TRUE;
	if (!failed_before) {
		if (referral_ldap_msecs_since(&server->well_since) >=
		    SERVER_WELL_MSECS)
			server->backoff_msecs = 0;
		if (referral_ldap_connection_choose(conn, 0) != NULL) {
			e_warning(conn->event, "%s - trying the next server",
				  error);
		} else {
			/* Who waits for the answers logs the failure. */
			e_debug(conn->event, "%s", error);
			server->backoff_msecs = 0;
			servers_all_down(conn);
		}
	}
	server_schedule_retry(server);
	referral_ldap_requests_move(server, error);
	referral_ldap_persists_end(conn, server, error);
}

static bool server_has_resends(struct referral_ldap_server *server)
{
	struct referral_ldap_request *request;

	for (request = server->requests_head; request != NULL;
	     request = request->server_next) {
		if (request->attempts < REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS)
			return TRUE;
	}
	return FALSE;
}

/* The connection was lost while it was in use. Servers are restarted, and they
   end idle connections: try the same one again if there is something to do. */
static void server_lost(struct referral_ldap_server *server, const char *error)
{
	struct referral_ldap_connection *conn = server->conn;

	error = t_strdup(error);
	referral_ldap_server_close(server);
	if (server->requests_head != NULL)
		server->lost_without_answer++;
	if (server_has_resends(server)) {
		e_warning(conn->event, "%s - reconnecting", error);
	} else {
		e_debug(conn->event, "%s", error);
	}
	referral_ldap_requests_move(server, error);
	referral_ldap_persists_end(conn, server, error);
}

/*
 * The link
 */

static void server_ready(void *context)
{
	struct referral_ldap_server *server = context;

	server->probe_msgid = -1;
	server->last_input = server->busy_since = ioloop_timeval;
	if (server->trial) {
		referral_ldap_server_start_trial(server);
		return;
	}
	e_debug(server->conn->event, "Connected to %s", server->uri->uri);
	referral_ldap_server_start_health(server);
	referral_ldap_requests_send(server);
	referral_ldap_persists_send(server);
	if (server->requests_head == NULL)
		referral_ldap_server_idle(server);
}

static void server_message(LDAPMessage **msg, void *context)
{
	struct referral_ldap_server *server = context;
	struct referral_ldap_request *request;
	int msgid = ldap_msgid(*msg);

	server->last_input = ioloop_timeval;
	request = hash_table_lookup(server->sent, POINTER_CAST(msgid));
	if (request != NULL)
		referral_ldap_request_input(request, msg);
	else if (msgid == server->probe_msgid)
		referral_ldap_server_probe_answer(server, *msg);
	else {
		/* FALSE if it was abandoned meanwhile */
		(void)referral_ldap_persists_input(server, *msg);
	}
}

static void server_writable(void *context)
{
	struct referral_ldap_server *server = context;

	referral_ldap_requests_send(server);
	referral_ldap_persists_send(server);
}

static void server_link_failed(const char *error, bool closed, void *context)
{
	struct referral_ldap_server *server = context;

	if (closed && !server->trial && server->lost_without_answer <
	    REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS)
		server_lost(server, error);
	else
		referral_ldap_server_failed(server, error);
}

static const struct referral_ldap_link_callbacks server_link_callbacks = {
	.ready = server_ready,
	.message = server_message,
	.writable = server_writable,
	.failed = server_link_failed,
};

/* How long it may take to become ready. */
static unsigned int server_attempt_msecs(struct referral_ldap_server *server)
{
	const struct referral_ldap_connection *conn = server->conn;
	const struct referral_ldap_settings *set = conn->set;

	/* Nobody waits for a trial, or there is nobody else to ask. */
	if (server->trial ||
	    referral_ldap_connection_choose(conn, 1U << server->idx) == NULL)
		return set->timeout_msecs;
	/* All servers can be tried before the requests time out. */
	return I_MIN(set->connect_timeout_msecs,
		     set->timeout_msecs / array_count(&conn->servers));
}

void referral_ldap_server_open(struct referral_ldap_server *server)
{
	struct referral_ldap_connection *conn = server->conn;
	const struct referral_ldap_link_settings link_set = {
		.set = conn->set,
		.uri = server->uri,
		.base_dir = conn->base_dir,
		.tls = conn->tls,
		.tickets = conn->tickets,
		.event = conn->event,
		.timeout_msecs = server_attempt_msecs(server),
	};

	if (server->link != NULL)
		return;
	server->link_num++;
	server->link = referral_ldap_link_init(&link_set,
					       &server_link_callbacks, server);
}

void referral_ldap_server_close(struct referral_ldap_server *server)
{
	timeout_remove(&server->to_health);
	timeout_remove(&server->to_idle);
	server->trial = FALSE;
	server->probe_msgid = -1;
	if (server->link != NULL)
		referral_ldap_link_deinit(&server->link);
}

bool referral_ldap_server_is_ready(struct referral_ldap_server *server)
{
	return server->link != NULL && !server->trial &&
		referral_ldap_link_is_ready(server->link);
}

/*
 * Something to do, or nothing
 */

void referral_ldap_server_busy(struct referral_ldap_server *server)
{
	server->busy_since = ioloop_timeval;
	if (server->to_health == NULL && referral_ldap_server_is_ready(server))
		referral_ldap_server_start_health(server);
}

static void server_idle_timeout(struct referral_ldap_server *server)
{
	unsigned int limit_msecs = server->conn->set->idle_timeout_msecs;
	long long msecs = referral_ldap_msecs_since(&server->busy_since);

	timeout_remove(&server->to_idle);
	if (server_is_spare(server)) {
		limit_msecs = limit_msecs == 0 ? SERVER_SPARE_IDLE_MSECS :
			I_MIN(limit_msecs, SERVER_SPARE_IDLE_MSECS);
	}
	if (limit_msecs == 0)
		return;
	if (server->requests_head == NULL &&
	    !referral_ldap_server_has_persists(server)) {
		if (msecs + 1 >= (long long)limit_msecs) {
			e_debug(server->conn->event, "%s: Closing the idle "
				"connection", server->uri->uri);
			referral_ldap_server_close(server);
			return;
		}
		limit_msecs -= msecs;
	}
	server->to_idle = timeout_add(limit_msecs, server_idle_timeout, server);
}

void referral_ldap_server_idle(struct referral_ldap_server *server)
{
	/* How long is found out when it is over: requests come and go
	   quickly. */
	if (server->to_idle == NULL && server->link != NULL &&
	    (server->conn->set->idle_timeout_msecs > 0 ||
	     server_is_spare(server))) {
		server->to_idle = timeout_add_short(0, server_idle_timeout,
						    server);
	}
}

struct referral_ldap_server *
referral_ldap_server_init(struct referral_ldap_connection *conn,
			  const struct referral_ldap_uri *uri,
			  unsigned int idx)
{
	struct referral_ldap_server *server;

	server = i_new(struct referral_ldap_server, 1);
	server->conn = conn;
	server->uri = uri;
	server->idx = idx;
	server->probe_msgid = -1;
	server->well_since = ioloop_timeval;
	hash_table_create_direct(&server->sent, default_pool, 0);
	return server;
}

void referral_ldap_server_deinit(struct referral_ldap_server **_server)
{
	struct referral_ldap_server *server = *_server;

	*_server = NULL;
	i_assert(server->requests_head == NULL);
	timeout_remove(&server->to_retry);
	referral_ldap_server_close(server);
	hash_table_destroy(&server->sent);
	i_free(server->error);
	i_free(server);
}
