/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "fd-util.h"
#include "ioloop.h"
#include "iostream-proxy.h"
#include "iostream-ssl.h"
#include "istream.h"
#include "net.h"
#include "ostream.h"
#include "referral-ldap-starttls.h"
#include "referral-ldap-tls.h"
#include "referral-ldap-peer.h"

#include <sys/socket.h>

/* In each direction */
#define PEER_BUFFER_SIZE (64*1024)

struct referral_ldap_peer {
	char *host;
	struct referral_ldap_tls *tls;
	struct event *event;
	referral_ldap_peer_callback_t *callback;
	void *context;

	/* The server's side; the streams are TLS's once ssl is set. */
	int fd;
	struct istream *input;
	struct ostream *output;
	struct ssl_iostream *ssl;
	struct io *io;
	struct timeout *to;

	/* libldap's side */
	int ldap_fd;
	struct istream *ldap_input;
	struct ostream *ldap_output;
	struct iostream_proxy *proxy;

	char *error;
};

/* The peer may be gone afterwards. */
static void
peer_failed(struct referral_ldap_peer *peer, const char *error)
{
	io_remove(&peer->io);
	timeout_remove(&peer->to);
	i_free(peer->error);
	peer->error = i_strdup(error);
	peer->callback(-1, peer->error, peer->context);
}

static const char *peer_input_error(struct referral_ldap_peer *peer)
{
	const char *error = NULL;

	if (peer->ssl != NULL)
		error = referral_ldap_tls_error(peer->ssl);
	if (error == NULL && peer->input->stream_errno != 0)
		error = i_stream_get_error(peer->input);
	return error;
}

/*
 * Copying
 */

static void peer_close_ldap(struct referral_ldap_peer *peer)
{
	if (peer->proxy != NULL) {
		iostream_proxy_stop(peer->proxy);
		iostream_proxy_unref(&peer->proxy);
	}
	i_stream_destroy(&peer->ldap_input);
	o_stream_destroy(&peer->ldap_output);
	i_close_fd(&peer->ldap_fd);
}

static void
peer_proxy_callback(enum iostream_proxy_side side ATTR_UNUSED,
		    enum iostream_proxy_status status ATTR_UNUSED,
		    struct referral_ldap_peer *peer)
{
	if (peer->error == NULL)
		peer->error = i_strdup(peer_input_error(peer));
	/* libldap sees the end */
	peer_close_ldap(peer);
}

/* The peer may be gone afterwards. */
static void peer_connected(struct referral_ldap_peer *peer)
{
	int fds[2];

	io_remove(&peer->io);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds) < 0) {
		peer_failed(peer, t_strdup_printf("socketpair() failed: %m"));
		return;
	}
	fd_set_nonblock(fds[0], TRUE);
	fd_set_nonblock(fds[1], TRUE);
	fd_close_on_exec(fds[0], TRUE);
	fd_close_on_exec(fds[1], TRUE);

	peer->ldap_fd = fds[0];
	peer->ldap_input = i_stream_create_fd(fds[0], PEER_BUFFER_SIZE);
	peer->ldap_output = o_stream_create_fd(fds[0], PEER_BUFFER_SIZE);
	o_stream_set_no_error_handling(peer->ldap_output, TRUE);
	peer->proxy = iostream_proxy_create(peer->input, peer->output,
					    peer->ldap_input,
					    peer->ldap_output);
	iostream_proxy_set_completion_callback(peer->proxy,
					       peer_proxy_callback, peer);
	iostream_proxy_start(peer->proxy);
	peer->callback(fds[1], NULL, peer->context);
}

/*
 * TLS
 */

static int peer_handshake_callback(const char **error_r, void *context)
{
	struct referral_ldap_peer *peer = context;

	return referral_ldap_tls_check(peer->tls, peer->ssl, peer->host,
				       error_r);
}

static void peer_handshake_failed(struct referral_ldap_peer *peer)
{
	const char *error = peer_input_error(peer);

	peer_failed(peer, error == NULL ?
		    "Connection lost in the TLS handshake" :
		    t_strdup_printf("TLS handshake failed: %s", error));
}

