/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-compat.h"
#include "referral-plugin-settings.h"
#include "unit-common.h"
#include "unit-conf.h"

static void test_referral_plugin_settings_defaults(void)
{
	struct referral_plugin_settings set;

	test_begin("referral plugin settings: defaults");
	memset(&set, 0xff, sizeof(set));
	referral_settings_init(referral_plugin_setting_defs,
			       pool_datastack_create(), &set);
	test_assert_strcmp(set.server, "");
	test_assert_strcmp(set.aliases, "");
	test_assert(set.timeout_msecs == 2500);
	test_assert(set.no_home == REFERRAL_NO_HOME_LOCAL);
	test_assert(set.guests == REFERRAL_GUESTS_NO);
	test_assert(set.login == REFERRAL_LOGIN_REFER);
	test_assert(set.login_address == 0);
	test_assert_strcmp(set.login_user, "%{user}");
	test_assert(set.login_bye == 0);
	test_assert(set.masters == 0);
	test_assert(set.fallback == REFERRAL_FALLBACK_NONE);
	test_assert_strcmp(set.followers, "");
	test_assert(set.proxy_tls == REFERRAL_PROXY_TLS_STARTTLS);
	test_assert(set.proxy_port == 0);
	test_assert_strcmp(set.mailboxes, "");
	test_assert(set.owners == 1);
	test_assert(set.urls == REFERRAL_URLS_FIRST);
	test_assert(set.subscriptions == REFERRAL_SUBSCRIPTIONS_LOCAL);
	test_assert(set.cache_ttl_msecs == 500);
	test_end();
}

static void test_referral_plugin_settings_set(void)
{
	static const struct {
		const char *name, *value;
		int ret;
	} tests[] = {
		{ "imap_referral_server", "imap1.example.org", 0 },
		{ "imap_referral_aliases", "a b", 0 },
		{ "imap_referral_timeout", "100ms", 0 },
		{ "imap_referral_timeout", "60s", 0 },
		{ "imap_referral_no_home", "local", 0 },
		{ "imap_referral_no_home", "refuse", 0 },
		{ "imap_referral_guests", "auto", 0 },
		{ "imap_referral_guests", "no", 0 },
		{ "imap_referral_login_address", "no", 0 },
		{ "imap_referral_login_address", "yes", 0 },
		{ "imap_referral_login", "refer", 0 },
		{ "imap_referral_login", "offer", 0 },
		{ "imap_referral_login", "proxy", -1 },
		{ "imap_referral_login_user", "%{username}", 0 },
		{ "imap_referral_login_user", "%{user}%%x", 0 },
		{ "imap_referral_login_user", "", -1 },
		{ "imap_referral_login_user", "%u", -1 },
		{ "imap_referral_login_user", "%{usr}", -1 },
		{ "imap_referral_login_user", "%", -1 },
		{ "imap_referral_login_bye", "yes", 0 },
		{ "imap_referral_login_bye", "1", -1 },
		{ "imap_referral_masters", "yes", 0 },
		{ "imap_referral_masters", "all", -1 },
		{ "imap_referral_fallback", "proxy", 0 },
		{ "imap_referral_fallback", "none", 0 },
		{ "imap_referral_fallback", "yes", -1 },
		{ "imap_referral_followers", "port=143, id.name=a*", 0 },
		{ "imap_referral_followers", "alpine", -1 },
		{ "imap_referral_proxy_tls", "tls-any-cert", 0 },
		{ "imap_referral_proxy_tls", "yes", -1 },
		{ "imap_referral_proxy_port", "993", 0 },
		{ "imap_referral_proxy_port", "65536", -1 },
		{ "imap_referral_mailboxes", "Lists/*", 0 },
		{ "imap_referral_owners", "yes", 0 },
		{ "imap_referral_owners", "no", 0 },
		{ "imap_referral_urls", "first", 0 },
		{ "imap_referral_urls", "all", 0 },
		{ "imap_referral_subscriptions", "local", 0 },
		{ "imap_referral_subscriptions", "refer", 0 },
		{ "imap_referral_cache_ttl", "0", 0 },
		{ "imap_referral_cache_ttl", "1h", 0 },
		{ "imap_referral_timeout", "99ms", -1 },
		{ "imap_referral_timeout", "0s", -1 },
		{ "imap_referral_timeout", "2", -1 },
		{ "imap_referral_timeout", "61s", -1 },
		{ "imap_referral_no_home", "yes", -1 },
		{ "imap_referral_no_home", "", -1 },
		{ "imap_referral_guests", "yes", -1 },
		{ "imap_referral_login_address", "true", -1 },
		{ "imap_referral_owners", "maybe", -1 },
		{ "imap_referral_urls", "2", -1 },
		{ "imap_referral_subscriptions", "yes", -1 },
		{ "imap_referral_cache_ttl", "5", -1 },
		{ "imap_referral_cache_ttl", "61min", -1 },
		{ "imap_referral_servr", "x", -1 },
		{ "server", "x", -1 },
	};
	struct referral_plugin_settings set;
	const char *error;
	unsigned int i;

	test_begin("referral plugin settings: set");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		referral_settings_init(referral_plugin_setting_defs,
				       pool_datastack_create(), &set);
		test_assert_idx(referral_settings_set(
			referral_plugin_setting_defs, pool_datastack_create(),
			&set, tests[i].name, tests[i].value,
			&error) == tests[i].ret, i);
		test_assert_idx(tests[i].ret == 0 ||
				strstr(error, tests[i].name) != NULL, i);
	}
	test_end();
}

