/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-preset.h"

const char *const referral_ldap_preset_choices[] = {
	"laser", "native", "labeleduri", "kolab", "sun", "zimbra", "exchange",
	NULL
};

const char *const referral_ldap_home_value_choices[] = {
	"preset", "server", "labeled", "dn", NULL
};

/* Entries that a product has no mailboxes of its own in. People have homes, and
   may have home pages: neither is a mailbox. (Their classes would not do: a
   negation of a class that the server does not know matches nothing.) */
#define LABELED_MAILBOX_FILTER \
	"(&(objectClass=labeledURIObject)(labeledURI=*)(!(uid=*)))"

struct referral_ldap_preset {
	const char *home_filter;
	const char *home_attribute;
	enum referral_ldap_home_value home_value;
	const char *mailbox_filter;
	const char *mailbox_uri_attribute;
	/* NULL = there is none */
	const char *mailbox_host_attribute;
	const char *mailbox_name_attribute;
	/* The same */
	const char *mailbox_target_attribute;
};

static const struct referral_ldap_preset presets[] = {
	[REFERRAL_LDAP_PRESET_LASER] = {
		.home_filter = "(uid=%{user})",
		.home_attribute = "mailHost",
		.home_value = REFERRAL_LDAP_HOME_VALUE_SERVER,
		.mailbox_filter =
			"(&(|(&(objectClass=labeledURIObject)(labeledURI=*))"
			"(&(objectClass=inetLocalMailRecipient)(mailHost=*)))"
			"(!(uid=*)))",
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_host_attribute = "mailHost",
		.mailbox_name_attribute = "cn",
	},
	/* src/schema */
	[REFERRAL_LDAP_PRESET_NATIVE] = {
		.home_filter = "(uid=%{user})",
		.home_attribute = "imapHomeServer",
		.home_value = REFERRAL_LDAP_HOME_VALUE_SERVER,
		.mailbox_filter = "(objectClass=imapSharedMailbox)",
		.mailbox_uri_attribute = "imapMailboxURI",
		.mailbox_host_attribute = "imapHomeServer",
		.mailbox_name_attribute = "imapMailboxName",
	},
	/* RFC 2079, and nothing else */
	[REFERRAL_LDAP_PRESET_LABELEDURI] = {
		.home_filter = "(uid=%{user})",
		.home_attribute = "labeledURI",
		.home_value = REFERRAL_LDAP_HOME_VALUE_LABELED,
		.mailbox_filter = LABELED_MAILBOX_FILTER,
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_name_attribute = "cn",
	},
	[REFERRAL_LDAP_PRESET_KOLAB] = {
		.home_filter = "(&(objectClass=kolabInetOrgPerson)"
			"(|(uid=%{user})(mail=%{user})))",
		.home_attribute = "kolabHomeServer",
		.home_value = REFERRAL_LDAP_HOME_VALUE_SERVER,
		.mailbox_filter = "(objectClass=kolabSharedFolder)",
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_host_attribute = "kolabHomeServer",
		.mailbox_name_attribute = "cn",
		.mailbox_target_attribute = "kolabTargetFolder",
	},
	/* Lists have a mailHost there, too: no mailboxes of it. */
	[REFERRAL_LDAP_PRESET_SUN] = {
		.home_filter = "(&(objectClass=inetMailUser)"
			"(|(uid=%{user})(mail=%{user})"
			"(mailAlternateAddress=%{user})))",
		.home_attribute = "mailHost",
		.home_value = REFERRAL_LDAP_HOME_VALUE_SERVER,
		.mailbox_filter = LABELED_MAILBOX_FILTER,
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_name_attribute = "cn",
	},
	[REFERRAL_LDAP_PRESET_ZIMBRA] = {
		.home_filter = "(&(objectClass=zimbraAccount)"
			"(|(uid=%{user})(zimbraMailDeliveryAddress=%{user})"
			"(zimbraMailAlias=%{user})))",
		.home_attribute = "zimbraMailHost",
		.home_value = REFERRAL_LDAP_HOME_VALUE_SERVER,
		.mailbox_filter = LABELED_MAILBOX_FILTER,
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_name_attribute = "cn",
	},
	/* People need not have a uid there. */
	[REFERRAL_LDAP_PRESET_EXCHANGE] = {
		.home_filter = "(&(objectClass=user)"
			"(|(sAMAccountName=%{user})(userPrincipalName=%{user})"
			"(mail=%{user})))",
		.home_attribute = "msExchHomeServerName",
		.home_value = REFERRAL_LDAP_HOME_VALUE_DN,
		.mailbox_filter = "(&(labeledURI=*)(!(sAMAccountName=*)))",
		.mailbox_uri_attribute = "labeledURI",
		.mailbox_name_attribute = "cn",
	},
};

/* Of src/schema: no product has one that says so much. */
#define READER_ATTRIBUTES "imapMailboxReader"

static void apply(const char **setting, const char *preset_value)
{
	if (**setting == '\0' && preset_value != NULL)
		*setting = preset_value;
}

void referral_ldap_preset_apply(struct referral_ldap_settings *set)
{
	const struct referral_ldap_preset *preset = &presets[set->preset];

	apply(&set->home_filter, preset->home_filter);
	apply(&set->home_attribute, preset->home_attribute);
	if (set->home_value == REFERRAL_LDAP_HOME_VALUE_PRESET)
		set->home_value = preset->home_value;
	apply(&set->mailbox_filter, preset->mailbox_filter);
	apply(&set->mailbox_uri_attribute, preset->mailbox_uri_attribute);
	apply(&set->mailbox_host_attribute, preset->mailbox_host_attribute);
	apply(&set->mailbox_name_attribute, preset->mailbox_name_attribute);
	apply(&set->mailbox_target_attribute, preset->mailbox_target_attribute);
	apply(&set->reader_attributes, READER_ATTRIBUTES);
}
