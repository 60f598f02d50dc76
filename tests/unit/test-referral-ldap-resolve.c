/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "dns-lookup.h"
#include "write-full.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "unit-ldap.h"

#ifdef HAVE_DNS_CLIENT_PARAMETERS
#  include "settings.h"
#endif

#include <unistd.h>

/* Servers that have names, which Dovecot's dns-client process looks up for
   referral-ldap-connection.c. Here we are that process. */

struct fake_dns {
	int fd_listen, fd;
	struct io *io_listen, *io;
	struct istream *input;

	/* What each name gets; NULL = no answer */
	const char *reply;
	unsigned int lookup_count;
	char *name;
};

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_dns test_dns;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;
static struct event *test_parent_event;
#ifdef HAVE_DNS_CLIENT_PARAMETERS
static struct settings_simple test_set;
#endif

/* Where some of Dovecot's versions have the folder of the dns-client socket. */
static void test_parent_event_init(void)
{
#ifdef HAVE_DNS_CLIENT_PARAMETERS
	const char *const settings[] = {
		"base_dir", unit_dir(), NULL
	};

	settings_simple_init(&test_set, settings);
	test_parent_event = event_create(test_set.event);
#else
	test_parent_event = event_create(NULL);
#endif
}

static void test_parent_event_deinit(void)
{
	event_unref(&test_parent_event);
#ifdef HAVE_DNS_CLIENT_PARAMETERS
	settings_simple_deinit(&test_set);
#endif
}

static void fake_dns_disconnect(struct fake_dns *dns)
{
	io_remove(&dns->io);
	i_stream_unref(&dns->input);
	i_close_fd(&dns->fd);
}

static void fake_dns_write(struct fake_dns *dns, const char *str)
{
	/* it may be gone */
	if (write_full(dns->fd, str, strlen(str)) < 0 && errno != EPIPE)
		i_fatal("write() failed: %m");
}

static void fake_dns_input(struct fake_dns *dns)
{
	const char *line;

	while ((line = i_stream_read_next_line(dns->input)) != NULL) {
		if (strncmp(line, "IP\t", 3) != 0)
			continue;
		dns->lookup_count++;
		i_free(dns->name);
		dns->name = i_strdup(line + 3);
		if (dns->reply != NULL)
			fake_dns_write(dns, dns->reply);
	}
	if (dns->input->eof)
		fake_dns_disconnect(dns);
}

static void fake_dns_accept(struct fake_dns *dns)
{
	int fd = net_accept(dns->fd_listen, NULL, NULL);

	if (fd < 0)
		return;
	if (dns->fd != -1)
		fake_dns_disconnect(dns);
	dns->fd = fd;
	net_set_nonblock(fd, TRUE);
	dns->input = i_stream_create_fd(fd, 4096);
	dns->io = io_add(fd, IO_READ, fake_dns_input, dns);
	fake_dns_write(dns, "VERSION\tdns\t1\t0\n");
}

static void fake_dns_init(struct fake_dns *dns_r)
{
	const char *path = unit_path(DNS_CLIENT_SOCKET_NAME);

	i_zero(dns_r);
	dns_r->fd = -1;
	dns_r->fd_listen = net_listen_unix(path, 8);
	if (dns_r->fd_listen == -1)
		i_fatal("net_listen_unix(%s) failed: %m", path);
	net_set_nonblock(dns_r->fd_listen, TRUE);
	dns_r->io_listen = io_add(dns_r->fd_listen, IO_READ,
				  fake_dns_accept, dns_r);
}

static void fake_dns_deinit(struct fake_dns *dns)
{
	if (dns->fd != -1)
		fake_dns_disconnect(dns);
	io_remove(&dns->io_listen);
	i_close_fd(&dns->fd_listen);
	i_unlink(unit_path(DNS_CLIENT_SOCKET_NAME));
	i_free(dns->name);
}