static void test_referral_plugin_settings_check(void)
{
	static const struct {
		const char *server, *aliases;
		/* NULL = they are right */
		const char *error;
	} tests[] = {
		{ "", "", NULL },
		{ "imap1.example.org:10143", "", NULL },
		{ "", "a b:143 [::1]", NULL },
		{ "h_1", "", "imap_referral_server=h_1: " },
		{ "a b", "", "imap_referral_server=a b: " },
		{ "imap1", "h_1", "imap_referral_aliases: h_1: " },
		{ "", "a h:0", "imap_referral_aliases: h:0: " },
	};
	struct referral_plugin_settings set;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral plugin settings: check");
	referral_settings_init(referral_plugin_setting_defs,
			       pool_datastack_create(), &set);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_settings_set(referral_plugin_setting_defs,
			pool_datastack_create(), &set, "imap_referral_server",
			tests[i].server, &error);
		if (ret == 0) {
			ret = referral_settings_set(
				referral_plugin_setting_defs,
				pool_datastack_create(), &set,
				"imap_referral_aliases", tests[i].aliases,
				&error);
		}
		test_assert_idx(ret == (tests[i].error == NULL ? 0 : -1), i);
		test_assert_idx(tests[i].error == NULL || (error != NULL &&
			str_begins_with(error, tests[i].error)), i);
	}
	test_end();
}

/* The enums and their choices are in the same order, and the names have the
   prefix by which they are found. */
static void test_referral_plugin_settings_defs(void)
{
	const struct referral_setting *def;
	struct referral_plugin_settings set;
	const char *error;

	test_begin("referral plugin settings: definitions");
	referral_settings_init(referral_plugin_setting_defs,
			       pool_datastack_create(), &set);
	test_assert(referral_settings_set(referral_plugin_setting_defs,
		pool_datastack_create(), &set, "imap_referral_no_home",
		"refuse", &error) == 0);
	test_assert(set.no_home == REFERRAL_NO_HOME_REFUSE);
	test_assert(referral_settings_set(referral_plugin_setting_defs,
		pool_datastack_create(), &set, "imap_referral_guests",
		"auto", &error) == 0);
	test_assert(set.guests == REFERRAL_GUESTS_AUTO);
	test_assert(referral_settings_set(referral_plugin_setting_defs,
		pool_datastack_create(), &set, "imap_referral_login_address",
		"yes", &error) == 0);
	test_assert(set.login_address == 1);
	test_assert(referral_settings_set(referral_plugin_setting_defs,
		pool_datastack_create(), &set, "imap_referral_proxy_tls",
		"starttls-any-cert", &error) == 0);
	test_assert(set.proxy_tls == REFERRAL_PROXY_TLS_STARTTLS_ANY_CERT);
	for (def = referral_plugin_setting_defs; def->name != NULL; def++) {
		test_assert(str_begins_with(def->name,
				       REFERRAL_PLUGIN_SETTINGS_PREFIX));
		test_assert(def->offset < sizeof(set));
	}
	test_end();
}

static void test_referral_plugin_settings_conf(void)
{
	/* guests are let in where the file is, as it comes with the plugin */
	static const char *const examples[] = {
		"imap_referral_server", "imap_referral_guests", NULL
	};

	test_begin("referral plugin settings: example configuration");
	unit_conf_check("imap-referral.conf.ext",
			referral_plugin_setting_defs, examples);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_plugin_settings_defaults,
		test_referral_plugin_settings_set,
		test_referral_plugin_settings_check,
		test_referral_plugin_settings_defs,
		test_referral_plugin_settings_conf,
		NULL
	};
	return unit_run(test_functions);
}
