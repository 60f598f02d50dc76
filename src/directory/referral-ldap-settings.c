/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-url.h"
#include "referral-ldap-preset.h"
#include "referral-ldap-setting-check.h"
#include "referral-ldap-template.h"
#include "referral-ldap-settings.h"

#include <ldap.h>

/* As many as referral-ldap-connection can tell apart. */
#define SERVERS_MAX 32
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

/* In the order of enum referral_ldap_sasl. No mechanism is an empty value in a
   file. */
const char *const referral_ldap_sasl_names[] = {
	"", "EXTERNAL", "GSSAPI", NULL
};

#define URIS_EXPECTED "expected ldap://host[:port], ldaps://host[:port] or " \
	"ldapi://path"

static int
uri_parse(pool_t pool, const char *str, ARRAY_TYPE(referral_ldap_uri) *uris,
	  const char **error_r)
{
	struct referral_ldap_uri *uri;
	LDAPURLDesc *desc;
	const char *p;
	int ret = -1;

	/* A host and a port: nothing of what else an LDAP URL may have is used,
	   and ldap_url_parse() takes any number for a port. */
	p = strstr(str, "://");
	p = p == NULL ? NULL : strchr(p + 3, '/');
	if (ldap_url_parse(str, &desc) != LDAP_URL_SUCCESS) {
		*error_r = t_strdup_printf("referral_ldap_uris: %s: "
			URIS_EXPECTED", with / in the path written as %%2F",
			str);
		return -1;
	}
	uri = array_append_space(uris);
	uri->uri = p_strdup(pool, str);
	if (strcmp(desc->lud_scheme, "ldapi") == 0) {
		uri->path = p_strdup(pool, desc->lud_host);
		ret = uri->path != NULL && *uri->path == '/' &&
			(p == NULL || p[1] == '\0') ? 0 : -1;
	} else if (strcmp(desc->lud_scheme, "ldap") == 0 ||
		   strcmp(desc->lud_scheme, "ldaps") == 0) {
		struct referral_url url;
		const char *error;

		const char *server = strstr(str, "://") + 3;

		if (p != NULL)
			server = t_strdup_until(server, p);
		uri->tls = strcmp(desc->lud_scheme, "ldaps") == 0;
		ret = p != NULL && p[1] != '\0' ? -1 :
			referral_url_parse_server(pool, server, uri->tls ?
						  LDAPS_PORT : LDAP_PORT,
						  &url, &error);
		uri->host = ret < 0 ? NULL : url.host;
		uri->port = url.port;
	}
	if (ret < 0) {
		*error_r = t_strdup_printf("referral_ldap_uris: %s: "
			URIS_EXPECTED" with an absolute path", str);
	}
	ldap_free_urldesc(desc);
	return ret;
}

static int
uris_parse(pool_t pool, const char *value,
	   ARRAY_TYPE(referral_ldap_uri) *uris_r, const char **error_r)
{
	const char *const *uris;

	p_array_init(uris_r, pool, 2);
	for (uris = t_strsplit_spaces(value, " ,"); *uris != NULL; uris++) {
		if (uri_parse(pool, *uris, uris_r, error_r) < 0)
			return -1;
	}
	return 0;
}

static int
uris_check(const char *name ATTR_UNUSED, const char *value,
	   const char **error_r)
{
	ARRAY_TYPE(referral_ldap_uri) uris;

	if (uris_parse(pool_datastack_create(), value, &uris, error_r) < 0)
		return -1;
	if (array_count(&uris) == 0) {
		*error_r = "referral_ldap_uris is not set: " URIS_EXPECTED;
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

/* Who we are to the directory. */
static int
settings_check_bind(const struct referral_ldap_settings *set,
		    const char **error_r)
{
	const struct referral_ldap_uri *uri;
	bool password = *set->password_file != '\0';
	bool dn = *set->bind_dn != '\0';

	switch ((enum referral_ldap_sasl)set->sasl_mechanism) {
	case REFERRAL_LDAP_SASL_NONE:
		if (dn == password)
			break;
		*error_r = "expected both referral_ldap_bind_dn and "
			"referral_ldap_password_file, or neither of them for "
			"an anonymous bind";
		return -1;
	case REFERRAL_LDAP_SASL_GSSAPI:
#ifndef HAVE_KERBEROS
		*error_r = "referral_ldap_sasl_mechanism=GSSAPI: expected "
			"another one, as this was built without Kerberos";
		return -1;
#endif
		if (*set->krb5_principal == '\0') {
			*error_r = "referral_ldap_krb5_principal is not set: "
				"expected a name such as imap/host.example.org "
				"that is in the keytab";
			return -1;
		}
		array_foreach(&set->parsed_uris, uri) {
			if (uri->path == NULL)
				continue;
			*error_r = t_strdup_printf("referral_ldap_uris: %s: "
				"expected ldap:// or ldaps:// with "
				"referral_ldap_sasl_mechanism=GSSAPI",
				uri->uri);
			return -1;
		}
		/* fall through */
	case REFERRAL_LDAP_SASL_EXTERNAL:
		if (!dn && !password)
			break;
		*error_r = "expected neither referral_ldap_bind_dn nor "
			"referral_ldap_password_file with "
			"referral_ldap_sasl_mechanism";
		return -1;
	}
	return 0;
}

static int
settings_check_tls(const struct referral_ldap_settings *set,
		   const char **error_r)
{
	const struct referral_ldap_uri *uri;
	bool cert = *set->tls_cert_file != '\0';
	bool key = *set->tls_key_file != '\0';

	if (cert != key) {
		*error_r = "expected both referral_ldap_tls_cert_file and "
			"referral_ldap_tls_key_file, or neither of them";
		return -1;
	}
	if (set->sasl_mechanism != REFERRAL_LDAP_SASL_EXTERNAL)
		return 0;
	array_foreach(&set->parsed_uris, uri) {
		if (uri->path != NULL ||
		    (cert && (uri->tls || set->starttls != 0)))
			continue;
		*error_r = t_strdup_printf("referral_ldap_uris: %s: expected "
			"ldapi://, or TLS and referral_ldap_tls_cert_file, "
			"with referral_ldap_sasl_mechanism=EXTERNAL",
			uri->uri);
		return -1;
	}
	return 0;
}

int referral_ldap_settings_check(struct referral_ldap_settings *set,
				 pool_t pool, const char **error_r)
{
	if (uris_parse(pool, set->uris, &set->parsed_uris, error_r) < 0)
		return -1;
	if (array_count(&set->parsed_uris) == 0) {
		*error_r = "referral_ldap_uris is not set: " URIS_EXPECTED;
		return -1;
	}
	if (array_count(&set->parsed_uris) > SERVERS_MAX) {
		*error_r = t_strdup_printf("referral_ldap_uris: expected at "
					   "most %u servers", SERVERS_MAX);
		return -1;
	}
	if (settings_check_bind(set, error_r) < 0 ||
	    settings_check_tls(set, error_r) < 0)
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
