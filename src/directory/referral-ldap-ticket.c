/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "base64.h"
#include "ioloop.h"
#include "llist.h"
#include "str.h"
#include "strescape.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-ticket-process.h"
#include "referral-ldap-ticket.h"

#include <krb5.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* A new one is fetched so long before the old one expires; when it lives not
   even twice as long, after half of its life. */
#define TICKET_MARGIN_SECS 300
/* What a process says: a ticket is a few kB. */
#define TICKET_REPLY_MAX_SIZE (256*1024)
/* How often a process that has been ended is waited for. */
#define TICKET_REAP_MSECS 20

struct ticket {
	char *host, *service, *ccache_name;
	krb5_ccache ccache;
	time_t renew_time;
};

struct referral_ldap_tickets {
	const struct referral_ldap_settings *set;
	/* NULL before the first use */
	krb5_context ctx;
	/* One for each host at most */
	ARRAY(struct ticket) tickets;
	/* Processes that are to be waited for. */
	ARRAY(pid_t) pids;
	struct timeout *to_reap;
};

struct referral_ldap_ticket_request {
	struct referral_ldap_tickets *tickets;
	char *host;
	referral_ldap_ticket_callback_t *callback;
	void *context;

	int fd;
	pid_t pid;
	struct io *io;
	struct timeout *to;
	string_t *reply;
	char *error;
};

static const char *
tickets_error(struct referral_ldap_tickets *tickets, krb5_error_code err)
{
	const char *text = krb5_get_error_message(tickets->ctx, err);
	const char *error = t_strdup(text);

	krb5_free_error_message(tickets->ctx, text);
	return error;
}

static void
ticket_free(struct referral_ldap_tickets *tickets, struct ticket *ticket)
{
	(void)krb5_cc_destroy(tickets->ctx, ticket->ccache);
	i_free(ticket->host);
	i_free(ticket->service);
	i_free(ticket->ccache_name);
}

static struct ticket *
tickets_find(struct referral_ldap_tickets *tickets, const char *host)
{
	struct ticket *ticket;

	array_foreach_modifiable(&tickets->tickets, ticket) {
		if (strcmp(ticket->host, host) == 0)
			return ticket;
	}
	return NULL;
}

static void
tickets_forget(struct referral_ldap_tickets *tickets, const char *host)
{
	struct ticket *ticket = tickets_find(tickets, host);

	if (ticket == NULL)
		return;
	ticket_free(tickets, ticket);
	array_delete(&tickets->tickets, array_ptr_to_idx(&tickets->tickets,
							 ticket), 1);
}

static void tickets_reap(struct referral_ldap_tickets *tickets)
{
	unsigned int i = 0;

	while (i < array_count(&tickets->pids)) {
		const pid_t *pid = array_idx(&tickets->pids, i);

		if (waitpid(*pid, NULL, WNOHANG) == 0)
			i++;
		else
			array_delete(&tickets->pids, i, 1);
	}
	if (array_count(&tickets->pids) == 0)
		timeout_remove(&tickets->to_reap);
	else if (tickets->to_reap == NULL) {
		tickets->to_reap = timeout_add_short(TICKET_REAP_MSECS,
						     tickets_reap, tickets);
	}
}

struct referral_ldap_tickets *
referral_ldap_tickets_init(const struct referral_ldap_settings *set)
{
	struct referral_ldap_tickets *tickets;

	tickets = i_new(struct referral_ldap_tickets, 1);
	tickets->set = set;
	i_array_init(&tickets->tickets, 2);
	i_array_init(&tickets->pids, 2);
	return tickets;
}

void referral_ldap_tickets_deinit(struct referral_ldap_tickets **_tickets)
{
	struct referral_ldap_tickets *tickets = *_tickets;
	struct ticket *ticket;
	pid_t pid;

	*_tickets = NULL;
	timeout_remove(&tickets->to_reap);
	/* they are killed already */
	array_foreach_elem(&tickets->pids, pid)
		(void)waitpid(pid, NULL, 0);
	array_free(&tickets->pids);
	array_foreach_modifiable(&tickets->tickets, ticket)
		ticket_free(tickets, ticket);
	array_free(&tickets->tickets);
	if (tickets->ctx != NULL)
		krb5_free_context(tickets->ctx);
	i_free(tickets);
}

/*
 * A new ticket
 */

static krb5_error_code
tickets_store(struct referral_ldap_tickets *tickets, struct ticket *ticket,
	      krb5_creds *creds)
{
	krb5_error_code err;
	time_t life = creds->times.endtime - time(NULL);
	char *name;

	err = krb5_cc_new_unique(tickets->ctx, "MEMORY", NULL, &ticket->ccache);
	if (err != 0)
		return err;
	if ((err = krb5_cc_initialize(tickets->ctx, ticket->ccache,
				      creds->client)) == 0 &&
	    (err = krb5_cc_store_cred(tickets->ctx, ticket->ccache,
				      creds)) == 0)
		err = krb5_cc_get_full_name(tickets->ctx, ticket->ccache,
					    &name);
	if (err != 0) {
		(void)krb5_cc_destroy(tickets->ctx, ticket->ccache);
		return err;
	}
	ticket->ccache_name = i_strdup(name);
	krb5_free_string(tickets->ctx, name);
	ticket->renew_time = creds->times.endtime -
		I_MIN(TICKET_MARGIN_SECS, I_MAX(life, 0) / 2);
	return 0;
}

