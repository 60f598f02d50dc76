/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-entry-values.h"
#include "referral-ldap-dn.h"
#include "referral-ldap-preset.h"
#include "referral-ldap-settings.h"
#include "referral-value-log.h"
#include "referral-home-value.h"

#define HOME_LABEL "imap-home"

/* A host without a domain gets the one that is set. */
static int
server_add_domain(const char *domain, struct referral_ldap_value *value,
		  const char **error_r)
{
	const char *host = value->url.host;

	if (*domain == '\0' || strchr(host, '.') != NULL ||
	    strchr(host, ':') != NULL)
		return 0;
	return referral_url_parse_server(pool_datastack_create(),
					 t_strconcat(host, ".", domain, NULL),
					 value->url.port, &value->url, error_r);
}

static int
server_parse(const struct referral_ldap_settings *set,
	     const struct referral_ldap_bytes *bytes,
	     struct referral_ldap_value *value_r, const char **error_r)
{
	return referral_ldap_value_parse(pool_datastack_create(), bytes->data,
					 bytes->size, set->default_port,
					 value_r, error_r);
}

/* The preference is behind the label, or in its place. Returns 0 if the value
   names no home: then it is somebody's home page, or a mailbox. */
static int
labeled_parse(const struct referral_ldap_settings *set,
	      const struct referral_ldap_bytes *bytes,
	      struct referral_ldap_value *value_r, const char **error_r)
{
	struct referral_ldap_bytes unlabeled;
	const char *value, *label, *rest = "";
	bool has_label = FALSE;

	if (strlen(bytes->data) != bytes->size)
		return 0;
	value = bytes->data;
	if (strncasecmp(value, "imap://", 7) != 0 &&
	    strncasecmp(value, "imaps://", 8) != 0)
		return 0;
	if ((label = strchr(value, ' ')) != NULL) {
		value = t_strdup_until(value, label);
		label++;
		has_label = strcasecmp(t_strcut(label, ' '), HOME_LABEL) == 0;
		rest = has_label ? label + strlen(HOME_LABEL) :
			t_strconcat(" ", label, NULL);
	}
	unlabeled.data = t_strconcat(value, rest, NULL);
	unlabeled.size = strlen(unlabeled.data);
	if (server_parse(set, &unlabeled, value_r, error_r) < 0)
		return -1;
	if (has_label)
		return 1;
	/* with a label of another kind it is something else */
	return value_r->url.mailbox == NULL &&
		(*rest == '\0' || str_is_numeric(rest + 1, '\0')) ? 1 : 0;
}

/* "/o=Org/ou=Group/cn=Configuration/cn=Servers/cn=MAIL1" */
static const char *exchange_path_get_host(const char *path)
{
	const char *const *parts = t_strsplit(path + 1, "/");
	const char *host = NULL;

	for (; *parts != NULL; parts++) {
		if (strncasecmp(*parts, "cn=", 3) == 0)
			host = *parts + 3;
	}
	return host;
}

static int
dn_parse(const struct referral_ldap_settings *set,
	 const struct referral_ldap_bytes *bytes,
	 struct referral_ldap_value *value_r, const char **error_r)
{
	const char *host = NULL;

	i_zero(value_r);
	if (strlen(bytes->data) == bytes->size) {
		if (bytes->data[0] == '/')
			host = exchange_path_get_host(bytes->data);
		else if (!referral_ldap_dn_find_value(bytes->data, "cn", &host))
			host = NULL;
	}
	if (host == NULL) {
		*error_r = "expected the DN of a server, with a cn in it";
		return -1;
	}
	return referral_url_parse_server(pool_datastack_create(), host,
					 set->default_port, &value_r->url,
					 error_r);
}

/* Returns 1 if it is a home server, 0 if it is something else, -1 if it cannot
   be used. */
static int
home_value_parse(const struct referral_ldap_settings *set,
		 const struct referral_ldap_bytes *bytes,
		 struct referral_ldap_value *value_r, const char **error_r)
{
	enum referral_ldap_home_value kind = set->home_value;
	int ret = -1;

	switch (kind) {
	case REFERRAL_LDAP_HOME_VALUE_PRESET:
		i_unreached();
	case REFERRAL_LDAP_HOME_VALUE_SERVER:
		ret = server_parse(set, bytes, value_r, error_r) < 0 ? -1 : 1;
		break;
	case REFERRAL_LDAP_HOME_VALUE_LABELED:
		ret = labeled_parse(set, bytes, value_r, error_r);
		break;
	case REFERRAL_LDAP_HOME_VALUE_DN:
		ret = dn_parse(set, bytes, value_r, error_r) < 0 ? -1 : 1;
		break;
	}
	if (ret > 0 && server_add_domain(set->home_domain, value_r,
					 error_r) < 0)
		ret = -1;
	return ret;
}

unsigned int
referral_home_values_get(const struct referral_ldap_entry *entry,
			 const struct referral_ldap_settings *set,
			 struct referral_value_log *log,
			 ARRAY_TYPE(referral_ldap_value) *servers_r)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *bytes;
	struct referral_ldap_value value;
	unsigned int count = 0;
	const char *error;
	int ret;

	t_array_init(servers_r, 2);
	referral_entry_get_values(entry, set->home_attribute, log, &values);
	array_foreach(&values, bytes) {
		ret = home_value_parse(set, bytes, &value, &error);
		if (ret == 0)
			continue;
		count++;
		if (ret < 0) {
			referral_value_log_skip(log, entry->dn,
						set->home_attribute,
						bytes->data, error);
			continue;
		}
		value.url.mailbox = NULL;
		array_push_back(servers_r, &value);
	}
	return count;
}
