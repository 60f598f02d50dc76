/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "strescape.h"
#include "wildcard-match.h"
#include "referral-compat.h"
#include "referral-url.h"
#include "referral-followers.h"

#define FOLLOWERS_EXPECTED \
	"listener=ADDRESS, listener=ADDRESS:PORT, port=PORT, " \
	"server_name=PATTERN, client=NETWORK or id.NAME=PATTERN"

enum follower_type {
	FOLLOWER_TYPE_LISTENER,
	FOLLOWER_TYPE_SERVER_NAME,
	FOLLOWER_TYPE_CLIENT,
	FOLLOWER_TYPE_ID,
};

struct referral_follower {
	enum follower_type type;
	/* listener: any address if the family is 0; client: the network */
	struct ip_addr ip;
	unsigned int bits;
	/* listener: 0 = any port */
	in_port_t port;
	/* id */
	const char *name;
	/* server_name, id */
	const char *pattern;
};

struct referral_followers {
	ARRAY(struct referral_follower) list;
};

/* ADDRESS or ADDRESS:PORT, with IPv6 in brackets if a port follows. */
static int
listener_parse(pool_t pool, const char *value,
	       struct referral_follower *follower)
{
	struct referral_url url;
	const char *error;

	if (net_addr2ip(value, &follower->ip) == 0)
		return 0;
	if (referral_url_parse_server(pool, value, 0, &url, &error) < 0 ||
	    url.ip.family == 0)
		return -1;
	follower->ip = url.ip;
	follower->port = url.port;
	return 0;
}

static int
follower_parse(pool_t pool, const char *str,
	       struct referral_follower *follower_r)
{
	const char *value = strchr(str, '=');
	const char *name;

	i_zero(follower_r);
	if (value == NULL || value[1] == '\0')
		return -1;
	name = t_str_trim(t_strdup_until(str, value), " \t");
	value = p_strdup(pool, t_str_trim(value + 1, " \t"));

	if (strcmp(name, "listener") == 0) {
		follower_r->type = FOLLOWER_TYPE_LISTENER;
		return listener_parse(pool, value, follower_r);
	}
	if (strcmp(name, "port") == 0) {
		follower_r->type = FOLLOWER_TYPE_LISTENER;
		return net_str2port(value, &follower_r->port);
	}
	if (strcmp(name, "server_name") == 0) {
		follower_r->type = FOLLOWER_TYPE_SERVER_NAME;
		follower_r->pattern = value;
		return 0;
	}
	if (strcmp(name, "client") == 0) {
		follower_r->type = FOLLOWER_TYPE_CLIENT;
		return net_parse_range(value, &follower_r->ip,
				       &follower_r->bits);
	}
	if (strncmp(name, "id.", 3) == 0 && name[3] != '\0') {
		follower_r->type = FOLLOWER_TYPE_ID;
		follower_r->name = p_strdup(pool, name + 3);
		follower_r->pattern = value;
		return 0;
	}
	return -1;
}

int referral_followers_parse(pool_t pool, const char *str,
			     struct referral_followers **followers_r,
			     const char **error_r)
{
	struct referral_followers *followers;
	struct referral_follower *follower;
	const char *const *conditions, *condition;

	followers = p_new(pool, struct referral_followers, 1);
	p_array_init(&followers->list, pool, 4);
	for (conditions = t_strsplit(str, ","); *conditions != NULL;
	     conditions++) {
		condition = t_str_trim(*conditions, " \t");
		if (*condition == '\0')
			continue;
		follower = array_append_space(&followers->list);
		if (follower_parse(pool, condition, follower) < 0) {
			*error_r = t_strdup_printf("%s: expected "
				FOLLOWERS_EXPECTED, condition);
			return -1;
		}
	}
	*followers_r = followers;
	return 0;
}

/* Take a quoted string or NIL, and the space behind it. Returns FALSE at the
   end. value_r is NULL for NIL. */
static bool id_next(const char **p, const char **value_r)
{
	string_t *value;
	const char *str = *p;

	if (*str == '\0')
		return FALSE;
	*value_r = NULL;
	if (*str != '"')
		str += strcspn(str, " ");
	else {
		value = t_str_new(64);
		for (str++; *str != '\0' && *str != '"'; str++) {
			if (*str == '\\' && str[1] != '\0')
				str++;
			str_append_c(value, *str);
		}
		if (*str == '"')
			str++;
		*value_r = str_c(value);
	}
	while (*str == ' ')
		str++;
	*p = str;
	return TRUE;
}

static bool
id_matches(const struct referral_follower *follower, const char *client_id)
{
	const char *name, *value;

	if (client_id == NULL)
		return FALSE;
	while (id_next(&client_id, &name) && id_next(&client_id, &value)) {
		if (name != NULL && value != NULL &&
		    strcasecmp(name, follower->name) == 0 &&
		    wildcard_match_icase(value, follower->pattern))
			return TRUE;
	}
	return FALSE;
}

static bool
follower_matches(const struct referral_follower *follower,
		 const struct referral_connection *conn)
{
	switch (follower->type) {
	case FOLLOWER_TYPE_LISTENER:
		return (follower->ip.family == 0 ||
			net_ip_compare(&follower->ip, &conn->local_ip)) &&
			(follower->port == 0 ||
			 follower->port == conn->local_port);
	case FOLLOWER_TYPE_SERVER_NAME:
		return conn->server_name != NULL &&
			wildcard_match_icase(conn->server_name,
					     follower->pattern);
	case FOLLOWER_TYPE_CLIENT:
		return conn->remote_ip.family != 0 &&
			net_is_in_network(&conn->remote_ip, &follower->ip,
					  follower->bits);
	case FOLLOWER_TYPE_ID:
		return id_matches(follower, conn->client_id);
	}
	i_unreached();
}

bool referral_followers_match(const struct referral_followers *followers,
			      const struct referral_connection *conn)
{
	const struct referral_follower *follower;

	array_foreach(&followers->list, follower) {
		if (follower_matches(follower, conn))
			return TRUE;
	}
	return FALSE;
}