/* With "both", the second server has an address. */
static void
test_resolve_begin(const char *name, bool both, const char *timeout)
{
	struct referral_ldap_settings *set;
	const char *uris;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test resolve", 1024);
	test_server = fake_ldap_init_tcp();
	test_server->handler = unit_answer_handler;
	fake_dns_init(&test_dns);
	uris = t_strdup_printf("ldap://ldap.example.org:%u",
			       test_server->port);
	if (both)
		uris = t_strconcat(uris, " ", test_server->uri, NULL);
	set = unit_ldap_settings(test_pool, "uris", uris,
				 "timeout", timeout, NULL);
	test_parent_event_init();
	test_conn = referral_ldap_connection_init(set, unit_dir(),
						  test_parent_event);
}

static void test_resolve_end(void)
{
	if (test_conn != NULL)
		referral_ldap_connection_deinit(&test_conn);
	fake_ldap_deinit(&test_server);
	fake_dns_deinit(&test_dns);
	test_parent_event_deinit();
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void test_referral_ldap_resolve(void)
{
	struct unit_search search;

	test_resolve_begin("referral ldap resolve: found", FALSE, "20s");
	test_dns.reply = "0\t127.0.0.1\n";
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert_strcmp(test_dns.name, "ldap.example.org");
	test_assert(test_dns.lookup_count == 1);
	unit_search_free(&search);

	/* again for each connection: addresses change */
	fake_ldap_disconnect(test_server);
	unit_wait(unit_is_disconnected(test_conn));
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	test_assert(test_dns.lookup_count == 2);
	unit_search_free(&search);
	test_resolve_end();
}

/* Names often have an IPv6 address where servers or hosts do not: the next
   address of the same name is tried. */
static void test_referral_ldap_resolve_several(void)
{
	struct unit_search search;

	test_resolve_begin("referral ldap resolve: several addresses", FALSE,
			   "20s");
	test_dns.reply = "0\t::1\t127.0.0.1\n";
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);
	test_resolve_end();
}

static void test_referral_ldap_resolve_fails(void)
{
	struct unit_search search;

	test_resolve_begin("referral ldap resolve: not found", FALSE, "20s");
	test_dns.reply = "-2\tName or service not known\n";
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL &&
		    strstr(search.error, "ldap.example.org") != NULL &&
		    strstr(search.error, "Name or service not known") != NULL);
	unit_search_free(&search);
	test_resolve_end();

	test_resolve_begin("referral ldap resolve: not found, next server",
			   TRUE, "20s");
	test_dns.reply = "-2\tName or service not known\n";
	test_expect_error_string("Name or service not known");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);
	test_resolve_end();
}

static void test_referral_ldap_resolve_no_service(void)
{
	struct unit_search search;

	test_resolve_begin("referral ldap resolve: no dns-client", TRUE,
			   "20s");
	i_unlink(unit_path(DNS_CLIENT_SOCKET_NAME));
	test_expect_error_string("trying the next server");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	unit_search_free(&search);
	(void)unit_file(DNS_CLIENT_SOCKET_NAME, "");
	test_resolve_end();
}

static void test_referral_ldap_resolve_hung(void)
{
	struct unit_search search;

	test_resolve_begin("referral ldap resolve: no answer, next server",
			   TRUE, "2s");
	test_expect_error_string("Timeout while looking up its address");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_expect_no_more_errors();
	test_assert_strcmp(search.error, NULL);
	test_assert(test_dns.lookup_count == 1);
	unit_search_free(&search);
	test_resolve_end();

	test_resolve_begin("referral ldap resolve: no answer, no other server",
			   FALSE, "500ms");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(search.callback_count == 1);
	test_assert(search.error != NULL);
	unit_search_free(&search);
	test_resolve_end();

	test_resolve_begin("referral ldap resolve: deinit while it waits",
			   FALSE, "20s");
	unit_search(test_conn, &search, "(cn=a)");
	unit_wait(test_dns.lookup_count == 1);
	referral_ldap_connection_deinit(&test_conn);
	test_assert(search.callback_count == 1 && search.error != NULL);
	unit_search_free(&search);
	test_resolve_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_resolve,
		test_referral_ldap_resolve_several,
		test_referral_ldap_resolve_fails,
		test_referral_ldap_resolve_no_service,
		test_referral_ldap_resolve_hung,
		NULL
	};
	return unit_run(test_functions);
}
