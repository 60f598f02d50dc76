/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hostpid.h"
#include "referral-self.h"

#define IMAP_PORT 143
#define IMAPS_PORT 993

struct referral_self {
	/* The first one is the server itself. */
	ARRAY(struct referral_url) servers;
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

static bool ports_match(in_port_t port1, in_port_t port2)
{
	return port1 == port2 ||
		(port1 == IMAP_PORT && port2 == IMAPS_PORT) ||
		(port1 == IMAPS_PORT && port2 == IMAP_PORT);
}

bool referral_self_matches(const struct referral_self *self,
			   const struct referral_url *url,
			   const struct ip_addr *local_ip,
			   in_port_t local_port)
{
	const struct referral_url *server = array_front(&self->servers);
	struct referral_url local;

	array_foreach(&self->servers, server) {
		struct referral_url same_port = *server;

		same_port.port = url->port;
		if (referral_url_same_server(&same_port, url) &&
		    (ports_match(url->port, server->port) ||
		     ports_match(url->port, local_port)))
			return TRUE;
	}

	if (local_ip == NULL || local_ip->family == 0)
		return FALSE;
	server = array_front(&self->servers);
	i_zero(&local);
	local.ip = *local_ip;
	local.host = "";
	local.port = url->port;
	return referral_url_same_server(&local, url) &&
		(ports_match(url->port, local_port) ||
		 ports_match(url->port, server->port));
}

const struct referral_url *
referral_self_get_server(const struct referral_self *self)
{
	return array_front(&self->servers);
}
