#ifndef REFERRAL_HOME_VALUE_H
#define REFERRAL_HOME_VALUE_H

#include "referral-entry-values.h"

struct referral_ldap_settings;

/* Get the home servers that a user's entry names in home_attribute, as
   home_value says, allocated from the data stack. What is unusable is skipped
   and logged. Returns the number of all values that are meant to name one. */
unsigned int
referral_home_values_get(const struct referral_ldap_entry *entry,
			 const struct referral_ldap_settings *set,
			 struct referral_value_log *log,
			 ARRAY_TYPE(referral_ldap_value) *servers_r);

#endif
