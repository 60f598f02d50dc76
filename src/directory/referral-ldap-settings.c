/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-preset.h"
#include "referral-ldap-setting-check.h"
#include "referral-ldap-template.h"
#include "referral-ldap-server-settings.h"
#include "referral-ldap-settings.h"

#define WEEK_MSECS (7*24*3600*1000)

#undef DEF
#define DEF(type, name, ...) \
	{ "referral_ldap_"#name, REFERRAL_SETTING_TYPE_##type, \
	  offsetof(struct referral_ldap_settings, name), __VA_ARGS__ }
#undef DEF_MSECS
#define DEF_MSECS(name, ...) \
	{ "referral_ldap_"#name, REFERRAL_SETTING_TYPE_MSECS, \
	  offsetof(struct referral_ldap_settings, name##_msecs), __VA_ARGS__ }

/* In the order of LDAP_SCOPE_* */
static const char *const scope_choices[] = {
	"base", "onelevel", "subtree", NULL
};

/* In the order of enum referral_ldap_live */
static const char *const live_choices[] = {
	"no", "maps", "all", NULL
};

static const char *const no_yes_choices[] = { "no", "yes", NULL };

static int
uris_check(const char *name ATTR_UNUSED, const char *value,
	   const char **error_r)
{
	ARRAY_TYPE(referral_ldap_uri) uris;

	if (referral_ldap_uris_parse(pool_datastack_create(), value, &uris,
				     error_r) < 0)
		return -1;
	if (array_count(&uris) == 0) {
		*error_r = "referral_ldap_uris is not set: "
			REFERRAL_LDAP_URIS_EXPECTED;
		return -1;
	}
	return 0;
}

static int
min_protocol_check(const char *name, const char *value, const char **error_r)
{
	static const char *const protocols[] = {
		"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3", NULL
	};

	if (str_array_find(protocols, value))
		return 0;
	*error_r = t_strdup_printf("%s=%s: expected TLSv1, TLSv1.1, TLSv1.2 or "
				   "TLSv1.3", name, value);
	return -1;
}

const struct referral_setting referral_ldap_setting_defs[] = {
	DEF(STR, uris, .default_value = "", .check = uris_check),
	DEF(STR, bind_dn, .default_value = ""),
	DEF(STR, password_file, .default_value = ""),
	DEF(ENUM, sasl_mechanism, .default_value = "",
	    .choices = referral_ldap_sasl_names),
	DEF(STR, sasl_authzid, .default_value = ""),
	DEF(STR, krb5_keytab, .default_value = ""),
	DEF(STR, krb5_principal, .default_value = ""),
	DEF(ENUM, starttls, .default_value = "no", .choices = no_yes_choices),
	DEF(STR, tls_ca_file, .default_value = ""),
	DEF(STR, tls_ca_dir, .default_value = ""),
	DEF(STR, tls_cert_file, .default_value = ""),
	DEF(STR, tls_key_file, .default_value = ""),
	DEF(STR, tls_min_protocol, .default_value = "TLSv1.2",
	    .check = min_protocol_check),
	DEF(ENUM, tls_verify, .default_value = "yes",
	    .choices = no_yes_choices),
	DEF_MSECS(timeout, .default_value = "2s", .min = 100, .max = 60*1000),
	DEF_MSECS(stale_time, .default_value = "1h", .max = WEEK_MSECS),
	DEF(ENUM, live, .default_value = "maps", .choices = live_choices),
	DEF_MSECS(connect_timeout, .default_value = "800ms",
		  .min = 10, .max = 60*1000),
	DEF_MSECS(idle_timeout, .default_value = "0", .max = WEEK_MSECS),
	DEF(STR, base, .default_value = "", .check = referral_ldap_check_base),
	DEF(UINT, default_port, .default_value = "143",
	    .min = 1, .max = 65535),
	DEF(ENUM, preset, .default_value = "laser",
	    .choices = referral_ldap_preset_choices),

	DEF(STR, home_base, .default_value = "",
	    .check = referral_ldap_check_user_base),
	DEF(ENUM, home_scope, .default_value = "subtree",
	    .choices = scope_choices),
	/* What is empty here and has no other meaning is the preset's. */
	DEF(STR, home_filter, .default_value = "",
	    .check = referral_ldap_check_user_filter),
	DEF(STR, home_attribute, .default_value = "",
	    .check = referral_ldap_check_preset_attribute),
	DEF(ENUM, home_value, .default_value = "preset",
	    .choices = referral_ldap_home_value_choices),
	DEF(STR, home_domain, .default_value = "",
	    .check = referral_ldap_check_domain),
	DEF(STR, home_login_attribute, .default_value = "imapLoginReferral",
	    .check = referral_ldap_check_attribute),
	DEF_MSECS(home_ttl, .default_value = "60s", .max = WEEK_MSECS),
	DEF_MSECS(home_negative_ttl, .default_value = "10s",
		  .max = WEEK_MSECS),
	DEF(UINT, home_cache_size, .default_value = "10000",
	    .max = 10*1000*1000),

	DEF(STR, mailbox_base, .default_value = "",
	    .check = referral_ldap_check_other_base),
	DEF(ENUM, mailbox_scope, .default_value = "subtree",
	    .choices = scope_choices),
	DEF(STR, mailbox_filter, .default_value = "",
	    .check = referral_ldap_check_preset_filter),
	DEF(STR, mailbox_uri_attribute, .default_value = "",
	    .check = referral_ldap_check_preset_attribute),
	DEF(STR, mailbox_host_attribute, .default_value = "",
	    .check = referral_ldap_check_preset_attribute),
	DEF(STR, mailbox_name_attribute, .default_value = "",
	    .check = referral_ldap_check_preset_attribute),
	DEF(STR, mailbox_name_template, .default_value = "%{mailbox}",
	    .check = referral_ldap_check_mailbox_template),
	DEF(STR, mailbox_target_attribute, .default_value = "",
	    .check = referral_ldap_check_preset_attribute),
	DEF(STR, mailbox_target_template, .default_value = "",
	    .check = referral_ldap_check_target_template),
	DEF_MSECS(mailbox_refresh, .default_value = "60s",
		  .min = 1000, .max = WEEK_MSECS),
	DEF(UINT, mailbox_page_size, .default_value = "500",
	    .min = 1, .max = 100*1000),
	DEF(UINT, mailbox_limit, .default_value = "100000",
	    .min = 1, .max = 10*1000*1000),

	DEF(STR, server_base, .default_value = "",
	    .check = referral_ldap_check_other_base),
	DEF(ENUM, server_scope, .default_value = "subtree",
	    .choices = scope_choices),
	DEF(STR, server_filter, .default_value = "(objectClass=imapServer)",
	    .check = referral_ldap_check_filter),
	DEF(STR, server_name_attribute, .default_value = "cn",
	    .check = referral_ldap_check_attribute),
	DEF(STR, server_state_attribute, .default_value = "imapServerState",
	    .check = referral_ldap_check_attribute),
	DEF(STR, server_home_attribute, .default_value = "imapHomeServer",
	    .check = referral_ldap_check_attribute),
	DEF_MSECS(server_refresh, .default_value = "60s",
		  .min = 1000, .max = WEEK_MSECS),
	DEF(UINT, server_limit, .default_value = "1000",
	    .min = 1, .max = 1000*1000),

	DEF(ENUM, readers, .default_value = "no", .choices = no_yes_choices),
	DEF(STR, reader_attributes, .default_value = "",
	    .check = referral_ldap_check_reader_attributes),
	DEF(STR, reader_group_base, .default_value = "",
	    .check = referral_ldap_check_user_base),
	DEF(STR, reader_group_filter, .default_value =
	    "(|(member=%{user_dn})(uniqueMember=%{user_dn})"
	    "(memberUid=%{user}))", .check = referral_ldap_check_group_filter),
	{ .name = NULL }
};

/* There is no user in these. */
static const char *base_expand(pool_t pool, const char *template)
{
	const struct referral_ldap_variables variables = { .user = NULL };
	const char *base = referral_ldap_dn_expand(template, &variables);

	/* a host always has a name */
	i_assert(base != NULL);
	return p_strdup(pool, base);
}

int referral_ldap_settings_check(struct referral_ldap_settings *set,
				 pool_t pool, const char **error_r)
{
	if (referral_ldap_uris_parse(pool, set->uris, &set->parsed_uris,
				     error_r) < 0)
		return -1;
	if (referral_ldap_server_settings_check(set, error_r) < 0)
		return -1;
	if (*set->home_base == '\0')
		set->home_base = set->base;
	if (*set->mailbox_base == '\0')
		set->mailbox_base = set->base;
	if (*set->server_base == '\0')
		set->server_base = set->base;
	if (*set->home_base == '\0' || *set->mailbox_base == '\0' ||
	    *set->server_base == '\0') {
		*error_r = "referral_ldap_base is not set: "
			"expected a DN such as dc=example,dc=org";
		return -1;
	}
	if (*set->reader_group_base == '\0') {
		set->reader_group_base = *set->base != '\0' ?
			set->base : set->home_base;
	}
	set->mailbox_base = base_expand(pool, set->mailbox_base);
	set->server_base = base_expand(pool, set->server_base);
	referral_ldap_preset_apply(set);
	set->parsed_reader_attributes = (const char *const *)
		p_strsplit_spaces(pool, set->reader_attributes, " ");
	return 0;
}
