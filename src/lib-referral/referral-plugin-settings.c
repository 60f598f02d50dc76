/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-followers.h"
#include "referral-self.h"
#include "referral-template.h"
#include "referral-plugin-settings.h"

#undef DEF
#define DEF(type, name, ...) \
	{ "imap_referral_"#name, REFERRAL_SETTING_TYPE_##type, \
	  offsetof(struct referral_plugin_settings, name), __VA_ARGS__ }

static const char *const no_home_choices[] = { "local", "refuse", NULL };
static const char *const bool_choices[] = { "no", "yes", NULL };
static const char *const guests_choices[] = { "no", "auto", NULL };
static const char *const login_choices[] = { "refer", "offer", NULL };
static const char *const fallback_choices[] = { "none", "proxy", NULL };
static const char *const proxy_tls_choices[] = {
	"no", "starttls", "starttls-any-cert", "tls", "tls-any-cert", NULL
};
static const char *const urls_choices[] = { "first", "all", NULL };
static const char *const subscriptions_choices[] = { "local", "refer", NULL };

/* An empty server is this host's own name: nothing to check here. */
static int
self_check(const char *server, const char *aliases, const char **error_r)
{
	struct referral_self *self;

	return referral_self_init(pool_datastack_create(),
				  *server == '\0' ? "localhost" : server,
				  aliases, &self, error_r);
}

static int
server_check(const char *name ATTR_UNUSED, const char *value,
	     const char **error_r)
{
	return self_check(value, "", error_r);
}

static int
aliases_check(const char *name ATTR_UNUSED, const char *value,
	      const char **error_r)
{
	return self_check("", value, error_r);
}

static int
login_user_check(const char *name, const char *value, const char **error_r)
{
	const char *expected;
	bool has_user, has_variables;

	expected = referral_template_error(value, &has_user, &has_variables);
	if (*value == '\0')
		expected = "a name such as %{user}";
	if (expected == NULL)
		return 0;
	*error_r = t_strdup_printf("%s=%s: expected %s", name, value, expected);
	return -1;
}

static int
followers_check(const char *name, const char *value, const char **error_r)
{
	struct referral_followers *followers;
	const char *error;

	if (referral_followers_parse(pool_datastack_create(), value,
				     &followers, &error) == 0)
		return 0;
	*error_r = t_strdup_printf("%s: %s", name, error);
	return -1;
}

const struct referral_setting referral_plugin_setting_defs[] = {
	DEF(STR, server, .default_value = "", .check = server_check),
	DEF(STR, aliases, .default_value = "", .check = aliases_check),
	{ "imap_referral_timeout", REFERRAL_SETTING_TYPE_MSECS,
	  offsetof(struct referral_plugin_settings, timeout_msecs),
	  .default_value = "2500ms", .min = 100, .max = 60*1000 },
	DEF(ENUM, no_home, .default_value = "local",
	    .choices = no_home_choices),
	/* Guests need the mail plugin, which refers their own mailboxes: only a
	   configuration that loads it may let them in. */
	DEF(ENUM, guests, .default_value = "no", .choices = guests_choices),
	DEF(ENUM, login, .default_value = "refer", .choices = login_choices),
	DEF(ENUM, login_address, .default_value = "no",
	    .choices = bool_choices),
	DEF(STR, login_user, .default_value = "%{user}",
	    .check = login_user_check),
	DEF(ENUM, login_bye, .default_value = "no", .choices = bool_choices),
	DEF(ENUM, masters, .default_value = "no", .choices = bool_choices),
	DEF(ENUM, fallback, .default_value = "none",
	    .choices = fallback_choices),
	DEF(STR, followers, .default_value = "", .check = followers_check),
	/* the password goes there */
	DEF(ENUM, proxy_tls, .default_value = "starttls",
	    .choices = proxy_tls_choices),
	DEF(UINT, proxy_port, .default_value = "0", .min = 0, .max = 65535),
	DEF(STR, mailboxes, .default_value = ""),
	DEF(ENUM, owners, .default_value = "yes", .choices = bool_choices),
	DEF(ENUM, urls, .default_value = "first", .choices = urls_choices),
	DEF(ENUM, subscriptions, .default_value = "local",
	    .choices = subscriptions_choices),
	{ "imap_referral_cache_ttl", REFERRAL_SETTING_TYPE_MSECS,
	  offsetof(struct referral_plugin_settings, cache_ttl_msecs),
	  .default_value = "500ms", .min = 0, .max = 3600*1000 },
	{ .name = NULL }
};
