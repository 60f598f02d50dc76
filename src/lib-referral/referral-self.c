/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "referral-self.h"

#define IMAP_PORT 143
#define IMAPS_PORT 993

struct referral_self {
	/* The first one is the server itself. */
	ARRAY_TYPE(referral_url) servers;
};

int referral_self_init(pool_t pool, const char *server, const char *aliases,
		       struct referral_self **self_r, const char **error_r)
{
	struct referral_self *self;
	struct referral_url url;
	const char *const *names, *error;
	in_port_t port;

	self = p_new(pool, struct referral_self, 1);
	p_array_init(&self->servers, pool, 4);

	if (*server == '\0')
		server = my_hostdomain();
	if (referral_url_parse_server(pool, server, REFERRAL_DEFAULT_PORT,
				      &url, &error) < 0) {
		*error_r = t_strdup_printf("imap_referral_server=%s: %s",
					   server, error);
		return -1;
	}
	array_push_back(&self->servers, &url);
	port = url.port;

	for (names = t_strsplit_spaces(aliases, " "); *names != NULL; names++) {
		if (referral_url_parse_server(pool, *names, port,
					      &url, &error) < 0) {
			*error_r = t_strdup_printf(
				"imap_referral_aliases: %s: %s", *names, error);
			return -1;
		}
		array_push_back(&self->servers, &url);
	}
	*self_r = self;
	return 0;
}

const struct referral_url *
referral_self_get_server(const struct referral_self *self)
{
	return array_front(&self->servers);
}

/* The other port of a server that has both of IMAP's, or 0. */
static in_port_t partner_port(in_port_t port)
{
	return port == IMAP_PORT ? IMAPS_PORT :
		port == IMAPS_PORT ? IMAP_PORT : 0;
}

static void
add_server(ARRAY_TYPE(referral_url) *servers, const struct referral_url *url)
{
	const struct referral_url *server;

	array_foreach(servers, server) {
		if (referral_url_same_server(server, url))
			return;
	}
	array_push_back(servers, url);
}

static void
add_server_port(ARRAY_TYPE(referral_url) *servers,
		const struct referral_url *server, in_port_t port)
{
	struct referral_url url = *server;

	url.port = port;
	if (port != 0)
		add_server(servers, &url);
}

void referral_self_get_servers(const struct referral_self *self,
			       const struct ip_addr *local_ip,
			       in_port_t local_port,
			       ARRAY_TYPE(referral_url) *servers_r)
{
	const struct referral_url *server;
	struct referral_url url;
	unsigned int i, count;

	t_array_init(servers_r, 8);
	array_foreach(&self->servers, server)
		add_server(servers_r, server);
	array_foreach(&self->servers, server)
		add_server_port(servers_r, server, local_port);

	if (local_ip != NULL && local_ip->family != 0) {
		i_zero(&url);
		url.ip = *local_ip;
		url.host = net_ip2addr(local_ip);
		add_server_port(servers_r, &url, local_port);
		server = array_front(&self->servers);
		add_server_port(servers_r, &url, server->port);
	}

	count = array_count(servers_r);
	for (i = 0; i < count; i++) {
		/* adding may move the array */
		url = *array_idx(servers_r, i);
		add_server_port(servers_r, &url, partner_port(url.port));
	}
}

bool referral_self_matches(const struct referral_self *self,
			   const struct referral_url *url,
			   const struct ip_addr *local_ip,
			   in_port_t local_port)
{
	ARRAY_TYPE(referral_url) servers;
	const struct referral_url *server;

	referral_self_get_servers(self, local_ip, local_port, &servers);
	array_foreach(&servers, server) {
		if (referral_url_same_server(server, url))
			return TRUE;
	}
	return FALSE;
}
