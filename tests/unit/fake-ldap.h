#ifndef FAKE_LDAP_H
#define FAKE_LDAP_H

#include "net.h"

#include <lber.h>
#include <ldap.h>

/* An LDAP server (RFC 4511) in the test's own process and ioloop, that does
   what a test tells it to.

   Why not functions in the place of libldap's: most of what can go wrong is in
   how libldap treats a socket - partial writes, connections that are lost, file
   descriptors that it closes by itself - and a fake of its functions would only
   repeat what we believe of it. With liblber for the encoding, the server is
   not longer than such a fake. */

enum fake_ldap_type {
	FAKE_LDAP_BIND,
	FAKE_LDAP_SEARCH,
	/* A search that only asks whether the server is there: of no attribute
	   of one entry. */
	FAKE_LDAP_PROBE,
	FAKE_LDAP_ABANDON,
	FAKE_LDAP_UNBIND,
};

struct fake_ldap_request {
	struct fake_ldap *server;
	/* NULL if the connection is closed: answers are lost, then. */
	struct fake_ldap_conn *conn;
	/* Counted from 0 */
	unsigned int conn_num;
	enum fake_ldap_type type;
	int msgid;

	/* BIND and SEARCH: who, and below what */
	const char *dn;
	/* BIND */
	const char *password;
	/* SEARCH */
	int scope, size_limit;
	/* In RFC 4515's form */
	const char *filter;
	/* Separated by a space */
	const char *attributes;
	/* 0 and "" without the paged results control */
	int page_size;
	const char *cookie;
	/* NULL without the Sync Request control, "" without a cookie */
	const char *sync_cookie;
	/* ABANDON */
	int abandon_msgid;
};

struct fake_ldap_value {
	const char *attribute, *value;
	/* 0: strlen() */
	size_t size;
};

/* An entry: values with the same attribute are one after the other, and after
   the last one attribute is NULL. */
#define FAKE_LDAP_MAX_VALUES 8
struct fake_ldap_entry {
	const char *dn;
	struct fake_ldap_value values[FAKE_LDAP_MAX_VALUES + 1];
};

typedef void fake_ldap_handler_t(struct fake_ldap_request *request,
				 void *context);

struct fake_ldap {
	/* ldapi:// or ldap:// */
	char *uri;

	/* For tests to set: how binds are answered. */
	int bind_result;
	const char *bind_text;
	/* Binds are not answered. */
	bool ignore_binds;
	/* How probes are answered: tests need not know of them. */
	int probe_result;
	bool ignore_probes;
	/* Nothing is read from now on. */
	bool deaf;
	/* Called for each search; NULL: the test answers them itself. */
	fake_ldap_handler_t *handler;
	void *context;

	/* For tests to read: how many of what there were. */
	unsigned int conn_count;
	unsigned int bind_count, search_count, probe_count;
	unsigned int abandon_count, unbind_count;
	/* Now open */
	unsigned int open_count;

	/* Private */
	pool_t pool;
	char *path;
	struct ip_addr ip;
	in_port_t port;
	int fd;
	struct io *io;
	struct fake_ldap_conn *conns;
	ARRAY(struct fake_ldap_request *) requests;
};

/* Listen on a unix socket of this name in unit_dir(). */
struct fake_ldap *fake_ldap_init(const char *name);
/* Listen on a free port of 127.0.0.1. */
struct fake_ldap *fake_ldap_init_tcp(void);
void fake_ldap_deinit(struct fake_ldap **server);

/* Refuse connections from now on, and close those that there are; and
   accept them again. */
void fake_ldap_stop(struct fake_ldap *server);
void fake_ldap_start(struct fake_ldap *server);
/* Close all connections. */
void fake_ldap_disconnect(struct fake_ldap *server);
/* End deafness. */
void fake_ldap_listen_again(struct fake_ldap *server);

/* The idx'th search (from 0) that has come since the start. */
struct fake_ldap_request *
fake_ldap_search(struct fake_ldap *server, unsigned int idx);
/* The idx'th bind. */
struct fake_ldap_request *
fake_ldap_bind(struct fake_ldap *server, unsigned int idx);
/* The first abandon. */
struct fake_ldap_request *fake_ldap_abandon(struct fake_ldap *server);

/* Answers. "text" is the diagnostic message. */
void fake_ldap_send_entry(struct fake_ldap_request *request,
			  const struct fake_ldap_entry *entry);
/* The same message without its begin and its end, for whoever adds controls. */
void fake_ldap_write_entry(BerElement *ber, struct fake_ldap_request *request,
			   const struct fake_ldap_entry *entry);
void fake_ldap_send_reference(struct fake_ldap_request *request,
			      const char *url);
void fake_ldap_send_result(struct fake_ldap_request *request, int result,
			   const char *text);
/* The result of a page, with the next one's cookie, or "" after the last. */
void fake_ldap_send_page(struct fake_ldap_request *request,
			 const char *cookie);
/* The same, with a control that cannot be parsed. */
void fake_ldap_send_broken_page(struct fake_ldap_request *request);
/* An intermediate response (RFC 4511 section 4.13). */
void fake_ldap_send_info(struct fake_ldap_request *request, const char *oid,
			 const char *data);
/* Any bytes */
void fake_ldap_send_bytes(struct fake_ldap_request *request,
			  const void *data, size_t size);
/* A notice of disconnection (RFC 4511 section 4.4.1), without the
   disconnection. */
void fake_ldap_send_notice(struct fake_ldap *server);

#endif
