/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "login-common.h"
#include "ioloop.h"
#include "master-service.h"
#include "client-common.h"
#include "referral-plugin-settings.h"
#include "referral-compat-settings.h"
#include "imap-login-referral-compat.h"

int imap_login_referral_settings_get(pool_t pool,
				     struct referral_plugin_settings *set,
				     const char **error_r)
{
	return imap_referral_plugin_settings_get(
		master_service_get_event(master_service), pool, set, error_r);
}

bool imap_login_referral_is_trusted(const struct client *client)
{
	return client->connection_trusted;
}

void imap_login_referral_begin_input(struct client *client)
{
	/* the io is there; what has been read already */
	io_set_pending(client->io);
}

const char *
imap_login_referral_reply_host(const struct client_auth_reply *reply)
{
	return reply->proxy.host;
}

in_port_t imap_login_referral_reply_port(const struct client_auth_reply *reply)
{
	return reply->proxy.port;
}

const char *
imap_login_referral_reply_user(const struct client_auth_reply *reply)
{
	return reply->proxy.username;
}