static int
tickets_add(struct referral_ldap_tickets *tickets, const char *host,
	    const char *service, const buffer_t *marshalled,
	    const char **error_r)
{
	krb5_data data = {
		.data = (char *)marshalled->data,
		.length = marshalled->used,
	};
	struct ticket ticket;
	krb5_creds *creds;
	krb5_error_code err;

	if (tickets->ctx == NULL && krb5_init_context(&tickets->ctx) != 0) {
		tickets->ctx = NULL;
		*error_r = "Kerberos's configuration cannot be read";
		return -1;
	}
	i_zero(&ticket);
	err = krb5_unmarshal_credentials(tickets->ctx, &data, &creds);
	if (err == 0) {
		err = tickets_store(tickets, &ticket, creds);
		krb5_free_creds(tickets->ctx, creds);
	}
	if (err != 0) {
		*error_r = t_strdup_printf("The Kerberos ticket is broken: %s",
					   tickets_error(tickets, err));
		return -1;
	}
	tickets_forget(tickets, host);
	ticket.host = i_strdup(host);
	ticket.service = i_strdup(service);
	array_push_back(&tickets->tickets, &ticket);
	return 0;
}

static int
ticket_request_parse(struct referral_ldap_ticket_request *request,
		     const char **error_r)
{
	const char *reply = str_c(request->reply), *const *args;
	size_t len = str_len(request->reply);
	buffer_t *data;

	if (len == 0 || reply[len - 1] != '\n') {
		*error_r = "No answer from the Kerberos KDC in time";
		return -1;
	}
	args = t_strsplit(t_strndup(reply, len - 1), "\t");
	if (str_array_length(args) == 2 && strcmp(args[0], "ERROR") == 0) {
		*error_r = args[1];
		return -1;
	}
	if (str_array_length(args) != 3 || strcmp(args[0], "OK") != 0) {
		*error_r = "The process that asks the Kerberos KDC has failed";
		return -1;
	}
	data = t_base64_decode_str(args[2]);
	return tickets_add(request->tickets, request->host, args[1], data,
			   error_r);
}

static void ticket_request_end_process(struct referral_ldap_ticket_request *request)
{
	if (request->pid == 0)
		return;
	io_remove(&request->io);
	i_close_fd(&request->fd);
	(void)kill(request->pid, SIGKILL);
	array_push_back(&request->tickets->pids, &request->pid);
	request->pid = 0;
	tickets_reap(request->tickets);
}

/* The request may be gone afterwards. */
static void ticket_request_finish(struct referral_ldap_ticket_request *request)
{
	struct referral_ldap_ticket ticket;
	const struct ticket *found = NULL;

	timeout_remove(&request->to);
	if (request->error == NULL)
		found = tickets_find(request->tickets, request->host);
	if (found == NULL) {
		request->callback(NULL, t_strdup(request->error),
				  request->context);
		return;
	}
	ticket.service = t_strdup(found->service);
	ticket.ccache = t_strdup(found->ccache_name);
	request->callback(&ticket, NULL, request->context);
}

static void ticket_request_input(struct referral_ldap_ticket_request *request)
{
	unsigned char buf[4096];
	const char *error;
	ssize_t ret;

	ret = read(request->fd, buf, sizeof(buf));
	if (ret < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (ret > 0) {
		str_append_data(request->reply, buf, ret);
		if (str_len(request->reply) <= TICKET_REPLY_MAX_SIZE)
			return;
	}
	ticket_request_end_process(request);
	if (ticket_request_parse(request, &error) < 0)
		request->error = i_strdup(error);
	ticket_request_finish(request);
}

#undef referral_ldap_ticket_get
struct referral_ldap_ticket_request *
referral_ldap_ticket_get(struct referral_ldap_tickets *tickets,
			 const char *host, unsigned int timeout_msecs,
			 referral_ldap_ticket_callback_t *callback,
			 void *context)
{
	const struct referral_ldap_settings *set = tickets->set;
	struct referral_ldap_ticket_request *request;
	const struct ticket *ticket = tickets_find(tickets, host);
	const char *error;

	request = i_new(struct referral_ldap_ticket_request, 1);
	request->tickets = tickets;
	request->host = i_strdup(host);
	request->callback = callback;
	request->context = context;
	request->fd = -1;
	request->reply = str_new(default_pool, 4096);
	if (ticket != NULL && ticket->renew_time > time(NULL))
		;
	else if (referral_ldap_ticket_process_start(set->krb5_keytab,
			set->krb5_principal, host, timeout_msecs, &request->fd,
			&request->pid, &error) < 0)
		request->error = i_strdup(error);
	else {
		request->io = io_add(request->fd, IO_READ,
				     ticket_request_input, request);
		return request;
	}
	request->to = timeout_add_short(0, ticket_request_finish, request);
	return request;
}

void
referral_ldap_ticket_request_deinit(struct referral_ldap_ticket_request **_request)
{
	struct referral_ldap_ticket_request *request = *_request;

	*_request = NULL;
	timeout_remove(&request->to);
	ticket_request_end_process(request);
	str_free(&request->reply);
	i_free(request->error);
	i_free(request->host);
	i_free(request);
}
