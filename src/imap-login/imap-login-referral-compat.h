#ifndef IMAP_LOGIN_REFERRAL_COMPAT_H
#define IMAP_LOGIN_REFERRAL_COMPAT_H

struct client;
struct client_auth_reply;
struct referral_plugin_settings;

/* In compat-*: what differs between Dovecot's versions. */

/* To be called before the process gives up its rights. Returns 0, or -1 with
   error_r. */
int imap_login_referral_settings_get(pool_t pool,
				     struct referral_plugin_settings *set,
				     const char **error_r);

/* Whether it is in login_trusted_networks. */
bool imap_login_referral_is_trusted(const struct client *client);

/* To be called when the greeting has been sent: commands are read from now
   on. */
void imap_login_referral_begin_input(struct client *client);

/* Where a passdb sends the client to. */
const char *
imap_login_referral_reply_host(const struct client_auth_reply *reply);
in_port_t imap_login_referral_reply_port(const struct client_auth_reply *reply);
const char *
imap_login_referral_reply_user(const struct client_auth_reply *reply);

#endif
