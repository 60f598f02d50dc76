/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "llist.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

static void persist_unref(struct referral_ldap_persist *persist)
{
	if (persist->calling == 0 && persist->ended)
		pool_unref(&persist->pool);
}

/* end is NULL if its user has cancelled it. */
static void
persist_end(struct referral_ldap_persist *persist,
	    const struct referral_ldap_persist_end *end)
{
	if (persist->ended)
		return;
	persist->ended = TRUE;
	DLLIST_REMOVE(&persist->conn->persists, persist);
	persist->calling++;
	if (end != NULL) T_BEGIN {
		persist->callbacks.end(end, persist->context);
	} T_END;
	persist->calling--;
	persist_unref(persist);
}

static void
persist_fail(struct referral_ldap_persist *persist, const char *error)
{
	const struct referral_ldap_persist_end end = {
		.error = error,
		.code = -1,
	};

	persist_end(persist, &end);
}

void referral_ldap_persists_end(struct referral_ldap_connection *conn,
				struct referral_ldap_server *server,
				const char *error)
{
	struct referral_ldap_persist *persist;

	for (persist = conn->persists; persist != NULL; persist = persist->next)
		persist->lost = server == NULL || persist->server == server;
	/* Callbacks may add and cancel any: begin again after each. */
	do {
		for (persist = conn->persists; persist != NULL;
		     persist = persist->next) {
			if (persist->lost)
				break;
		}
		if (persist != NULL)
			persist_fail(persist, error);
	} while (persist != NULL);
}

bool referral_ldap_server_has_persists(struct referral_ldap_server *server)
{
	struct referral_ldap_persist *persist;

	for (persist = server->conn->persists; persist != NULL;
	     persist = persist->next) {
		if (persist->server == server)
			return TRUE;
	}
	return FALSE;
}

/*
 * Sending
 */

static int persist_send(struct referral_ldap_persist *persist)
{
	struct referral_ldap_server *server = persist->server;
	const struct referral_ldap_search *search = &persist->search;
	LDAPControl control, *controls[] = { &control, NULL };
	int err;

	i_zero(&control);
	persist->control_cb(server->uri->uri, &control, persist->context);
	err = ldap_search_ext(referral_ldap_link_get_ld(server->link),
			      search->base, search->scope, search->filter,
			      (char **)search->attributes, FALSE, controls,
			      NULL, NULL, 0, &persist->msgid);
	if (err != LDAP_SUCCESS)
		persist->msgid = -1;
	return err;
}

static struct referral_ldap_persist *
persists_find_waiting(struct referral_ldap_server *server)
{
	struct referral_ldap_persist *persist;

	for (persist = server->conn->persists; persist != NULL;
	     persist = persist->next) {
		if (persist->server == server && persist->msgid == -1)
			return persist;
	}
	return NULL;
}

void referral_ldap_persists_send(struct referral_ldap_server *server)
{
	struct referral_ldap_persist *persist;
	int err = LDAP_SUCCESS;

	while (referral_ldap_server_is_ready(server) &&
	       !referral_ldap_link_is_blocked(server->link) &&
	       (persist = persists_find_waiting(server)) != NULL) {
		T_BEGIN {
			err = persist_send(persist);
		} T_END;
		switch (err) {
		case LDAP_SUCCESS:
			break;
		case LDAP_BUSY:
			referral_ldap_link_wait_writable(server->link);
			break;
		case LDAP_SERVER_DOWN:
			referral_ldap_link_set_broken(server->link, err);
			break;
		default:
			persist_fail(persist, referral_ldap_server_error(server,
				t_strdup_printf("Live search below %s failed",
						persist->search.base),
				err, NULL));
		}
	}
}

static void persists_start(struct referral_ldap_connection *conn)
{
	struct referral_ldap_persist *persist;
	struct referral_ldap_server *server;

	timeout_remove(&conn->to_persists);
	server = conn->deiniting ? NULL :
		referral_ldap_connection_choose(conn, 0);
	if (server == NULL) {
		referral_ldap_persists_end(conn, NULL, conn->deiniting ?
			"Shutting down" : t_strdup(conn->last_error));
		return;
	}
	for (persist = conn->persists; persist != NULL;
	     persist = persist->next) {
		if (persist->server == NULL)
			persist->server = server;
	}
	referral_ldap_server_busy(server);
	if (referral_ldap_server_is_ready(server))
		referral_ldap_persists_send(server);
	else
		referral_ldap_server_open(server);
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

	pool = pool_alloconly_create("referral ldap persist", 1024);
	persist = p_new(pool, struct referral_ldap_persist, 1);
	persist->pool = pool;
	persist->conn = conn;
	persist->msgid = -1;
	persist->control_cb = control_cb;
	persist->callbacks = *callbacks;
	persist->context = context;
	referral_ldap_search_copy(pool, &persist->search, search);
	DLLIST_PREPEND(&conn->persists, persist);
	if (conn->to_persists == NULL)
		conn->to_persists = timeout_add_short(0, persists_start, conn);
	return persist;
}

