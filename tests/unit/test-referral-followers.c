/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-compat.h"
#include "referral-followers.h"
#include "unit-common.h"

struct test_connection {
	const char *local_ip, *remote_ip;
	in_port_t local_port;
	const char *server_name, *client_id;
};

static const struct test_connection alpine = {
	"192.0.2.1", "198.51.100.7", 143, "imap.example.org",
	"\"name\" \"Alpine\" \"version\" \"2.26\" \"os\" NIL"
}, ipv6 = {
	"2001:db8::1", "2001:db8:ff::7", 993, NULL, NULL
}, strange = {
	"192.0.2.1", "198.51.100.7", 143, "", "\"name\" \"a \\\"b\\\\\" \"x"
}, nobody = {
	NULL, NULL, 0, NULL, NULL
};

static void
connection_init(const struct test_connection *test,
		struct referral_connection *conn_r)
{
	i_zero(conn_r);
	if (test->local_ip != NULL)
		test_assert(net_addr2ip(test->local_ip,
					&conn_r->local_ip) == 0);
	if (test->remote_ip != NULL)
		test_assert(net_addr2ip(test->remote_ip,
					&conn_r->remote_ip) == 0);
	conn_r->local_port = test->local_port;
	conn_r->server_name = test->server_name;
	conn_r->client_id = test->client_id;
}

static void test_referral_followers_match(void)
{
	static const struct {
		const char *followers;
		const struct test_connection *conn;
		bool matches;
	} tests[] = {
		{ "", &alpine, FALSE },
		{ " , ", &alpine, FALSE },
		{ "listener=192.0.2.1", &alpine, TRUE },
		{ "listener=192.0.2.2", &alpine, FALSE },
		{ "listener=192.0.2.1:143", &alpine, TRUE },
		{ "listener=192.0.2.1:1143", &alpine, FALSE },
		{ "listener=2001:db8::1", &ipv6, TRUE },
		{ "listener=[2001:db8::1]:993", &ipv6, TRUE },
		{ "listener=[2001:db8::1]:143", &ipv6, FALSE },
		{ "listener=2001:db8::2", &ipv6, FALSE },
		{ "port=143", &alpine, TRUE },
		{ "port=143", &ipv6, FALSE },
		{ "port=143", &nobody, FALSE },
		{ "server_name=imap.example.org", &alpine, TRUE },
		{ "server_name=IMAP.example.ORG", &alpine, TRUE },
		{ "server_name=*.example.org", &alpine, TRUE },
		{ "server_name=ima?.*", &alpine, TRUE },
		{ "server_name=example.org", &alpine, FALSE },
		/* a client that names no server */
		{ "server_name=*", &ipv6, FALSE },
		{ "client=198.51.100.0/24", &alpine, TRUE },
		{ "client=198.51.100.7", &alpine, TRUE },
		{ "client=198.51.100.8", &alpine, FALSE },
		{ "client=2001:db8:ff::/48", &ipv6, TRUE },
		{ "client=2001:db8:ff::/48", &alpine, FALSE },
		{ "client=0.0.0.0/0", &ipv6, FALSE },
		{ "client=0.0.0.0/0", &nobody, FALSE },
		{ "id.name=alpine", &alpine, TRUE },
		{ "id.NAME=*PINE", &alpine, TRUE },
		{ "id.version=2.*", &alpine, TRUE },
		{ "id.name=2.26", &alpine, FALSE },
		/* values are no names */
		{ "id.Alpine=*", &alpine, FALSE },
		{ "id.os=*", &alpine, FALSE },
		{ "id.name=*", &ipv6, FALSE },
		{ "id.name=a \"b?", &strange, TRUE },
		{ "id.x=*", &strange, FALSE },
		/* one of them is enough */
		{ "port=1, client=10.0.0.0/8 , id.name=Alpine", &alpine, TRUE },
		{ "port=1,client=10.0.0.0/8", &alpine, FALSE },
	};
	struct referral_followers *followers;
	struct referral_connection conn;
	const char *error;
	unsigned int i;

	test_begin("referral followers: match");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		connection_init(tests[i].conn, &conn);
		test_assert_idx(referral_followers_parse(
			pool_datastack_create(), tests[i].followers,
			&followers, &error) == 0, i);
		test_assert_idx(referral_followers_match(followers, &conn) ==
				tests[i].matches, i);
	}
	test_end();
}

static void test_referral_followers_errors(void)
{
	static const char *const tests[] = {
		"alpine", "=x", "name=", "id.=x", "id=x", "listener=host",
		"listener=imap1.example.org:143", "listener=1.2.3.4:x",
		"listener=1.2.3.4:99999", "port=imap", "port=0", "port=70000",
		"client=host", "client=10.0.0.0/33", "server=x", "client",
		"port=143,x",
	};
	struct referral_followers *followers;
	const char *error;
	unsigned int i;

	test_begin("referral followers: errors");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		test_assert_idx(referral_followers_parse(
			pool_datastack_create(), tests[i],
			&followers, &error) < 0, i);
		test_assert_idx(error != NULL &&
				strstr(error, ": expected ") != NULL, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_followers_match,
		test_referral_followers_errors,
		NULL
	};
	return unit_run(test_functions);
}
