#ifndef REFERRAL_SELF_H
#define REFERRAL_SELF_H

#include "array-decl.h"
#include "referral-url.h"

ARRAY_DEFINE_TYPE(referral_url, struct referral_url);

/* Who this server is: we never refer a client to ourselves. */
struct referral_self;

/* "server" is host[:port], "aliases" a list of the same, separated by spaces;
   an alias without a port has the server's. Either may be empty; the server's
   default is this host's own name at port 143. Everything is allocated from
   the pool. Returns 0, or -1 with error_r. */
int referral_self_init(pool_t pool, const char *server, const char *aliases,
		       struct referral_self **self_r, const char **error_r);

/* Returns the server's public name and port. */
const struct referral_url *
referral_self_get_server(const struct referral_self *self);

/* TRUE if the URL's host and port are this server: its name, an alias, or the
   address that the client connected to (NULL if not known). A port matches if
   it is the one configured or the one that the client connected to, and 143
   and 993 are taken for the two ports of one server. */
bool referral_self_matches(const struct referral_self *self,
			   const struct referral_url *url,
			   const struct ip_addr *local_ip,
			   in_port_t local_port) ATTR_NULL(3);

/* Get all names and ports under which the directory may know this server, each
   once, allocated from the data stack. The first one is its public name. */
void referral_self_get_servers(const struct referral_self *self,
			       const struct ip_addr *local_ip,
			       in_port_t local_port,
			       ARRAY_TYPE(referral_url) *servers_r)
	ATTR_NULL(2);

#endif
