/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-bind.h"
#include "referral-ldap-connector.h"
#include "referral-ldap-peer.h"
#include "referral-ldap-link.h"

#include <openldap.h>

/* Messages that are handled before others get their turn. */
#define LINK_MAX_MESSAGES_PER_LOOP 100
/* One entry, with all of its values; what is larger ends the connection. In
   bytes. */
#define LINK_MAX_MESSAGE_SIZE (8*1024*1024)

/* After libldap has dropped a message that nobody waits for. */
#define LINK_DROPPED_WAIT_MSECS 5

struct referral_ldap_link {
	struct referral_ldap_link_settings link_set;
	struct referral_ldap_link_callbacks callbacks;
	void *context;

	/* They follow each other. */
	struct referral_ldap_connector *connector;
	struct referral_ldap_peer *peer;
	struct referral_ldap_bind *bind;

	/* ld owns the socket, but to the ioloop it has to be known. */
	LDAP *ld;
	int fd;
	struct io *io;
	/* Set while the socket does not take more requests. */
	struct io *io_write;
	/* Ends the attempt to become ready; calls failed() afterwards. */
	struct timeout *to;
	/* Goes on with what has come already. */
	struct timeout *to_input;
	char *error;
	bool ready, closed;
	/* Messages are being handled: freed only after that. */
	bool in_input, deinitialized;
};

static void link_free(struct referral_ldap_link *link)
{
	/* libldap closes the socket */
	if (link->ld != NULL)
		(void)ldap_unbind_ext(link->ld, NULL, NULL);
	if (link->peer != NULL)
		referral_ldap_peer_deinit(&link->peer);
	i_free(link->error);
	i_free(link);
}

void referral_ldap_link_deinit(struct referral_ldap_link **_link)
{
	struct referral_ldap_link *link = *_link;

	*_link = NULL;
	link->deinitialized = TRUE;
	link->ready = FALSE;
	timeout_remove(&link->to);
	timeout_remove(&link->to_input);
	/* libldap has possibly closed it already */
	io_remove_closed(&link->io);
	io_remove_closed(&link->io_write);
	if (link->bind != NULL)
		referral_ldap_bind_deinit(&link->bind);
	if (link->connector != NULL)
		referral_ldap_connector_deinit(&link->connector);
	if (!link->in_input)
		link_free(link);
}

/* The link may be gone afterwards. */
static void link_call_failed(struct referral_ldap_link *link)
{
	timeout_remove(&link->to);
	T_BEGIN {
		link->callbacks.failed(link->error, link->closed,
				       link->context);
	} T_END;
}

/* From within any call */
static void link_failed(struct referral_ldap_link *link, const char *error)
{
	if (link->error != NULL)
		return;
	link->error = i_strdup_printf("%s: %s", link->link_set.uri->uri, error);
	link->closed = link->ready;
	link->ready = FALSE;
	io_remove_closed(&link->io);
	io_remove_closed(&link->io_write);
	timeout_remove(&link->to_input);
	timeout_remove(&link->to);
	link->to = timeout_add_short(0, link_call_failed, link);
}

static void link_timeout(struct referral_ldap_link *link)
{
	const char *doing = "connecting";

	if (link->bind != NULL)
		doing = referral_ldap_bind_doing(link->bind);
	else if (link->peer != NULL)
		doing = referral_ldap_peer_doing(link->peer);
	else if (link->connector != NULL)
		doing = referral_ldap_connector_doing(link->connector);
	link_failed(link, t_strdup_printf("Timeout while %s", doing));
}

static void link_set_broken(struct referral_ldap_link *link, const char *error)
{
	link_failed(link, t_strdup_printf("Connection lost%s: %s",
		link->ready ? "" : " while binding", error));
}

void referral_ldap_link_set_broken(struct referral_ldap_link *link, int err)
{
	const char *error = NULL;

	if (link->peer != NULL)
		error = referral_ldap_peer_error(link->peer);
	link_set_broken(link, error != NULL ? error : ldap_err2string(err));
}

