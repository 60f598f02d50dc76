#ifndef REFERRAL_MAILBOX_LOAD_H
#define REFERRAL_MAILBOX_LOAD_H

#include "referral-loader.h"

/* How shared mailboxes are loaded into a map (referral-mailbox-map.h). */
void referral_mailbox_load_get(const struct referral_ldap_settings *set,
			       struct referral_load *load_r);

#endif
