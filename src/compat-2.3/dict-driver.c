/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "module-dir.h"
#include "referral-compat-ldap-settings.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "dict-referral-ldap.h"

void dict_referral_ldap_init(struct module *module);
void dict_referral_ldap_deinit(void);
extern const char *dict_referral_ldap_version;

const char *dict_referral_ldap_version = DOVECOT_ABI_VERSION;

/* The URI is the path of the settings file. */
static int
dict_driver_referral_ldap_init(struct dict *driver, const char *uri,
			       const struct dict_settings *dict_set,
			       struct dict **dict_r, const char **error_r)
{
	struct referral_ldap_settings *set;
	struct referral_directory *dir;
	pool_t pool;

	dir = dict_referral_ldap_find_directory(uri);
	if (dir == NULL) {
		pool = pool_alloconly_create("referral ldap settings", 2048);
		set = p_new(pool, struct referral_ldap_settings, 1);
		if (referral_ldap_settings_read(uri, pool, set, error_r) < 0) {
			pool_unref(&pool);
			return -1;
		}
		dir = dict_referral_ldap_add_directory(uri, set, pool,
						       dict_set->base_dir);
	}
	*dict_r = dict_referral_ldap_create(driver, dir);
	return 0;
}

static int
dict_driver_referral_ldap_lookup(struct dict *dict ATTR_UNUSED,
				 const struct dict_op_settings *set ATTR_UNUSED,
				 pool_t pool ATTR_UNUSED,
				 const char *key ATTR_UNUSED,
				 const char **value_r ATTR_UNUSED,
				 const char **error_r)
{
	/* dict-async never does that */
	*error_r = "referral-ldap never blocks: ask it through dict-async";
	return -1;
}

static struct dict dict_driver_referral_ldap = {
	.name = "referral-ldap",
	{
		.init = dict_driver_referral_ldap_init,
		.deinit = dict_referral_ldap_deinit_dict,
		.wait = dict_referral_ldap_wait,
		.lookup = dict_driver_referral_ldap_lookup,
		.lookup_async = dict_referral_ldap_lookup_async,
		.iterate_init = dict_referral_ldap_iterate_init,
		.iterate = dict_referral_ldap_iterate,
		.iterate_deinit = dict_referral_ldap_iterate_deinit,
		.transaction_init = dict_referral_ldap_transaction_init,
		.transaction_commit = dict_referral_ldap_transaction_commit,
		.transaction_rollback = dict_referral_ldap_transaction_rollback,
		.set = dict_referral_ldap_set,
		.unset = dict_referral_ldap_unset,
		.atomic_inc = dict_referral_ldap_atomic_inc,
	}
};

void dict_referral_ldap_init(struct module *module ATTR_UNUSED)
{
	dict_driver_register(&dict_driver_referral_ldap);
	/* now, not while somebody waits */
	referral_ldap_preload();
}

void dict_referral_ldap_deinit(void)
{
	dict_referral_ldap_deinit_directories();
	dict_driver_unregister(&dict_driver_referral_ldap);
}