/* Reading has failed. */
static void link_input_failed(struct referral_ldap_link *link, int sys_errno)
{
	int err;

	if (sys_errno == ERANGE) {
		/* liblber's for what it was told to refuse */
		link_set_broken(link, t_strdup_printf("A message is larger "
			"than %u MB", LINK_MAX_MESSAGE_SIZE / 1024 / 1024));
		return;
	}
	if (ldap_get_option(link->ld, LDAP_OPT_RESULT_CODE,
			    &err) != LDAP_OPT_SUCCESS)
		err = LDAP_SERVER_DOWN;
	referral_ldap_link_set_broken(link, err);
}

/*
 * Messages
 */

static void link_message(struct referral_ldap_link *link, LDAPMessage *msg)
{
	if (link->bind != NULL)
		referral_ldap_bind_input(link->bind, msg);
	else if (link->ready)
		link->callbacks.message(&msg, link->context);
	if (msg != NULL)
		(void)ldap_msgfree(msg);
}

/* ldap_result() returns nothing as well when it has dropped a message, such as
   one of a search that was abandoned. */
static bool link_has_input(struct referral_ldap_link *link)
{
	Sockbuf *sb;

	return ldap_get_option(link->ld, LDAP_OPT_SOCKBUF,
			       &sb) == LDAP_OPT_SUCCESS &&
		ber_sockbuf_ctrl(sb, LBER_SB_OPT_DATA_READY, NULL) > 0;
}

static void link_input(struct referral_ldap_link *link);

/* More is in libldap's buffer, of which the ioloop knows nothing. Not
   io_set_pending(): the ioloop does nothing else before such input has come to
   its end, and some servers' has none. */
static void
link_input_later(struct referral_ldap_link *link, unsigned int msecs)
{
	if (link->to_input == NULL)
		link->to_input = timeout_add_short(msecs, link_input, link);
}

static void link_input(struct referral_ldap_link *link)
{
	struct timeval no_wait;
	LDAPMessage *msg;
	unsigned int count = 0;
	int ret, sys_errno;

	timeout_remove(&link->to_input);
	link->in_input = TRUE;
	do {
		i_zero(&no_wait);
		/* not LDAP_MSG_ALL: libldap would look through all that it has
		   kept for each message, and some searches never end */
		errno = 0;
		ret = ldap_result(link->ld, LDAP_RES_ANY, LDAP_MSG_ONE,
				  &no_wait, &msg);
		sys_errno = errno;
		if (ret > 0) T_BEGIN {
			link_message(link, msg);
		} T_END;
	} while (ret > 0 && !link->deinitialized && link->error == NULL &&
		 ++count < LINK_MAX_MESSAGES_PER_LOOP);
	link->in_input = FALSE;

	if (link->deinitialized) {
		link_free(link);
		return;
	}
	if (ret < 0)
		link_input_failed(link, sys_errno);
	else if (ret > 0 && link->error == NULL)
		link_input_later(link, 0);
	else if (link->error == NULL && link_has_input(link))
		link_input_later(link, LINK_DROPPED_WAIT_MSECS);
}

static void link_writable(struct referral_ldap_link *link)
{
	io_remove(&link->io_write);
	link->callbacks.writable(link->context);
}

void referral_ldap_link_wait_writable(struct referral_ldap_link *link)
{
	if (link->io_write == NULL && link->error == NULL) {
		link->io_write = io_add(link->fd, IO_WRITE,
					link_writable, link);
	}
}

bool referral_ldap_link_is_blocked(const struct referral_ldap_link *link)
{
	return link->io_write != NULL;
}

LDAP *referral_ldap_link_get_ld(struct referral_ldap_link *link)
{
	i_assert(link->ld != NULL);
	return link->ld;
}

bool referral_ldap_link_is_ready(const struct referral_ldap_link *link)
{
	return link->ready;
}

/*
 * Becoming ready
 */

