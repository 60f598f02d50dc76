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

static int
passdb_imap_referral_preinit(pool_t pool, struct event *event,
#ifdef HAVE_PASSDB_PARAMETERS
			     const struct passdb_parameters *params ATTR_UNUSED,
#endif
			     struct passdb_module **module_r,
			     const char **error_r)
{
	struct referral_plugin_settings *set;

	set = p_new(pool, struct referral_plugin_settings, 1);
	if (imap_referral_plugin_settings_get(event, pool, set, error_r) < 0)
		return -1;
	*module_r = passdb_imap_referral_create(pool, set,
						global_auth_settings->base_dir,
						error_r);
	return *module_r == NULL ? -1 : 0;
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
