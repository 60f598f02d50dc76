#ifndef IMAP_LOGIN_REFERRAL_CLIENT_H
#define IMAP_LOGIN_REFERRAL_CLIENT_H

struct client;
struct referral_plugin_settings;

/* What a client sees before and at the login: BYE in place of the greeting when
   the directory has taken this server out of service (RFC 2221 section 4.2),
   and the text of a login's referral. */

/* Everything is allocated from the pool, where the settings have to stay.
   Returns 0, or -1 with error_r. */
int imap_login_referral_clients_init(pool_t pool,
				     const struct referral_plugin_settings *set,
				     const char **error_r);
void imap_login_referral_clients_deinit(void);

/* struct login_client_hooks */
void imap_login_referral_client_allocated(struct client *client);

#endif
