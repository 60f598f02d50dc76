#ifndef IMAP_REFERRAL_PLUGIN_H
#define IMAP_REFERRAL_PLUGIN_H

struct module;

extern const char *imap_referral_plugin_version;

void imap_referral_plugin_init(struct module *module);
void imap_referral_plugin_deinit(void);

#endif
