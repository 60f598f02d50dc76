/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "str.h"
#include "referral-compat.h"
#include "referral-self.h"
#include "unit-common.h"

/* The server's public name and port */
static const struct referral_url *
self_get_server(const struct referral_self *self)
{
	ARRAY_TYPE(referral_url) servers;

	referral_self_get_servers(self, NULL, 0, &servers);
	return array_front(&servers);
}

static void test_referral_self_init(void)
{
	static const struct {
		const char *server, *aliases;
		/* of the server, or NULL if refused */
		const char *host;
		in_port_t port;
		/* what the error is about */
		const char *error;
	} tests[] = {
		{ "imap1.example.org", "", "imap1.example.org", 143, NULL },
		{ "IMAP1.example.org:10143", "", "imap1.example.org", 10143,
		  NULL },
		{ "192.0.2.1", "", "192.0.2.1", 143, NULL },
		{ "[::1]:10143", "", "::1", 10143, NULL },
		{ "imap1", " a  b:993 [::1]:1 ", "imap1", 143, NULL },
		{ "h_1", "", NULL, 0, "imap_referral_server=h_1: " },
		{ "h:0", "", NULL, 0, "imap_referral_server=h:0: " },
		{ "a b", "", NULL, 0, "imap_referral_server=a b: " },
		{ "imap://h/", "", NULL, 0, "imap_referral_server=imap://h/" },
		{ "imap1", "a h_1", NULL, 0, "imap_referral_aliases: h_1: " },
		{ "imap1", "a,b", NULL, 0, "imap_referral_aliases: a,b: " },
		{ "imap1", "a:65536", NULL, 0,
		  "imap_referral_aliases: a:65536: " },
	};
	const struct referral_url *server;
	struct referral_self *self;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral self: init");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_self_init(pool_datastack_create(),
					 tests[i].server, tests[i].aliases,
					 &self, &error);
		if (tests[i].host == NULL) {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL &&
				str_begins_with(error, tests[i].error), i);
			continue;
		}
		test_assert_idx(ret == 0, i);
		server = self_get_server(self);
		test_assert_strcmp_idx(server->host, tests[i].host, i);
		test_assert_idx(server->port == tests[i].port, i);
	}
	test_end();
}

static void test_referral_self_init_default(void)
{
	struct referral_self *self;
	const struct referral_url *server;
	const char *error;

	test_begin("referral self: default");
	hostpid_init();
	if (referral_self_init(pool_datastack_create(), "", "", &self,
			       &error) < 0) {
		/* This host has a name that cannot be in a URL: then there is
		   no default. */
		test_assert(str_begins_with(error, "imap_referral_server="));
		test_end();
		return;
	}
	server = self_get_server(self);
	test_assert(strcasecmp(server->host, my_hostdomain()) == 0);
	test_assert(server->port == 143);
	test_end();
}

static void test_referral_self_matches(void)
{
	static const struct {
		const char *url;
		const char *local_ip;
		in_port_t local_port;
		bool matches;
	} tests[] = {
		/* 0: the name */
		{ "imap://imap1.example.org/", NULL, 0, TRUE },
		{ "imap://IMAP1.example.org./", NULL, 0, TRUE },
		{ "imap://imap1.example.org/Shared/x", NULL, 0, TRUE },
		{ "imap://imap1.example.org:143/", NULL, 0, TRUE },
		{ "imap://imap1.example.org:993/", NULL, 0, TRUE },
		{ "imap://imap1.example.org:10143/", NULL, 0, FALSE },
		{ "imap://imap2.example.org/", NULL, 0, FALSE },
		{ "imap://imap1/", NULL, 0, FALSE },
		{ "imap://imap1.example/", NULL, 0, FALSE },
		{ "imap://ximap1.example.org/", NULL, 0, FALSE },
		/* 10: the port that the client connected to */
		{ "imap://imap1.example.org:10143/", "192.0.2.1", 10143,
		  TRUE },
		{ "imap://imap1.example.org:10143/", NULL, 10143, TRUE },
		{ "imap://imap1.example.org/", "192.0.2.1", 10143, TRUE },
		{ "imap://imap2.example.org:10143/", "192.0.2.1", 10143,
		  FALSE },
		/* 14: aliases */
		{ "imap://mail.example.org/", NULL, 0, TRUE },
		{ "imap://mail.example.org:993/", NULL, 0, TRUE },
		{ "imap://mail.example.org:10143/", NULL, 0, FALSE },
		{ "imap://192.0.2.9/", NULL, 0, TRUE },
		{ "imap://[2001:db8::9]/", NULL, 0, TRUE },
		{ "imap://[2001:DB8:0::9]/", NULL, 0, TRUE },
		{ "imap://other.example.org:20143/", NULL, 0, TRUE },
		{ "imap://other.example.org/", NULL, 0, FALSE },
		/* 22: the address that the client connected to */
		{ "imap://192.0.2.1/", "192.0.2.1", 143, TRUE },
		{ "imap://192.0.2.1/", "192.0.2.1", 993, TRUE },
		{ "imap://192.0.2.1:993/", "192.0.2.1", 143, TRUE },
		{ "imap://192.0.2.1:10143/", "192.0.2.1", 10143, TRUE },
		{ "imap://192.0.2.1:10143/", "192.0.2.1", 143, FALSE },
		{ "imap://192.0.2.2/", "192.0.2.1", 143, FALSE },
		{ "imap://192.0.2.1/", NULL, 0, FALSE },
		{ "imap://[2001:db8::1]/", "2001:db8::1", 143, TRUE },
		{ "imap://[2001:db8::2]/", "2001:db8::1", 143, FALSE },
		{ "imap://192.0.2.1/", "2001:db8::1", 143, FALSE },
	};
	struct referral_self *self;
	struct referral_url url;
	struct ip_addr ip;
	const char *error;
	unsigned int i;

	test_begin("referral self: matches");
	test_assert(referral_self_init(pool_datastack_create(),
		"imap1.example.org", "mail.example.org 192.0.2.9 "
		"[2001:db8::9] other.example.org:20143",
		&self, &error) == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url, &url, &error) == 0, i);
		i_zero(&ip);
		if (tests[i].local_ip != NULL) {
			test_assert_idx(net_addr2ip(tests[i].local_ip,
						    &ip) == 0, i);
		}
		test_assert_idx(referral_self_matches(self, &url,
			tests[i].local_ip == NULL ? NULL : &ip,
			tests[i].local_port) == tests[i].matches, i);
		/* an address that is not known */
		if (tests[i].local_ip == NULL) {
			test_assert_idx(referral_self_matches(self, &url, &ip,
				tests[i].local_port) == tests[i].matches, i);
		}
	}
	test_end();
}

