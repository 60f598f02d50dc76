#ifndef PASSDB_IMAP_REFERRAL_H
#define PASSDB_IMAP_REFERRAL_H

#include "passdb.h"
#include "referral-plugin-settings.h"

/* The passdb driver "imap_referral", but for what differs between Dovecot's
   versions: how a passdb is initialized. It comes after the passdbs that check
   passwords, and says where the user's home server is. It never accepts a
   password itself. */

struct passdb_module *
passdb_imap_referral_create(pool_t pool,
			    const struct referral_plugin_settings *set,
			    const char *base_dir, const char **error_r);

/* struct passdb_module_interface */
void passdb_imap_referral_init(struct passdb_module *module);
void passdb_imap_referral_deinit(struct passdb_module *module);
void passdb_imap_referral_verify_plain(struct auth_request *request,
				       const char *password,
				       verify_plain_callback_t *callback);
void passdb_imap_referral_lookup_credentials(
	struct auth_request *request,
	lookup_credentials_callback_t *callback);

#endif
