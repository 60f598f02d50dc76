#ifndef REFERRAL_ENTRY_VALUES_H
#define REFERRAL_ENTRY_VALUES_H

#include "referral-ldap-connection.h"
#include "referral-ldap-value.h"

struct referral_value_log;

/* What is the same for values of several attributes of an entry. */

/* referral_ldap_entry_get_values() that logs it if there are more values than
   anybody needs. */
void referral_entry_get_values(const struct referral_ldap_entry *entry,
			       const char *attribute,
			       struct referral_value_log *log,
			       ARRAY_TYPE(referral_ldap_bytes) *values_r);

/* Get the servers that an attribute names, allocated from the data stack. A URL
   with a mailbox is a server, too. What is unusable is skipped and logged.
   Returns the number of all values. */
unsigned int
referral_entry_get_servers(const struct referral_ldap_entry *entry,
			   const char *attribute, in_port_t default_port,
			   struct referral_value_log *log,
			   ARRAY_TYPE(referral_ldap_value) *servers_r);

/* Returns the index of the word that the value is, in whatever case; -1 if it
   is none of them. */
int referral_entry_value_find(const struct referral_ldap_bytes *value,
			      const char *const *words);

/* Whether a search failed only because there is nothing where it began, and
   where that is depends on a variable of the base's template: then there is no
   such entry. What of the base is the same for everybody has to be there: else
   the setting is wrong, or the server has not got its data yet. */
bool referral_ldap_base_is_missing(const char *base_template,
				   const struct referral_ldap_result *result);

#endif
