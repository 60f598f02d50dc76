#ifndef REFERRAL_URL_H
#define REFERRAL_URL_H

#include "net.h"

/* The port of IMAP (RFC 9051 section 2.1), which URLs do not spell out. */
#define REFERRAL_DEFAULT_PORT 143

/* Longer names exist nowhere; what is longer is not looked at. In bytes. */
#define REFERRAL_MAX_MAILBOX_LENGTH 4096
#define REFERRAL_MAX_USER_LENGTH 1024

/* More replicas than anybody has; in a list of URLs, what follows is ignored. */
#define REFERRAL_MAX_URLS 64

/* A place to send a client to: a server, or a mailbox on a server. The
   strings belong to whatever pool the URL was parsed into. Every instance that
   comes from referral_url_parse() or referral_url_parse_server() is safe to be
   written into a response line. */
struct referral_url {
	/* A DNS name in lower case without the final dot, an IPv4 address or
	   an IPv6 address without brackets. Never NULL or empty. */
	const char *host;
	/* The same if the host is an address, else family is 0. */
	struct ip_addr ip;
	/* Never 0. */
	in_port_t port;
	/* UTF-8, hierarchy separator '/', never empty, not percent-encoded.
	   NULL if the URL names only a server. */
	const char *mailbox;
};

/* Parse imap://host[:port][/[mailbox]] (RFC 5092 section 11) strictly: user,
   authentication mechanism, UIDVALIDITY, message parts and searches are
   refused, as is all that is not a host name (RFC 1123 section 2.1), an
   address or a mailbox name. Returns 0 with url_r filled, allocated from the
   pool; -1 with error_r, which says what was expected and quotes nothing of
   the URL. */
int referral_url_parse(pool_t pool, const char *str,
		       struct referral_url *url_r, const char **error_r);
/* Parse host[:port], with the brackets around an IPv6 address optional where
   no port follows. Otherwise as referral_url_parse(). */
int referral_url_parse_server(pool_t pool, const char *str,
			      in_port_t default_port,
			      struct referral_url *url_r,
			      const char **error_r);

/* Returns NULL if the name can be that of a mailbox, else what is wrong with
   it: empty, too long, not UTF-8, a control character, an empty level. */
const char *referral_mailbox_name_error(const char *name);

/* The same for the name of a user. */
const char *referral_user_name_error(const char *name);

/* Append the URL: scheme and host in lower case, the port only if it is not
   143, IPv6 in brackets, a slash after a bare server and none after a mailbox,
   all but unreserved characters (RFC 3986 section 2.3) and '/' encoded. With a
   user the URL is one for clients and says "user;AUTH=*@": without that, they
   would log in as anonymous (RFC 5092 section 3.2). */
void referral_url_append(string_t *str, const struct referral_url *url,
			 const char *user) ATTR_NULL(3);
const char *referral_url_create(const struct referral_url *url,
				const char *user) ATTR_NULL(2);
/* Append a mailbox name as in a URL. */
void referral_url_append_mailbox(string_t *str, const char *mailbox);

/* Returns "host:port", with IPv6 in brackets, allocated from the data stack: the
   one spelling of a server. */
const char *referral_url_get_server(const struct referral_url *url);
/* Whether both name the same server, by host and port. */
bool referral_url_same_server(const struct referral_url *url1,
			      const struct referral_url *url2);

#endif
