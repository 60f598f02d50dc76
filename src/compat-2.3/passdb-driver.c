/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "module-dir.h"
#include "auth-settings.h"
#include "referral-compat-settings.h"
#include "passdb-imap-referral.h"

void authdb_imap_referral_init(struct module *module);
void authdb_imap_referral_deinit(void);
extern const char *authdb_imap_referral_version;

const char *authdb_imap_referral_version = DOVECOT_ABI_VERSION;

/* "args" is the path of the settings file, or empty for the defaults. */
static struct passdb_module *
passdb_imap_referral_preinit(pool_t pool, const char *args)
{
	struct referral_plugin_settings *set;
	struct passdb_module *module;
	const char *error;

	set = p_new(pool, struct referral_plugin_settings, 1);
	referral_settings_init(referral_plugin_setting_defs, pool, set);
	if (*args != '\0' &&
	    referral_settings_file_read(referral_plugin_setting_defs,
					pool, set, args, &error) < 0)
		i_fatal("passdb imap_referral: %s", error);
	module = passdb_imap_referral_create(pool, set,
					     global_auth_settings->base_dir,
					     &error);
	if (module == NULL)
		i_fatal("passdb imap_referral: %s", error);
	return module;
}

static struct passdb_module_interface passdb_imap_referral = {
	.name = "imap_referral",

	.preinit = passdb_imap_referral_preinit,
	.init = passdb_imap_referral_init,
	.deinit = passdb_imap_referral_deinit,

	.verify_plain = passdb_imap_referral_verify_plain,
	.lookup_credentials = passdb_imap_referral_lookup_credentials,
};

void authdb_imap_referral_init(struct module *module ATTR_UNUSED)
{
	passdb_register_module(&passdb_imap_referral);
}

void authdb_imap_referral_deinit(void)
{
	passdb_unregister_module(&passdb_imap_referral);
}