static void peer_handshake_input(struct referral_ldap_peer *peer)
{
	ssize_t ret = i_stream_read(peer->input);

	if (ssl_iostream_has_handshake_failed(peer->ssl))
		peer_handshake_failed(peer);
	else if (ssl_iostream_is_handshaked(peer->ssl))
		peer_connected(peer);
	else if (ret == -1)
		peer_handshake_failed(peer);
}

static void peer_start_tls(struct referral_ldap_peer *peer)
{
	const char *error;

	timeout_remove(&peer->to);
	io_remove(&peer->io);
	if (referral_ldap_tls_start(peer->tls, peer->host, peer->event,
				    &peer->input, &peer->output, &peer->ssl,
				    &error) < 0) {
		peer_failed(peer, error);
		return;
	}
	ssl_iostream_set_handshake_callback(peer->ssl, peer_handshake_callback,
					    peer);
	if (ssl_iostream_handshake(peer->ssl) < 0) {
		peer_handshake_failed(peer);
		return;
	}
	peer->io = io_add_istream(peer->input, peer_handshake_input, peer);
}

/*
 * StartTLS
 */

static void peer_starttls_input(struct referral_ldap_peer *peer)
{
	const unsigned char *data;
	const char *error;
	size_t size;
	ssize_t read_ret;
	int ret;

	read_ret = i_stream_read(peer->input);
	data = i_stream_get_data(peer->input, &size);
	ret = referral_ldap_starttls_response(data, size, &error);
	if (ret > 0) {
		i_stream_skip(peer->input, size);
		peer_start_tls(peer);
	} else if (ret < 0)
		peer_failed(peer, error);
	else if (read_ret == -1)
		peer_failed(peer, "Connection lost while waiting for StartTLS");
}

static void peer_send_starttls(struct referral_ldap_peer *peer)
{
	const unsigned char *data;
	size_t size;

	timeout_remove(&peer->to);
	referral_ldap_starttls_request(&data, &size);
	o_stream_nsend(peer->output, data, size);
	peer->io = io_add_istream(peer->input, peer_starttls_input, peer);
}

#undef referral_ldap_peer_init
struct referral_ldap_peer *
referral_ldap_peer_init(int fd, const char *host, struct referral_ldap_tls *tls,
			bool starttls, struct event *event,
			referral_ldap_peer_callback_t *callback, void *context)
{
	struct referral_ldap_peer *peer;

	peer = i_new(struct referral_ldap_peer, 1);
	peer->host = i_strdup(host);
	peer->tls = tls;
	peer->event = event;
	peer->callback = callback;
	peer->context = context;
	peer->fd = fd;
	peer->ldap_fd = -1;
	peer->input = i_stream_create_fd(fd, PEER_BUFFER_SIZE);
	peer->output = o_stream_create_fd(fd, PEER_BUFFER_SIZE);
	o_stream_set_no_error_handling(peer->output, TRUE);
	if (starttls)
		peer->to = timeout_add_short(0, peer_send_starttls, peer);
	else
		peer->to = timeout_add_short(0, peer_start_tls, peer);
	return peer;
}

void referral_ldap_peer_deinit(struct referral_ldap_peer **_peer)
{
	struct referral_ldap_peer *peer = *_peer;

	*_peer = NULL;
	timeout_remove(&peer->to);
	io_remove(&peer->io);
	peer_close_ldap(peer);
	if (peer->ssl != NULL)
		ssl_iostream_destroy(&peer->ssl);
	i_stream_destroy(&peer->input);
	o_stream_destroy(&peer->output);
	i_close_fd(&peer->fd);
	i_free(peer->error);
	i_free(peer->host);
	i_free(peer);
}

const char *referral_ldap_peer_doing(const struct referral_ldap_peer *peer)
{
	return peer->ssl == NULL ? "waiting for StartTLS" :
		"in the TLS handshake";
}

const char *referral_ldap_peer_error(const struct referral_ldap_peer *peer)
{
	return peer->error;
}
