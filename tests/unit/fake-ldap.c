/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "llist.h"
#include "ostream.h"
#include "str.h"
#include "unit-common.h"
#include "fake-ldap-request.h"

#include <unistd.h>

struct fake_ldap_conn {
	struct fake_ldap_conn *prev, *next;
	struct fake_ldap *server;
	unsigned int num;

	/* Owns the file descriptor. */
	Sockbuf *sb;
	BerElement *ber;
	int fd;
	struct io *io;
	struct ostream *output;
};

static void fake_ldap_conn_close(struct fake_ldap_conn *conn)
{
	struct fake_ldap *server = conn->server;
	struct fake_ldap_request *request;

	array_foreach_elem(&server->requests, request) {
		if (request->conn == conn)
			request->conn = NULL;
	}
	DLLIST_REMOVE(&server->conns, conn);
	server->open_count--;
	io_remove(&conn->io);
	o_stream_destroy(&conn->output);
	ber_free(conn->ber, 1);
	ber_sockbuf_free(conn->sb);
	i_free(conn);
}

static void fake_ldap_send(struct fake_ldap_conn *conn, BerElement *ber)
{
	struct berval data;

	if (ber_flatten2(ber, &data, 0) < 0)
		i_fatal_status(FATAL_OUTOFMEM, "ber_flatten2() failed");
	if (conn != NULL)
		o_stream_nsend(conn->output, data.bv_val, data.bv_len);
	ber_free(ber, 1);
}

static void
fake_ldap_send_result_tag(struct fake_ldap_request *request, ber_tag_t tag,
			  int result, const char *text)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{it{ess}}", request->msgid, tag, result, "",
			 text == NULL ? "" : text);
	fake_ldap_send(request->conn, ber);
}

static void
fake_ldap_handle(struct fake_ldap_conn *conn,
		 struct fake_ldap_request *request)
{
	struct fake_ldap *server = conn->server;

	request->server = server;
	request->conn = conn;
	request->conn_num = conn->num;
	array_push_back(&server->requests, &request);
	switch (request->type) {
	case FAKE_LDAP_BIND:
		server->bind_count++;
		if (!server->ignore_binds) {
			fake_ldap_send_result_tag(request, LDAP_RES_BIND,
						  server->bind_result,
						  server->bind_text);
		}
		break;
	case FAKE_LDAP_SEARCH:
		server->search_count++;
		if (server->handler != NULL)
			server->handler(request, server->context);
		break;
	case FAKE_LDAP_PROBE:
		server->probe_count++;
		if (!server->ignore_probes) {
			fake_ldap_send_result_tag(request,
						  LDAP_RES_SEARCH_RESULT,
						  server->probe_result, NULL);
		}
		break;
	case FAKE_LDAP_ABANDON:
		server->abandon_count++;
		break;
	case FAKE_LDAP_UNBIND:
		server->unbind_count++;
		break;
	}
}

static bool fake_ldap_conn_exists(struct fake_ldap *server, unsigned int num)
{
	struct fake_ldap_conn *conn;

	for (conn = server->conns; conn != NULL; conn = conn->next) {
		if (conn->num == num)
			return TRUE;
	}
	return FALSE;
}

static void fake_ldap_conn_input(struct fake_ldap_conn *conn)
{
	struct fake_ldap *server = conn->server;
	unsigned int num = conn->num;
	ber_len_t len;

	while (!server->deaf) {
		errno = 0;
		if (ber_get_next(conn->sb, &len, conn->ber) !=
		    LDAP_TAG_MESSAGE) {
			if (errno != EAGAIN && errno != EWOULDBLOCK)
				fake_ldap_conn_close(conn);
			return;
		}
		T_BEGIN {
			fake_ldap_handle(conn, fake_ldap_request_decode(
				server->pool, conn->ber));
		} T_END;
		/* the handler may have closed it */
		if (!fake_ldap_conn_exists(server, num))
			return;
		ber_free(conn->ber, 1);
		conn->ber = ber_alloc_t(LBER_USE_DER);
	}
	io_remove(&conn->io);
}

