/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-tls.h"
#ifdef HAVE_KERBEROS
#  include "referral-ldap-ticket.h"
#endif
#include "referral-ldap-connection-private.h"

struct referral_ldap_server *
referral_ldap_connection_choose(const struct referral_ldap_connection *conn,
				uint32_t tried)
{
	struct referral_ldap_server *server;

	array_foreach_elem(&conn->servers, server) {
		if (!server->failed && (tried & (1U << server->idx)) == 0)
			return server;
	}
	return NULL;
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
	const struct referral_ldap_uri *uri;
	struct referral_ldap_connection *conn;
	struct referral_ldap_server *server;

	conn = i_new(struct referral_ldap_connection, 1);
	conn->set = set;
	conn->base_dir = i_strdup(base_dir);
	conn->event = event_create(event_parent);
	event_set_append_log_prefix(conn->event, "ldap: ");
	conn->tls = referral_ldap_tls_init(set);
#ifdef HAVE_KERBEROS
	conn->tickets = referral_ldap_tickets_init(set);
#endif
	i_array_init(&conn->servers, 2);
	array_foreach(&set->parsed_uris, uri) {
		server = referral_ldap_server_init(conn, uri,
						   array_count(&conn->servers));
		array_push_back(&conn->servers, &server);
	}
	return conn;
}

void referral_ldap_connection_get_status(
	const struct referral_ldap_connection *conn,
	struct referral_ldap_status *status_r)
{
	struct referral_ldap_server *server =
		referral_ldap_connection_choose(conn, 0);

	if (server == NULL) {
		status_r->uri = conn->last_server->uri->uri;
		status_r->state = "failed";
	} else {
		status_r->uri = server->uri->uri;
		if (server->link == NULL)
			status_r->state = "disconnected";
		else if (referral_ldap_server_is_ready(server))
			status_r->state = "connected";
		else
			status_r->state = "connecting";
	}
}

void referral_ldap_connection_abort(struct referral_ldap_connection *conn)
{
	struct referral_ldap_server *server;

	conn->deiniting = TRUE;
	array_foreach_elem(&conn->servers, server) {
		timeout_remove(&server->to_retry);
		referral_ldap_server_close(server);
	}
	referral_ldap_persists_end(conn, NULL, "Shutting down");
	while (conn->requests_head != NULL)
		referral_ldap_request_fail(conn->requests_head,
					   "Shutting down");
}

void referral_ldap_connection_deinit(struct referral_ldap_connection **_conn)
{
	struct referral_ldap_connection *conn = *_conn;
	struct referral_ldap_server *server;

	*_conn = NULL;
	referral_ldap_connection_abort(conn);
	/* callbacks may have started others */
	referral_ldap_persists_end(conn, NULL, "Shutting down");
	timeout_remove(&conn->to_persists);
	timeout_remove(&conn->to_deadline);
	array_foreach_elem(&conn->servers, server)
		referral_ldap_server_deinit(&server);
	array_free(&conn->servers);
#ifdef HAVE_KERBEROS
	referral_ldap_tickets_deinit(&conn->tickets);
#endif
	referral_ldap_tls_deinit(&conn->tls);
	event_unref(&conn->event);
	i_free(conn->last_error);
	i_free(conn->base_dir);
	i_free(conn);
}
