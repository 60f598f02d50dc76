#ifndef REFERRAL_LDAP_CONNECTION_PRIVATE_H
#define REFERRAL_LDAP_CONNECTION_PRIVATE_H

#include "array-decl.h"
#include "hash-decl.h"
#include "referral-ldap-connection.h"

/* What the connection's parts know of each other. A connection has servers, in
   order of preference; each of them has a link while it is needed. A request
   belongs to the first server that is not known to have failed and has not been
   tried for it; when that fails, to the next one. */

/* "tried" is a bit mask. */
#define REFERRAL_LDAP_MAX_SERVERS 32
/* Whose connection is lost that often while a search waits for its answer
   is probably lost by that search. */
#define REFERRAL_LDAP_SEARCH_MAX_ATTEMPTS 4

struct referral_ldap_tls;
struct referral_ldap_tickets;
struct referral_ldap_link;

struct referral_ldap_request {
	/* In conn->requests */
	struct referral_ldap_request *prev, *next;
	/* In server->requests, or server is NULL */
	struct referral_ldap_request *server_prev, *server_next;
	pool_t pool;
	struct referral_ldap_connection *conn;
	struct referral_ldap_server *server;

	struct referral_ldap_search search;
	referral_ldap_callback_t *callback;
	void *context;

	struct timeval deadline;
	/* Server indexes */
	uint32_t tried;
	/* In server->sent with this ID if it is not -1, else waiting to be
	   sent. */
	int msgid;
	unsigned int attempts;
	/* Of the last server that was tried, or NULL */
	char *error;
	/* The entries that have come so far, and their size. */
	ARRAY(LDAPMessage *) entries;
	size_t entries_size;
	/* Other messages, that are of no use. */
	unsigned int others_count;
};

struct referral_ldap_persist {
	/* In conn->persists */
	struct referral_ldap_persist *prev, *next;
	pool_t pool;
	struct referral_ldap_connection *conn;
	/* NULL until one was chosen */
	struct referral_ldap_server *server;

	struct referral_ldap_search search;
	referral_ldap_persist_control_t *control_cb;
	struct referral_ldap_persist_callbacks callbacks;
	void *context;

	/* -1 = waiting to be sent */
	int msgid;
	/* Callbacks that are running; freed after them. */
	unsigned int calling;
	/* end() was called, or it was cancelled: not in conn->persists. */
	bool ended;
	/* Its connection is lost: to be ended. */
	bool lost;
};

struct referral_ldap_server {
	struct referral_ldap_connection *conn;
	const struct referral_ldap_uri *uri;
	/* In order of preference */
	unsigned int idx;

	/* NULL while there is none */
	struct referral_ldap_link *link;
	/* Counts its links, so that cookies can name one. */
	unsigned int link_num;
	struct referral_ldap_request *requests_head, *requests_tail;
	/* Those of them that are sent: never anything without a ready link. */
	HASH_TABLE(void *, struct referral_ldap_request *) sent;

	/* It cannot be used, and why. It is tried again in the background. */
	bool failed;
	char *error;
	struct timeout *to_retry;
	unsigned int backoff_msecs;
	struct timeval well_since;
	/* The link is a trial: no requests are on it, and it has to answer a
	   search. */
	bool trial;

	/* The search that shows whether it still answers; -1 = none. */
	int probe_msgid;
	struct timeval probe_time, last_input, busy_since;
	struct timeout *to_health, *to_idle;
	/* It has ended connections before it answered anything. */
	unsigned int lost_without_answer;
	/* It has been complained about its answers. */
	bool complained;
};
ARRAY_DEFINE_TYPE(referral_ldap_server, struct referral_ldap_server *);

struct referral_ldap_connection {
	const struct referral_ldap_settings *set;
	char *base_dir;
	struct event *event;
	struct referral_ldap_tls *tls;
	struct referral_ldap_tickets *tickets;
	ARRAY_TYPE(referral_ldap_server) servers;

	/* All requests, in the order in which they came, which is that of their
	   deadlines. */
	struct referral_ldap_request *requests_head, *requests_tail;
	unsigned int requests_count;
	struct timeout *to_deadline;

	struct referral_ldap_persist *persists;
	/* Starts those that wait, outside of their users' call. */
	struct timeout *to_persists;

	/* Of which link the last page came: its cookie is of no use on
	   others. */
	struct referral_ldap_server *page_server;
	unsigned int page_link_num;