static void
link_bind_callback(const char *error, struct referral_ldap_link *link)
{
	error = t_strdup(error);
	referral_ldap_bind_deinit(&link->bind);
	if (error != NULL) {
		link_failed(link, error);
		return;
	}
	timeout_remove(&link->to);
	link->ready = TRUE;
	link->callbacks.ready(link->context);
}

static int link_set_options(LDAP *ld)
{
	ber_len_t max_size = LINK_MAX_MESSAGE_SIZE;
	int version = LDAP_VERSION3;
	Sockbuf *sb;

	if (ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION,
			    &version) != LDAP_OPT_SUCCESS ||
	    ldap_set_option(ld, LDAP_OPT_REFERRALS,
			    LDAP_OPT_OFF) != LDAP_OPT_SUCCESS ||
	    ldap_get_option(ld, LDAP_OPT_SOCKBUF, &sb) != LDAP_OPT_SUCCESS)
		return -1;
	/* libldap reads each message in three parts: one read() for many of
	   them instead */
	if (ber_sockbuf_add_io(sb, &ber_sockbuf_io_readahead,
			       LBER_SBIOD_LEVEL_PROVIDER, NULL) != 0)
		return -1;
	(void)ber_sockbuf_ctrl(sb, LBER_SB_OPT_SET_MAX_INCOMING, &max_size);
	return 0;
}

static void link_start(struct referral_ldap_link *link, int fd, int proto)
{
	const struct referral_ldap_link_settings *link_set = &link->link_set;
	int err;

	/* ldap_init_fd() because a name in a URL would be looked up and a
	   connection made by libldap, both of which block */
	err = ldap_init_fd(fd, proto, link_set->uri->path != NULL ?
			   link_set->uri->uri : "ldap://", &link->ld);
	if (err != LDAP_SUCCESS) {
		link->ld = NULL;
		i_close_fd(&fd);
		link_failed(link, t_strdup_printf("ldap_init_fd() failed: %s",
						  ldap_err2string(err)));
		return;
	}
	if (link_set_options(link->ld) < 0) {
		link_failed(link, "ldap_set_option() failed");
		return;
	}
	link->fd = fd;
	link->io = io_add(fd, IO_READ, link_input, link);
	link->bind = referral_ldap_bind_init(link_set->set, link->ld,
		link_set->uri->host, link_set->tickets,
		link_set->timeout_msecs, link_bind_callback, link);
}

static void
link_peer_callback(int fd, const char *error, struct referral_ldap_link *link)
{
	if (fd == -1)
		link_failed(link, error);
	else
		link_start(link, fd, LDAP_PROTO_IPC);
}

static void
link_connector_callback(int fd, const char *error,
			struct referral_ldap_link *link)
{
	const struct referral_ldap_link_settings *link_set = &link->link_set;
	const struct referral_ldap_uri *uri = link_set->uri;
	bool starttls = link_set->set->starttls && uri->path == NULL;

	error = t_strdup(error);
	referral_ldap_connector_deinit(&link->connector);
	if (fd == -1)
		link_failed(link, error);
	else if (uri->tls || starttls) {
		link->peer = referral_ldap_peer_init(fd, uri->host,
			link_set->tls, !uri->tls, link_set->event,
			link_peer_callback, link);
	} else {
		link_start(link, fd, uri->path != NULL ? LDAP_PROTO_IPC :
			   LDAP_PROTO_TCP);
	}
}

struct referral_ldap_link *
referral_ldap_link_init(const struct referral_ldap_link_settings *link_set,
			const struct referral_ldap_link_callbacks *callbacks,
			void *context)
{
	struct referral_ldap_link *link;

	link = i_new(struct referral_ldap_link, 1);
	link->link_set = *link_set;
	link->callbacks = *callbacks;
	link->context = context;
	link->fd = -1;
	link->to = timeout_add(link_set->timeout_msecs, link_timeout, link);
	link->connector = referral_ldap_connector_init(link_set->uri,
		link_set->base_dir, link_set->event, link_set->timeout_msecs,
		link_connector_callback, link);
	return link;
}
