/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "istream.h"
#include "net.h"
#include "str.h"
#include "write-full.h"
#include "dict.h"
#include "referral-dict.h"
#include "referral-lookup.h"
#include "unit-common.h"

#include <unistd.h>

/* Dovecot's own dict client, as compat-2.3 opens it, against a server of ours:
   test-referral-lookup has a dict of its own. */

#define TEST_TIMEOUT_MSECS 150

struct test_server {
	int fd_listen, fd;
	struct io *io_listen, *io;
	struct istream *input;

	const char *reply;
	char *hello, *lookup;
};

struct test_lookup {
	unsigned int callback_count;
	int ret;
	char *value, *error;
};

static struct ioloop *test_ioloop;

static void test_server_disconnect(struct test_server *server)
{
	io_remove(&server->io);
	i_stream_unref(&server->input);
	i_close_fd(&server->fd);
}

static void test_server_input(struct test_server *server)
{
	const char *line;

	while ((line = i_stream_read_next_line(server->input)) != NULL) {
		if (line[0] == 'H') {
			i_free(server->hello);
			server->hello = i_strdup(line);
		} else if (line[0] == 'L') {
			i_free(server->lookup);
			server->lookup = i_strdup(line);
			if (write_full(server->fd, server->reply,
				       strlen(server->reply)) < 0)
				i_fatal("write() failed: %m");
		}
	}
	if (server->input->eof)
		test_server_disconnect(server);
}

static void test_server_accept(struct test_server *server)
{
	int fd = net_accept(server->fd_listen, NULL, NULL);

	if (fd < 0)
		return;
	/* who reconnects may do so before we see that it left */
	if (server->fd != -1)
		test_server_disconnect(server);
	server->fd = fd;
	net_set_nonblock(fd, TRUE);
	server->input = i_stream_create_fd(fd, 4096);
	server->io = io_add(fd, IO_READ, test_server_input, server);
}

/* Without "accept", clients connect, and then nothing happens. */
static void test_server_init(struct test_server *server_r, bool accept)
{
	const char *path = unit_path("dict-async");

	i_zero(server_r);
	server_r->fd = -1;
	server_r->fd_listen = net_listen_unix(path, 8);
	if (server_r->fd_listen == -1)
		i_fatal("net_listen_unix(%s) failed: %m", path);
	if (accept) {
		net_set_nonblock(server_r->fd_listen, TRUE);
		server_r->io_listen = io_add(server_r->fd_listen, IO_READ,
					     test_server_accept, server_r);
	}
}

static void test_server_deinit(struct test_server *server)
{
	if (server->fd != -1)
		test_server_disconnect(server);
	io_remove(&server->io_listen);
	i_close_fd(&server->fd_listen);
	i_unlink(unit_path("dict-async"));
	i_free(server->hello);
	i_free(server->lookup);
}

static struct referral_client *test_compat_dict_begin(const char *name)
{
	test_begin(name);
	test_ioloop = io_loop_create();
	dict_drivers_register_builtin();
	return referral_client_init(unit_dir(), TEST_TIMEOUT_MSECS, NULL);
}

static void test_compat_dict_end(struct referral_client **client)
{
	referral_client_deinit(client);
	dict_drivers_unregister_builtin();
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	test_end();
}

static void
test_lookup_callback(const struct referral_lookup_result *result,
		     struct test_lookup *lookup)
{
	lookup->callback_count++;
	lookup->ret = result->ret;
	lookup->value = i_strdup(result->value);
	lookup->error = i_strdup(result->error);
}

static void test_referral_compat_dict_answer(void)
{
	static const struct {
		const char *reply;
		int ret;
		const char *value;
	} tests[] = {
		{ "Oimap://imap2.example.org/\n", 1,
		  "imap://imap2.example.org/" },
		{ "N\n", 0, NULL },
		{ "Fdirectory is down\n", -1, NULL },
		{ "Mimap://a/ imap://b/\timap://c/\n", 1,
		  "imap://a/ imap://b/" },
	};
	struct referral_client *client;
	struct test_server server;
	struct test_lookup lookup;
	unsigned int i;

	client = test_compat_dict_begin("referral compat dict: answers");
	test_server_init(&server, TRUE);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		i_zero(&lookup);
		server.reply = tests[i].reply;
		referral_client_lookup_async(client, "joe",
			"shared/imap-referral/home/joe",
			test_lookup_callback, &lookup);
		unit_wait(lookup.callback_count == 1);
		test_assert_idx(lookup.ret == tests[i].ret, i);
		test_assert_strcmp_idx(lookup.value, tests[i].value, i);
		test_assert_strcmp_idx(server.lookup,
			"Lshared/imap-referral/home/joe\tjoe", i);
		i_free(lookup.value);
		i_free(lookup.error);
	}
	/* the dict that the administrator has to name */
	test_assert(server.hello != NULL &&
		    str_begins(server.hello, "H3\t") &&
		    strcmp(strrchr(server.hello, '\t'),
			   "\timap_referral") == 0);
	test_server_deinit(&server);
	test_compat_dict_end(&client);
}

static void test_referral_compat_dict_no_server(void)
{
	struct referral_client *client;
	struct referral_lookup_result result;

	client = test_compat_dict_begin("referral compat dict: no server");
	referral_client_lookup(client, "joe", "shared/imap-referral/home/joe",
			       &result);
	test_assert(result.ret == -1);
	test_assert(result.error != NULL &&
		    strstr(result.error, unit_path("dict-async")) != NULL);
	test_compat_dict_end(&client);
}

static void test_referral_compat_dict_hung(void)
{
	struct referral_client *client;
	struct referral_lookup_result result;
	struct test_server server;
	struct timeval start;
	unsigned int i;

	client = test_compat_dict_begin("referral compat dict: hung server");
	test_server_init(&server, FALSE);
	for (i = 0; i < 2; i++) {
		start = ioloop_timeval;
		referral_client_lookup(client, "joe",
				       "shared/imap-referral/home/joe",
				       &result);
		test_assert_idx(result.ret == -1, i);
		test_assert_idx(strstr(result.error, "150 ms") != NULL, i);
		test_assert_idx(unit_msecs_since(&start) < 10000, i);
	}
	test_server_deinit(&server);
	/* The dict client still waits for its answers when we go. */
	test_compat_dict_end(&client);
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_compat_dict_answer,
		test_referral_compat_dict_no_server,
		test_referral_compat_dict_hung,
		NULL
	};
	return unit_run(test_functions);
}
