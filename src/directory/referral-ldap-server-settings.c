/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-url.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-server-settings.h"

#include <ldap.h>

/* As many as referral-ldap-connection can tell apart. */
#define SERVERS_MAX 32

/* In the order of enum referral_ldap_sasl. No mechanism is an empty value in a
   file. */
const char *const referral_ldap_sasl_names[] = {
	"", "EXTERNAL", "GSSAPI", NULL
};

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
			REFERRAL_LDAP_URIS_EXPECTED", with / in the path written as %%2F",
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
			REFERRAL_LDAP_URIS_EXPECTED" with an absolute path", str);
	}
	ldap_free_urldesc(desc);
	return ret;
}

int referral_ldap_uris_parse(pool_t pool, const char *value,
			     ARRAY_TYPE(referral_ldap_uri) *uris_r,
			     const char **error_r)
{
	const char *const *uris;

	p_array_init(uris_r, pool, 2);
	for (uris = t_strsplit_spaces(value, " ,"); *uris != NULL; uris++) {
		if (uri_parse(pool, *uris, uris_r, error_r) < 0)
			return -1;
	}
	return 0;
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

int referral_ldap_server_settings_check(const struct referral_ldap_settings *set,
					const char **error_r)
{
	if (array_count(&set->parsed_uris) == 0) {
		*error_r = "referral_ldap_uris is not set: "
			REFERRAL_LDAP_URIS_EXPECTED;
		return -1;
	}
	if (array_count(&set->parsed_uris) > SERVERS_MAX) {
		*error_r = t_strdup_printf("referral_ldap_uris: expected at "
					   "most %u servers", SERVERS_MAX);
		return -1;
	}
	if (settings_check_bind(set, error_r) < 0)
		return -1;
	return settings_check_tls(set, error_r);
}
