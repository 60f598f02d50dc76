/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "login-common.h"
#include "ioloop.h"
#include "istream.h"
#include "client-common.h"
#include "referral-plugin-settings.h"
#include "referral-compat-settings.h"
#include "imap-login-referral-compat.h"

/* Login processes see neither passdbs nor plugin { }. */
#define IMAP_LOGIN_REFERRAL_ENV "IMAP_REFERRAL_CONF"

int imap_login_referral_settings_get(pool_t pool,
				     struct referral_plugin_settings *set,
				     const char **error_r)
{
	const char *path = getenv(IMAP_LOGIN_REFERRAL_ENV);

	referral_settings_init(referral_plugin_setting_defs, pool, set);
	if (path == NULL || *path == '\0') {
		*error_r = "import_environment lacks "IMAP_LOGIN_REFERRAL_ENV
			": expected the path of the file with the "
			"imap_referral_* settings";
		return -1;
	}
	return referral_settings_file_read(referral_plugin_setting_defs, pool,
					   set, path, error_r);
}

bool imap_login_referral_is_trusted(const struct client *client)
{
	return client->trusted;
}

void imap_login_referral_begin_input(struct client *client)
{
	client->io = io_add_istream(client->input, client_input, client);
	/* what has been read already */
	io_set_pending(client->io);
}

const char *
imap_login_referral_reply_host(const struct client_auth_reply *reply)
{
	return reply->host;
}

in_port_t imap_login_referral_reply_port(const struct client_auth_reply *reply)
{
	return reply->port;
}

const char *
imap_login_referral_reply_user(const struct client_auth_reply *reply)
{
	return reply->destuser;
}