void referral_ldap_persist_cancel(struct referral_ldap_persist **_persist)
{
	struct referral_ldap_persist *persist = *_persist;
	struct referral_ldap_server *server = persist->server;

	*_persist = NULL;
	if (persist->ended)
		return;
	if (persist->msgid != -1 && referral_ldap_server_is_ready(server)) {
		(void)ldap_abandon_ext(referral_ldap_link_get_ld(server->link),
				       persist->msgid, NULL, NULL);
	}
	persist_end(persist, NULL);
}

/*
 * Messages
 */

static void
persist_entry(struct referral_ldap_persist *persist, LDAP *ld, LDAPMessage *msg)
{
	struct referral_ldap_entry entry;
	LDAPControl **controls = NULL;

	if (ldap_get_entry_controls(ld, msg, &controls) != LDAP_SUCCESS)
		controls = NULL;
	referral_ldap_entry_init(&entry, ld, msg);
	persist->callbacks.entry(&entry, controls, persist->context);
	ldap_controls_free(controls);
}

static void
persist_info(struct referral_ldap_persist *persist, LDAP *ld, LDAPMessage *msg)
{
	struct berval *data = NULL;
	char *oid = NULL;

	if (ldap_parse_intermediate(ld, msg, &oid, &data, NULL,
				    FALSE) != LDAP_SUCCESS) {
		oid = NULL;
		data = NULL;
	}
	persist->callbacks.info(oid == NULL ? "" : oid, data,
				persist->context);
	ldap_memfree(oid);
	ber_bvfree(data);
}

static void
persist_result(struct referral_ldap_persist *persist, LDAP *ld,
	       LDAPMessage *msg)
{
	struct referral_ldap_persist_end end;
	char *text = NULL;
	int ret;

	i_zero(&end);
	ret = ldap_parse_result(ld, msg, &end.code, NULL, &text, NULL, NULL,
				FALSE);
	if (ret != LDAP_SUCCESS)
		end.code = -1;
	if (end.code != LDAP_SUCCESS) {
		end.error = referral_ldap_server_error(persist->server,
			t_strdup_printf("Live search below %s ended",
					persist->search.base),
			ret != LDAP_SUCCESS ? ret : end.code, text);
	}
	persist_end(persist, &end);
	ldap_memfree(text);
}

bool referral_ldap_persists_input(struct referral_ldap_server *server,
				  LDAPMessage *msg)
{
	struct referral_ldap_persist *persist;
	LDAP *ld = referral_ldap_link_get_ld(server->link);
	int msgid = ldap_msgid(msg);
	size_t size;

	for (persist = server->conn->persists; persist != NULL;
	     persist = persist->next) {
		if (persist->server == server && persist->msgid == msgid)
			break;
	}
	if (persist == NULL)
		return FALSE;
	if (ldap_msgtype(msg) == LDAP_RES_SEARCH_ENTRY &&
	    referral_ldap_entry_check(ld, msg, &size) < 0) {
		referral_ldap_server_failed(server, t_strdup_printf(
			"%s: Live search below %s failed: "
			"An entry cannot be read",
			server->uri->uri, persist->search.base));
		return TRUE;
	}

	persist->calling++;
	switch (ldap_msgtype(msg)) {
	case LDAP_RES_SEARCH_ENTRY:
		persist_entry(persist, ld, msg);
		break;
	case LDAP_RES_INTERMEDIATE:
		persist_info(persist, ld, msg);
		break;
	case LDAP_RES_SEARCH_RESULT:
		persist_result(persist, ld, msg);
		break;
	default:
		/* references (RFC 4511 section 4.5.3) are not followed */
		break;
	}
	persist->calling--;
	persist_unref(persist);
	return TRUE;
}