static void fake_ldap_accept(struct fake_ldap *server)
{
	struct fake_ldap_conn *conn;
	int fd;

	fd = net_accept(server->fd, NULL, NULL);
	if (fd < 0)
		return;
	net_set_nonblock(fd, TRUE);
	conn = i_new(struct fake_ldap_conn, 1);
	conn->server = server;
	conn->num = server->conn_count++;
	conn->fd = fd;
	conn->sb = ber_sockbuf_alloc();
	(void)ber_sockbuf_add_io(conn->sb, &ber_sockbuf_io_tcp,
				 LBER_SBIOD_LEVEL_PROVIDER, &fd);
	conn->ber = ber_alloc_t(LBER_USE_DER);
	conn->output = o_stream_create_fd(fd, SIZE_MAX);
	o_stream_set_no_error_handling(conn->output, TRUE);
	if (!server->deaf)
		conn->io = io_add(fd, IO_READ, fake_ldap_conn_input, conn);
	DLLIST_PREPEND(&server->conns, conn);
	server->open_count++;
}

void fake_ldap_start(struct fake_ldap *server)
{
	i_assert(server->fd == -1);
	if (server->path != NULL)
		server->fd = net_listen_unix(server->path, 8);
	else
		server->fd = net_listen(&server->ip, &server->port, 8);
	if (server->fd == -1)
		i_fatal("listen(%s) failed: %m", server->uri);
	net_set_nonblock(server->fd, TRUE);
	server->io = io_add(server->fd, IO_READ, fake_ldap_accept, server);
}

static struct fake_ldap *fake_ldap_alloc(void)
{
	struct fake_ldap *server;

	server = i_new(struct fake_ldap, 1);
	server->pool = pool_alloconly_create("fake ldap", 4096);
	server->fd = -1;
	i_array_init(&server->requests, 16);
	return server;
}

struct fake_ldap *fake_ldap_init(const char *name)
{
	struct fake_ldap *server = fake_ldap_alloc();
	const char *p;
	string_t *uri = t_str_new(128);

	server->path = i_strdup(unit_path(name));
	str_append(uri, "ldapi://");
	for (p = server->path; *p != '\0'; p++) {
		if (*p == '/')
			str_append(uri, "%2F");
		else
			str_append_c(uri, *p);
	}
	server->uri = i_strdup(str_c(uri));
	fake_ldap_start(server);
	return server;
}

struct fake_ldap *fake_ldap_init_tcp(void)
{
	struct fake_ldap *server = fake_ldap_alloc();

	if (net_addr2ip("127.0.0.1", &server->ip) < 0)
		i_unreached();
	/* sets the port, which is kept when it is stopped and started */
	fake_ldap_start(server);
	server->uri = i_strdup_printf("ldap://127.0.0.1:%u", server->port);
	return server;
}

void fake_ldap_disconnect(struct fake_ldap *server)
{
	while (server->conns != NULL)
		fake_ldap_conn_close(server->conns);
}

void fake_ldap_stop(struct fake_ldap *server)
{
	fake_ldap_disconnect(server);
	io_remove(&server->io);
	i_close_fd(&server->fd);
	if (server->path != NULL)
		i_unlink_if_exists(server->path);
}

void fake_ldap_deinit(struct fake_ldap **_server)
{
	struct fake_ldap *server = *_server;

	*_server = NULL;
	if (server->fd != -1)
		fake_ldap_stop(server);
	array_free(&server->requests);
	pool_unref(&server->pool);
	i_free(server->path);
	i_free(server->uri);
	i_free(server);
}

void fake_ldap_listen_again(struct fake_ldap *server)
{
	struct fake_ldap_conn *conn;

	server->deaf = FALSE;
	for (conn = server->conns; conn != NULL; conn = conn->next) {
		if (conn->io == NULL) {
			conn->io = io_add(conn->fd, IO_READ,
					  fake_ldap_conn_input, conn);
		}
	}
}

static struct fake_ldap_request *
fake_ldap_find(struct fake_ldap *server, enum fake_ldap_type type,
	       unsigned int idx)
{
	struct fake_ldap_request *request;

	array_foreach_elem(&server->requests, request) {
		if (request->type == type && idx-- == 0)
			return request;
	}
	i_panic("The server got no such request");
}

struct fake_ldap_request *
fake_ldap_search(struct fake_ldap *server, unsigned int idx)
{
	return fake_ldap_find(server, FAKE_LDAP_SEARCH, idx);
}

