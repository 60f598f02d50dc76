/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "login-common.h"
#include "dict-private.h"
#include "client-common.h"
#include "referral-plugin-settings.h"
#include "imap-login-referral-client.h"
#include "imap-login-referral-compat.h"
#include "imap-login-referral-plugin.h"

const char *imap_login_referral_plugin_version = DOVECOT_ABI_VERSION;

static struct login_client_hooks imap_login_referral_hooks = {
	.client_allocated = imap_login_referral_client_allocated,
};
static struct referral_plugin_settings imap_login_referral_set;
static pool_t imap_login_referral_pool;

/* Other protocols' login processes load it where login_plugins is set for all
   of them. */
static bool is_imap(void)
{
	return strcmp(login_binary->protocol, "imap") == 0;
}

void imap_login_referral_plugin_init(struct module *module)
{
	const char *error;

	if (!is_imap())
		return;
	imap_login_referral_pool =
		pool_alloconly_create("imap login referral settings", 1024);
	if (imap_login_referral_settings_get(imap_login_referral_pool,
					     &imap_login_referral_set,
					     &error) < 0 ||
	    imap_login_referral_clients_init(imap_login_referral_pool,
					     &imap_login_referral_set,
					     &error) < 0)
		i_fatal("imap_login_referral plugin: %s", error);
	dict_driver_register(&dict_driver_client);
	login_client_hooks_add(module, &imap_login_referral_hooks);
}

void imap_login_referral_plugin_deinit(void)
{
	if (!is_imap())
		return;
	login_client_hooks_remove(&imap_login_referral_hooks);
	imap_login_referral_clients_deinit();
	dict_driver_unregister(&dict_driver_client);
	pool_unref(&imap_login_referral_pool);
}
