/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "unichar.h"
#include "uri-util.h"
#include "imap-url.h"
#include "referral-url.h"

#include <ctype.h>

/* RFC 1035 section 2.3.4 */
#define HOST_MAX_LENGTH 253
#define HOST_LABEL_MAX_LENGTH 63

#define HOST_EXPECTED \
	"the host is not a DNS name, an IPv4 address or an IPv6 address"

static bool is_unreserved(char c)
{
	return i_isalnum(c) || c == '-' || c == '.' || c == '_' || c == '~';
}

static void append_encoded(string_t *str, const char *data, char keep)
{
	for (; *data != '\0'; data++) {
		if (is_unreserved(*data) || (keep != '\0' && *data == keep))
			str_append_c(str, *data);
		else
			str_printfa(str, "%%%02X", (unsigned char)*data);
	}
}

static bool host_label_is_valid(const char *label)
{
	size_t len = strlen(label);

	if (len == 0 || len > HOST_LABEL_MAX_LENGTH)
		return FALSE;
	if (label[0] == '-' || label[len-1] == '-')
		return FALSE;
	for (; *label != '\0'; label++) {
		if (!i_isalnum(*label) && *label != '-')
			return FALSE;
	}
	return TRUE;
}

static bool host_name_is_valid(const char *name)
{
	const char *const *labels;
	unsigned int i, count;

	if (strlen(name) > HOST_MAX_LENGTH)
		return FALSE;
	labels = t_strsplit(name, ".");
	count = str_array_length(labels);
	for (i = 0; i < count; i++) {
		if (!host_label_is_valid(labels[i]))
			return FALSE;
	}
	/* What ends with a number is an address or nothing: resolvers would
	   read 127.1 as one. */
	return count > 0 && !str_is_numeric(labels[count-1], '\0');
}

/* URLs have to be understood by others, Dovecot's proxy first of all: it takes
   the beginning of 192.0.2.1.example.org for an address. */
static bool host_name_is_valid_in_url(const char *name)
{
	struct uri_parser parser;

	uri_parser_init(&parser, pool_datastack_create(), name);
	return uri_parse_host(&parser, NULL) >= 0 &&
		parser.cur == parser.end;
}

/* The host without brackets. */
static int
host_parse(pool_t pool, const char *host, struct referral_url *url)
{
	size_t len = strlen(host);

	/* Dovecot 2.4's net_addr2ip() takes fe80::1%eth0, which means nothing
	   elsewhere. */
	if (len > HOST_MAX_LENGTH + 1 || strchr(host, '%') != NULL)
		return -1;
	if (net_addr2ip(host, &url->ip) == 0) {
		url->host = p_strdup(pool, net_ip2addr(&url->ip));
		/* inet_aton() takes 127.1 and octal numbers, too */
		return url->ip.family == AF_INET6 ||
			strcmp(url->host, host) == 0 ? 0 : -1;
	}
	i_zero(&url->ip);
	if (len > 1 && host[len-1] == '.')
		host = t_strndup(host, len-1);
	if (!host_name_is_valid(host) || !host_name_is_valid_in_url(host))
		return -1;
	url->host = p_strdup(pool, t_str_lcase(host));
	return 0;
}

const char *referral_mailbox_name_error(const char *name)
{
	const char *p;

	if (*name == '\0')
		return "the mailbox name is empty";
	if (strlen(name) > REFERRAL_MAX_MAILBOX_LENGTH)
		return "the mailbox name is too long";
	if (!uni_utf8_str_is_valid(name))
		return "the mailbox name is not UTF-8";
	for (p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "the mailbox name has a control character";
		if (*p == '/' && (p == name || p[1] == '/' || p[1] == '\0'))
			return "the mailbox name has an empty level";
		/* A URL cannot have them (RFC 3986 section 5.2.4). */
		if (*p == '.' && (p == name || p[-1] == '/') &&
		    (p[1] == '/' || p[1] == '\0' ||
		     (p[1] == '.' && (p[2] == '/' || p[2] == '\0'))))
			return "the mailbox name has a level . or ..";
	}
	return NULL;
}

const char *referral_user_name_error(const char *name)
{
	const char *p;

	if (*name == '\0')
		return "the user name is empty";
	if (strlen(name) > REFERRAL_MAX_USER_LENGTH)
		return "the user name is too long";
	if (!uni_utf8_str_is_valid(name))
		return "the user name is not UTF-8";
	for (p = name; *p != '\0'; p++) {
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return "the user name has a control character";
	}
	return NULL;
}

static int
mailbox_parse(pool_t pool, const char *name, struct referral_url *url,
	      const char **error_r)
{
	size_t len = strlen(name);
	const char *error;

	/* imap://host/mailbox/ is that mailbox: cut what clients would take
	   for a part of the name */
	if (len > 1 && name[len-1] == '/')
		name = t_strndup(name, len-1);
	if ((error = referral_mailbox_name_error(name)) != NULL) {
		*error_r = error;
		return -1;
	}
	url->mailbox = p_strdup(pool, name);
	return 0;
}