struct fake_ldap_request *
fake_ldap_bind(struct fake_ldap *server, unsigned int idx)
{
	return fake_ldap_find(server, FAKE_LDAP_BIND, idx);
}

struct fake_ldap_request *fake_ldap_abandon(struct fake_ldap *server)
{
	return fake_ldap_find(server, FAKE_LDAP_ABANDON, 0);
}

void fake_ldap_write_entry(BerElement *ber, struct fake_ldap_request *request,
			   const struct fake_ldap_entry *entry)
{
	const struct fake_ldap_value *value;
	const char *attribute = NULL;

	(void)ber_printf(ber, "it{s{", request->msgid,
			 (ber_tag_t)LDAP_RES_SEARCH_ENTRY, entry->dn);
	for (value = entry->values; value->attribute != NULL; value++) {
		if (null_strcmp(attribute, value->attribute) != 0) {
			if (attribute != NULL)
				(void)ber_printf(ber, "]}");
			attribute = value->attribute;
			(void)ber_printf(ber, "{s[", attribute);
		}
		(void)ber_printf(ber, "o", value->value, (ber_len_t)
				 (value->size != 0 ? value->size :
				  strlen(value->value)));
	}
	if (attribute != NULL)
		(void)ber_printf(ber, "]}");
	(void)ber_printf(ber, "}}");
}

void fake_ldap_send_entry(struct fake_ldap_request *request,
			  const struct fake_ldap_entry *entry)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{");
	fake_ldap_write_entry(ber, request, entry);
	(void)ber_printf(ber, "}");
	fake_ldap_send(request->conn, ber);
}

void fake_ldap_send_reference(struct fake_ldap_request *request,
			      const char *url)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{it{s}}", request->msgid,
			 (ber_tag_t)LDAP_RES_SEARCH_REFERENCE, url);
	fake_ldap_send(request->conn, ber);
}

void fake_ldap_send_result(struct fake_ldap_request *request, int result,
			   const char *text)
{
	fake_ldap_send_result_tag(request, request->type == FAKE_LDAP_BIND ?
				  LDAP_RES_BIND : LDAP_RES_SEARCH_RESULT,
				  result, text);
}

static void
fake_ldap_send_page_control(struct fake_ldap_request *request,
			    struct berval *value)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{it{ess}t{{sO}}}", request->msgid,
			 (ber_tag_t)LDAP_RES_SEARCH_RESULT, LDAP_SUCCESS,
			 "", "", (ber_tag_t)LDAP_TAG_CONTROLS,
			 LDAP_CONTROL_PAGEDRESULTS, value);
	fake_ldap_send(request->conn, ber);
}

void fake_ldap_send_page(struct fake_ldap_request *request,
			 const char *cookie)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	struct berval value;

	(void)ber_printf(ber, "{is}", 0, cookie);
	if (ber_flatten2(ber, &value, 0) < 0)
		i_fatal_status(FATAL_OUTOFMEM, "ber_flatten2() failed");
	fake_ldap_send_page_control(request, &value);
	ber_free(ber, 1);
}

void fake_ldap_send_broken_page(struct fake_ldap_request *request)
{
	char data[] = "broken";
	struct berval value = { .bv_val = data, .bv_len = strlen(data) };

	fake_ldap_send_page_control(request, &value);
}

void fake_ldap_send_info(struct fake_ldap_request *request, const char *oid,
			 const char *data)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{it{tsts}}", request->msgid,
			 (ber_tag_t)LDAP_RES_INTERMEDIATE,
			 (ber_tag_t)LDAP_TAG_IM_RES_OID, oid,
			 (ber_tag_t)LDAP_TAG_IM_RES_VALUE, data);
	fake_ldap_send(request->conn, ber);
}

void fake_ldap_send_bytes(struct fake_ldap_request *request,
			  const void *data, size_t size)
{
	o_stream_nsend(request->conn->output, data, size);
}

void fake_ldap_send_notice(struct fake_ldap *server)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	/* without a text, which libldap would leak */
	(void)ber_printf(ber, "{it{essts}}", 0,
			 (ber_tag_t)LDAP_RES_EXTENDED, LDAP_UNAVAILABLE, "",
			 "", (ber_tag_t)LDAP_TAG_EXOP_RES_OID,
			 LDAP_NOTICE_OF_DISCONNECTION);
	fake_ldap_send(server->conns, ber);
}
