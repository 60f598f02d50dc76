/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-link.h"
#include "referral-ldap-connection-private.h"

/* While only searches that go on wait, silence is normal. */
#define SERVER_PERSIST_PROBE_MSECS (30*1000)
/* Parts of the requests' timeout: after one of silence the server is asked
   whether it is there, after two it is left, and the third is for the next
   server. When there is no other one, requests had better wait for their
   timeout. */
#define SERVER_TIMEOUT_PARTS 3

long long referral_ldap_msecs_since(const struct timeval *tv)
{
	/* timeval_diff_msecs() is too small on Dovecot 2.3 */
	return timeval_diff_usecs(&ioloop_timeval, tv) / 1000;
}

static unsigned int server_probe_msecs(struct referral_ldap_server *server)
{
	return I_MAX(server->conn->set->timeout_msecs / SERVER_TIMEOUT_PARTS,
		     1);
}

static void server_send_probe(struct referral_ldap_server *server)
{
	static const char *const attributes[] = { LDAP_NO_ATTRS, NULL };
	int err;

	err = ldap_search_ext(referral_ldap_link_get_ld(server->link),
			      server->conn->set->server_base, LDAP_SCOPE_BASE,
			      "(objectClass=*)", (char **)attributes, FALSE,
			      NULL, NULL, NULL, 0, &server->probe_msgid);
	server->probe_time = ioloop_timeval;
	if (err == LDAP_SUCCESS)
		return;
	/* With LDAP_BUSY the socket is full: then the server is silent, and
	   this is as good as sent. */
	server->probe_msgid = err == LDAP_BUSY ? 0 : -1;
	if (err == LDAP_BUSY)
		referral_ldap_link_wait_writable(server->link);
	else
		referral_ldap_link_set_broken(server->link, err);
}

static void server_health(struct referral_ldap_server *server)
{
	unsigned int probe_msecs = server_probe_msecs(server);
	bool busy = server->requests_head != NULL;
	const struct timeval *since = &server->last_input;
	long long answer_msecs = probe_msecs, left_msecs;
	long long limit_msecs = busy ? probe_msecs : SERVER_PERSIST_PROBE_MSECS;

	timeout_remove(&server->to_health);
	if (!referral_ldap_server_is_ready(server) ||
	    (!busy && !referral_ldap_server_has_persists(server)))
		return;
	if (busy && timeval_cmp(&server->busy_since, since) > 0)
		since = &server->busy_since;

	if (server->probe_msgid != -1 &&
	    timeval_cmp(&server->last_input, &server->probe_time) > 0) {
		/* others have their answers */
		server->probe_msgid = -1;
	}
	if (server->probe_msgid != -1) {
		if (referral_ldap_connection_choose(server->conn,
						    1U << server->idx) == NULL)
			answer_msecs = server->conn->set->timeout_msecs;
		left_msecs = answer_msecs -
			referral_ldap_msecs_since(&server->probe_time);
		/* timers of the ioloop may be 1 ms early */
		if (left_msecs <= 1) {
			referral_ldap_server_failed(server, t_strdup_printf(
				"%s: No answer to anything in %lld ms",
				server->uri->uri, referral_ldap_msecs_since(since)));
			return;
		}
	} else {
		left_msecs = limit_msecs - referral_ldap_msecs_since(since);
		if (left_msecs <= 1) {
			server_send_probe(server);
			left_msecs = probe_msecs;
		}
	}
	/* persists may be joined by requests, which have less time */
	server->to_health = timeout_add_short(I_MIN(left_msecs, probe_msecs),
					      server_health, server);
}

void referral_ldap_server_start_health(struct referral_ldap_server *server)
{
	i_assert(server->to_health == NULL);
	server->to_health = timeout_add_short(server_probe_msecs(server),
					      server_health, server);
}

/*
 * Trials
 */

static void server_trial_timeout(struct referral_ldap_server *server)
{
	referral_ldap_server_failed(server, t_strdup_printf(
		"%s: No answer to a search", server->uri->uri));
}

void referral_ldap_server_start_trial(struct referral_ldap_server *server)
{
	i_assert(server->trial && server->to_health == NULL);
	server->to_health = timeout_add(server->conn->set->timeout_msecs,
					server_trial_timeout, server);
	server_send_probe(server);
}

void referral_ldap_server_probe_answer(struct referral_ldap_server *server,
				       LDAPMessage *msg)
{
	char *text = NULL;
	int err, ret;

	if (ldap_msgtype(msg) != LDAP_RES_SEARCH_RESULT)
		return;
	server->probe_msgid = -1;
	if (!server->trial)
		return;
	ret = ldap_parse_result(referral_ldap_link_get_ld(server->link), msg,
				&err, NULL, &text, NULL, NULL, FALSE);
	if (ret != LDAP_SUCCESS)
		err = ret;
	if (referral_ldap_is_server_error(err)) {
		referral_ldap_server_failed(server, referral_ldap_server_error(server,
			"A search failed", err, text));
	} else
		referral_ldap_server_well(server);
	ldap_memfree(text);
}
