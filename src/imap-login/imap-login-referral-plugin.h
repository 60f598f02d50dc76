#ifndef IMAP_LOGIN_REFERRAL_PLUGIN_H
#define IMAP_LOGIN_REFERRAL_PLUGIN_H

struct module;

extern const char *imap_login_referral_plugin_version;

void imap_login_referral_plugin_init(struct module *module);
void imap_login_referral_plugin_deinit(void);

#endif
