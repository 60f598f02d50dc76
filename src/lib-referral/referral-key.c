/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-compat.h"
#include "dict.h"
#include "referral-url.h"
#include "referral-key.h"

const char *referral_key_home(const char *user)
{
	if (referral_user_name_error(user) != NULL)
		return NULL;
	return t_strconcat(REFERRAL_KEY_HOME, dict_escape_string(user), NULL);
}

const char *referral_key_mailbox(const char *mailbox)
{
	if (referral_mailbox_name_error(mailbox) != NULL)
		return NULL;
	return t_strconcat(REFERRAL_KEY_MAILBOX,
			   dict_escape_string(mailbox), NULL);
}

const char *referral_key_shares(const struct referral_url *server)
{
	return t_strconcat(REFERRAL_KEY_SHARES,
		dict_escape_string(referral_url_get_server(server)), NULL);
}

const char *referral_key_server(const struct referral_url *server)
{
	return t_strconcat(REFERRAL_KEY_SERVER,
		dict_escape_string(referral_url_get_server(server)), NULL);
}

static bool server_parse(const char *str, const char **name_r)
{
	struct referral_url url;
	const char *error;

	if (referral_url_parse_server(pool_datastack_create(), str,
				      REFERRAL_DEFAULT_PORT, &url, &error) < 0)
		return FALSE;
	*name_r = referral_url_get_server(&url);
	return TRUE;
}

bool referral_key_parse(const char *key, enum referral_key_type *type_r,
			const char **name_r)
{
	const char *suffix;

	if (str_begins_with(key, REFERRAL_KEY_HOME)) {
		suffix = key + strlen(REFERRAL_KEY_HOME);
		*type_r = REFERRAL_KEY_TYPE_HOME;
		*name_r = dict_unescape_string(suffix);
		return strchr(suffix, '/') == NULL &&
			referral_user_name_error(*name_r) == NULL;
	}
	if (str_begins_with(key, REFERRAL_KEY_MAILBOX)) {
		suffix = key + strlen(REFERRAL_KEY_MAILBOX);
		*type_r = REFERRAL_KEY_TYPE_MAILBOX;
		*name_r = dict_unescape_string(suffix);
		return strchr(suffix, '/') == NULL &&
			referral_mailbox_name_error(*name_r) == NULL;
	}
	if (str_begins_with(key, REFERRAL_KEY_SHARES)) {
		suffix = key + strlen(REFERRAL_KEY_SHARES);
		*type_r = REFERRAL_KEY_TYPE_SHARES;
		return server_parse(dict_unescape_string(suffix), name_r);
	}
	if (str_begins_with(key, REFERRAL_KEY_SERVER)) {
		suffix = key + strlen(REFERRAL_KEY_SERVER);
		*type_r = REFERRAL_KEY_TYPE_SERVER;
		return server_parse(dict_unescape_string(suffix), name_r);
	}
	*name_r = "";
	if (strcmp(key, REFERRAL_KEY_STATUS) == 0) {
		*type_r = REFERRAL_KEY_TYPE_STATUS;
		return TRUE;
	}
	if (strcmp(key, REFERRAL_KEY_FLUSH) == 0) {
		*type_r = REFERRAL_KEY_TYPE_FLUSH;
		return TRUE;
	}
	return FALSE;
}