int referral_url_parse(pool_t pool, const char *str,
		       struct referral_url *url_r, const char **error_r)
{
	struct imap_url *url;
	const char *error;
	size_t authority_len;

	i_zero(url_r);
	if (strncasecmp(str, "imap://", 7) != 0) {
		*error_r = "expected an URL that starts with imap://";
		return -1;
	}
	if (str[7] == '\0' || str[7] == '/' || str[7] == ':') {
		*error_r = "expected imap://host[:port]/mailbox, "
			"but there is no host";
		return -1;
	}
	/* imap_url_parse() decodes host names, and takes an empty user */
	authority_len = strcspn(str + 7, "/?#");
	if (memchr(str + 7, '%', authority_len) != NULL) {
		*error_r = HOST_EXPECTED;
		return -1;
	}
	if (memchr(str + 7, '@', authority_len) != NULL) {
		*error_r = "expected a URL without user and AUTH";
		return -1;
	}
	if (imap_url_parse(str, NULL, 0, &url, &error) < 0) {
		/* Not the parser's error, which may quote the URL. */
		*error_r = "expected imap://host[:port]/mailbox, with all but "
			"letters, digits and - . _ ~ / percent-encoded";
		return -1;
	}
	if (url->userid != NULL || url->auth_type != NULL) {
		*error_r = "expected a URL without user and AUTH";
		return -1;
	}
	if (url->uidvalidity != 0 || url->uid != 0 || url->section != NULL ||
	    url->have_partial || url->search_program != NULL ||
	    url->uauth_rumpurl != NULL) {
		*error_r = "expected a URL of a mailbox, not of messages";
		return -1;
	}
	/* as it was written: 010.0.0.1 is parsed as an address there */
	if (url->host.name == NULL ||
	    host_parse(pool, url->host.name, url_r) < 0) {
		*error_r = HOST_EXPECTED;
		return -1;
	}
	url_r->port = url->port == 0 ? REFERRAL_DEFAULT_PORT : url->port;
	if (url->mailbox != NULL && url->mailbox[0] != '\0')
		return mailbox_parse(pool, url->mailbox, url_r, error_r);
	return 0;
}

int referral_url_parse_server(pool_t pool, const char *str,
			      in_port_t default_port,
			      struct referral_url *url_r,
			      const char **error_r)
{
	const char *p, *host = str, *port = NULL;

	i_zero(url_r);
	if (*str == '\0') {
		*error_r = "expected host[:port], but it is empty";
		return -1;
	}
	if (strstr(str, "://") != NULL) {
		*error_r = "expected host[:port], not a URL";
		return -1;
	}
	if (*str == '[') {
		if ((p = strchr(str, ']')) == NULL ||
		    (p[1] != '\0' && p[1] != ':')) {
			*error_r = "expected [IPv6 address][:port]";
			return -1;
		}
		host = t_strdup_until(str + 1, p);
		if (p[1] == ':')
			port = p + 2;
		if (strchr(host, ':') == NULL) {
			*error_r = "expected [IPv6 address][:port]";
			return -1;
		}
	} else if ((p = strchr(str, ':')) != NULL &&
		   strchr(p + 1, ':') == NULL) {
		host = t_strdup_until(str, p);
		port = p + 1;
	}
	if (host_parse(pool, host, url_r) < 0) {
		*error_r = HOST_EXPECTED;
		return -1;
	}
	if (port == NULL)
		url_r->port = default_port;
	else if (!str_is_numeric(port, '\0') ||
		 net_str2port(port, &url_r->port) < 0) {
		*error_r = "the port is not a number from 1 to 65535";
		return -1;
	}
	return 0;
}

void referral_url_append_mailbox(string_t *str, const char *mailbox)
{
	append_encoded(str, mailbox, '/');
}

const char *referral_url_get_server(const struct referral_url *url)
{
	return t_strdup_printf(url->ip.family == AF_INET6 ?
			       "[%s]:%u" : "%s:%u", url->host, url->port);
}

void referral_url_append(string_t *str, const struct referral_url *url,
			 const char *user)
{
	str_append(str, "imap://");
	if (user != NULL) {
		append_encoded(str, user, '\0');
		str_append(str, ";AUTH=*@");
	}
	if (url->ip.family == AF_INET6)
		str_printfa(str, "[%s]", url->host);
	else
		str_append(str, url->host);
	if (url->port != REFERRAL_DEFAULT_PORT)
		str_printfa(str, ":%u", url->port);
	str_append_c(str, '/');
	if (url->mailbox != NULL)
		referral_url_append_mailbox(str, url->mailbox);
}

const char *referral_url_create(const struct referral_url *url,
				const char *user)
{
	string_t *str = t_str_new(128);

	referral_url_append(str, url, user);
	return str_c(str);
}

bool referral_url_same_server(const struct referral_url *url1,
			      const struct referral_url *url2)
{
	if (url1->port != url2->port)
		return FALSE;
	if (url1->ip.family != 0 || url2->ip.family != 0)
		return net_ip_compare(&url1->ip, &url2->ip);
	return strcmp(url1->host, url2->host) == 0;
}