	/* The last one that has failed, and why; or NULL. */
	struct referral_ldap_server *last_server;
	char *last_error;
	bool deiniting;
};

/* referral-ldap-result.c */

/* What went wrong at which server. The server's text is foreign data. */
const char *
referral_ldap_server_error(struct referral_ldap_server *server,
			   const char *what, int err, const char *text)
	ATTR_NULL(4);
/* Get the size of an entry's message. Returns 0, or -1 if it is not one that can
   be read. */
int referral_ldap_entry_check(LDAP *ld, LDAPMessage *msg, size_t *size_r);
void referral_ldap_entry_init(struct referral_ldap_entry *entry_r, LDAP *ld,
			      LDAPMessage *msg);
void referral_ldap_search_copy(pool_t pool, struct referral_ldap_search *dest,
			       const struct referral_ldap_search *src);

/* referral-ldap-request.c */

/* Give it to the next server, or fail it. */
void referral_ldap_request_assign(struct referral_ldap_request *request);
void referral_ldap_request_fail(struct referral_ldap_request *request,
				const char *error);
/* Send what waits for the server, whose link is ready. */
void referral_ldap_requests_send(struct referral_ldap_server *server);
/* The link is gone: they go to the next server, or to this one again if it has
   not failed. */
void referral_ldap_requests_move(struct referral_ldap_server *server,
				 const char *error);
/* Call back, and free it. */
void referral_ldap_request_finish(struct referral_ldap_request *request,
				  struct referral_ldap_result *result);
/* Its server cannot serve it: ask the next one, or give up. */
void referral_ldap_request_next_server(struct referral_ldap_request *request,
				       const char *error);
/* What went wrong with it at its server. */
const char *
referral_ldap_request_error(struct referral_ldap_request *request, int err,
			    const char *text) ATTR_NULL(3);

/* referral-ldap-request-input.c */

/* A message of the request. Sets *msg = NULL if it was taken. */
void referral_ldap_request_input(struct referral_ldap_request *request,
				 LDAPMessage **msg);

/* referral-ldap-persist.c */

/* Send those that wait for this server. */
void referral_ldap_persists_send(struct referral_ldap_server *server);
/* End those of this server, or all if it is NULL. */
void referral_ldap_persists_end(struct referral_ldap_connection *conn,
				struct referral_ldap_server *server,
				const char *error);
/* Returns TRUE if the message was one of a persist. */
bool referral_ldap_persists_input(struct referral_ldap_server *server,
				  LDAPMessage *msg);
bool referral_ldap_server_has_persists(struct referral_ldap_server *server);

/* referral-ldap-server.c */

struct referral_ldap_server *
referral_ldap_server_init(struct referral_ldap_connection *conn,
			  const struct referral_ldap_uri *uri,
			  unsigned int idx);
void referral_ldap_server_deinit(struct referral_ldap_server **server);
/* Close its link; requests have been taken away. */
void referral_ldap_server_close(struct referral_ldap_server *server);
/* See that there is a link, or will be. */
void referral_ldap_server_open(struct referral_ldap_server *server);
bool referral_ldap_server_is_ready(struct referral_ldap_server *server);
/* It has something to do from now on. */
void referral_ldap_server_busy(struct referral_ldap_server *server);
/* It has possibly nothing to do any more. */
void referral_ldap_server_idle(struct referral_ldap_server *server);

/* It cannot be used: go to the next one, and try it again later. */
void referral_ldap_server_failed(struct referral_ldap_server *server,
				 const char *error);
/* A trial was successful. */
void referral_ldap_server_well(struct referral_ldap_server *server);

/* referral-ldap-server-health.c: whether a server still answers */

long long referral_ldap_msecs_since(const struct timeval *tv);
/* Look after a server that has something to do, until it has not. */
void referral_ldap_server_start_health(struct referral_ldap_server *server);
/* Its link is ready: see whether it answers a search. */
void referral_ldap_server_start_trial(struct referral_ldap_server *server);
/* A message with the ID of the probe. */
void referral_ldap_server_probe_answer(struct referral_ldap_server *server,
				       LDAPMessage *msg);

/* referral-ldap-connection.c */

/* The first server that has not failed and is not in the mask, or NULL. */
struct referral_ldap_server *
referral_ldap_connection_choose(const struct referral_ldap_connection *conn,
				uint32_t tried);

#endif