/* Several servers on one address, told apart by their ports; aliases without a
   port have the server's. */
static void test_referral_self_matches_port(void)
{
	static const struct {
		const char *url;
		in_port_t local_port;
		bool matches;
	} tests[] = {
		{ "imap://imap1:10143/", 10143, TRUE },
		{ "imap://imap1:20143/", 10143, FALSE },
		{ "imap://imap1/", 10143, FALSE },
		{ "imap://imap1:993/", 10143, FALSE },
		{ "imap://alias:10143/", 0, TRUE },
		{ "imap://alias/", 0, FALSE },
		/* behind a port that is forwarded */
		{ "imap://imap1:10143/", 143, TRUE },
		{ "imap://imap1/", 143, TRUE },
		{ "imap://imap1/", 993, TRUE },
		{ "imap://127.0.0.1:10143/", 143, TRUE },
		{ "imap://127.0.0.1:20143/", 10143, FALSE },
	};
	struct referral_self *self;
	struct referral_url url;
	struct ip_addr ip;
	const char *error;
	unsigned int i;

	test_begin("referral self: matches, with another port");
	test_assert(referral_self_init(pool_datastack_create(), "imap1:10143",
				       "alias", &self, &error) == 0);
	test_assert(net_addr2ip("127.0.0.1", &ip) == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url, &url, &error) == 0, i);
		test_assert_idx(referral_self_matches(self, &url, &ip,
			tests[i].local_port) == tests[i].matches, i);
	}
	test_end();
}

static void test_referral_self_get_servers(void)
{
	static const struct {
		const char *server, *aliases, *local_ip;
		in_port_t local_port;
		const char *servers;
	} tests[] = {
		{ "imap1", "", NULL, 0, "imap://imap1/ imap://imap1:993/" },
		{ "imap1", "a b:1 a imap1", NULL, 0,
		  "imap://imap1/ imap://a/ imap://b:1/ "
		  "imap://imap1:993/ imap://a:993/" },
		{ "imap1", "a", NULL, 143, "imap://imap1/ imap://a/ "
		  "imap://imap1:993/ imap://a:993/" },
		{ "imap1", "a", NULL, 993, "imap://imap1/ imap://a/ "
		  "imap://imap1:993/ imap://a:993/" },
		{ "imap1:993", "", NULL, 993,
		  "imap://imap1:993/ imap://imap1/" },
		{ "imap1", "", "192.0.2.1", 143,
		  "imap://imap1/ imap://192.0.2.1/ "
		  "imap://imap1:993/ imap://192.0.2.1:993/" },
		{ "imap1", "", "192.0.2.1", 993, "imap://imap1/ "
		  "imap://imap1:993/ imap://192.0.2.1:993/ "
		  "imap://192.0.2.1/" },
		{ "imap1:10143", "", "2001:db8::1", 143,
		  "imap://imap1:10143/ imap://imap1/ "
		  "imap://[2001:db8::1]/ imap://[2001:db8::1]:10143/ "
		  "imap://imap1:993/ imap://[2001:db8::1]:993/" },
		{ "192.0.2.1", "", "192.0.2.1", 143,
		  "imap://192.0.2.1/ imap://192.0.2.1:993/" },
		{ "imap1:10143", "", "192.0.2.1", 0,
		  "imap://imap1:10143/ imap://192.0.2.1:10143/" },
	};
	ARRAY_TYPE(referral_url) servers;
	const struct referral_url *url;
	struct referral_self *self;
	struct ip_addr ip;
	const char *error;
	unsigned int i;
	string_t *str;

	test_begin("referral self: names and ports");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		test_assert_idx(referral_self_init(pool_datastack_create(),
			tests[i].server, tests[i].aliases, &self,
			&error) == 0, i);
		if (tests[i].local_ip != NULL) {
			test_assert_idx(net_addr2ip(tests[i].local_ip,
						    &ip) == 0, i);
		}
		referral_self_get_servers(self, tests[i].local_ip == NULL ?
					  NULL : &ip, tests[i].local_port,
					  &servers);
		str = t_str_new(128);
		array_foreach(&servers, url) {
			if (str_len(str) > 0)
				str_append_c(str, ' ');
			referral_url_append(str, url, NULL);
			/* each of them matches */
			test_assert_idx(referral_self_matches(self, url,
				tests[i].local_ip == NULL ? NULL : &ip,
				tests[i].local_port), i);
		}
		test_assert_strcmp_idx(str_c(str), tests[i].servers, i);
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_self_init,
		test_referral_self_init_default,
		test_referral_self_matches,
		test_referral_self_matches_port,
		test_referral_self_get_servers,
		NULL
	};
	return unit_run(test_functions);
}
