/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-key.h"
#include "referral-url.h"
#include "unit-common.h"

static void test_referral_key_home(void)
{
	static const struct {
		const char *user;
		/* NULL: need not be asked about */
		const char *key;
	} tests[] = {
		{ "joe", "shared/imap-referral/home/joe" },
		{ "joe@example.org",
		  "shared/imap-referral/home/joe@example.org" },
		{ "a/b", "shared/imap-referral/home/a\\|b" },
		{ "a\\b", "shared/imap-referral/home/a\\\\b" },
		{ "a\\|b", "shared/imap-referral/home/a\\\\|b" },
		{ "/", "shared/imap-referral/home/\\|" },
		{ "\\", "shared/imap-referral/home/\\\\" },
		{ "*()", "shared/imap-referral/home/*()" },
		{ "j\xc3\xb6rg", "shared/imap-referral/home/j\xc3\xb6rg" },
		{ "a b%", "shared/imap-referral/home/a b%" },
		{ "../x", "shared/imap-referral/home/..\\|x" },
		{ "", NULL },
		{ "\xff", NULL },
		{ "j\xf6rg", NULL },
		{ "\xc0\xaf", NULL },
		{ "a\rb", NULL },
		{ "a\nb", NULL },
		{ "a\tb", NULL },
		{ "\x01", NULL },
		{ "a\x7f", NULL },
	};
	enum referral_key_type type;
	const char *key, *name;
	unsigned int i;

	test_begin("referral key: home");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		key = referral_key_home(tests[i].user);
		test_assert_strcmp_idx(key, tests[i].key, i);
		if (key != NULL) {
			test_assert_idx(referral_key_parse(key, &type, &name),
					i);
			test_assert_idx(type == REFERRAL_KEY_TYPE_HOME, i);
			test_assert_strcmp_idx(name, tests[i].user, i);
		}
	}
	test_end();
}

static void test_referral_key_mailbox(void)
{
	static const struct {
		const char *mailbox;
		const char *key;
	} tests[] = {
		{ "Shared", "shared/imap-referral/mailbox/Shared" },
		{ "Shared/sales/2026",
		  "shared/imap-referral/mailbox/Shared\\|sales\\|2026" },
		{ "a\\b", "shared/imap-referral/mailbox/a\\\\b" },
		{ "a\\/b", "shared/imap-referral/mailbox/a\\\\\\|b" },
		{ "a|b", "shared/imap-referral/mailbox/a|b" },
		{ "B\xc3\xbcro & co",
		  "shared/imap-referral/mailbox/B\xc3\xbcro & co" },
		{ "B&APw-ro", "shared/imap-referral/mailbox/B&APw-ro" },
		{ "*()%", "shared/imap-referral/mailbox/*()%" },
		{ "", NULL },
		{ "/a", NULL },
		{ "a/", NULL },
		{ "a//b", NULL },
		{ "a\rb", NULL },
		{ "a\nb", NULL },
		{ "\x1f", NULL },
		{ "\x7f", NULL },
		{ "B\xfcro", NULL },
		{ "a\xc3", NULL },
	};
	enum referral_key_type type;
	const char *key, *name;
	unsigned int i;

	test_begin("referral key: mailbox");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		key = referral_key_mailbox(tests[i].mailbox);
		test_assert_strcmp_idx(key, tests[i].key, i);
		if (key != NULL) {
			test_assert_idx(referral_key_parse(key, &type, &name),
					i);
			test_assert_idx(type == REFERRAL_KEY_TYPE_MAILBOX, i);
			test_assert_strcmp_idx(name, tests[i].mailbox, i);
		}
	}
	test_end();
}

/* Keys with a server in them. */
static const struct {
	const char *prefix;
	enum referral_key_type type;
	const char *(*func)(const struct referral_url *server);
} server_keys[] = {
	{ "shared/imap-referral/shares/", REFERRAL_KEY_TYPE_SHARES,
	  referral_key_shares },
	{ "shared/imap-referral/server/", REFERRAL_KEY_TYPE_SERVER,
	  referral_key_server },
};

static void test_referral_key_servers(void)
{
	static const struct {
		const char *server, *name;
	} tests[] = {
		{ "imap1.example.org", "imap1.example.org:143" },
		{ "IMAP1.example.org.:10143", "imap1.example.org:10143" },
		{ "192.0.2.1", "192.0.2.1:143" },
		{ "[2001:DB8::1]:993", "[2001:db8::1]:993" },
	};
	static const char *const bad_names[] = {
		"", "h_1", "h:0", "h:65536", "h/x", "h\\|x", "h\n", "joe@h",
		"imap:\\|\\|h", "127.1",
	};
	enum referral_key_type type;
	const char *prefix, *key, *name, *error;
	struct referral_url url;
	unsigned int i, j;

	test_begin("referral key: servers");
	for (j = 0; j < N_ELEMENTS(server_keys); j++) {
		prefix = server_keys[j].prefix;
		for (i = 0; i < N_ELEMENTS(tests); i++) {
			test_assert_idx(referral_url_parse_server(
				pool_datastack_create(), tests[i].server, 143,
				&url, &error) == 0, i);
			key = server_keys[j].func(&url);
			test_assert_strcmp_idx(key, t_strconcat(prefix,
				tests[i].name, NULL), i);
			test_assert_idx(referral_key_parse(key, &type, &name),
					i);
			test_assert_idx(type == server_keys[j].type, i);
			test_assert_strcmp_idx(name, tests[i].name, i);
			/* however others spell it */
			test_assert_idx(referral_key_parse(t_strconcat(prefix,
				tests[i].server, NULL), &type, &name), i);
			test_assert_strcmp_idx(name, tests[i].name, i);
		}
		for (i = 0; i < N_ELEMENTS(bad_names); i++) {
			test_assert_idx(!referral_key_parse(t_strconcat(prefix,
				bad_names[i], NULL), &type, &name), i);
		}
	}
	test_end();
}

/* Keys that are about whoever answers. */
static void test_referral_key_words(void)
{
	static const struct {
		const char *key;
		enum referral_key_type type;
	} tests[] = {
		{ "shared/imap-referral/status", REFERRAL_KEY_TYPE_STATUS },
		{ "shared/imap-referral/flush", REFERRAL_KEY_TYPE_FLUSH },
	};
	static const char *const bad_keys[] = {
		"shared/imap-referral/", "shared/imap-referral/status/",
		"shared/imap-referral/flush/bob",
		"shared/imap-referral/Flush", "shared/imap-referral/flus",
		"shared/imap-referral/statuses", "flush",
		"priv/imap-referral/flush",
	};
	enum referral_key_type type;
	const char *name;
	unsigned int i;

	test_begin("referral key: status and flush");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_key_parse(tests[i].key, &type, &name),
				i);
		test_assert_idx(type == tests[i].type, i);
		test_assert_strcmp_idx(name, "", i);
	}
	for (i = 0; i < N_ELEMENTS(bad_keys); i++) {
		test_assert_idx(!referral_key_parse(bad_keys[i], &type, &name),
				i);
	}
	/* users and mailboxes may have these names */
	test_assert(referral_key_parse(referral_key_home("flush"), &type,
				       &name));
	test_assert(type == REFERRAL_KEY_TYPE_HOME);
	test_assert(referral_key_parse(referral_key_mailbox("flush"), &type,
				       &name));
	test_assert(type == REFERRAL_KEY_TYPE_MAILBOX);
	test_end();
}

static const char *long_name(unsigned int length)
{
	string_t *str = t_str_new(length + 1);

	while (str_len(str) < length)
		str_append_c(str, 'a');
	return str_c(str);
}

static void test_referral_key_long(void)
{
	enum referral_key_type type;
	const char *name;

	test_begin("referral key: long names");
	test_assert(referral_key_home(
		long_name(REFERRAL_MAX_USER_LENGTH)) != NULL);
	test_assert(referral_key_home(
		long_name(REFERRAL_MAX_USER_LENGTH + 1)) == NULL);
	test_assert(referral_key_home(long_name(10000)) == NULL);
	test_assert(referral_key_mailbox(
		long_name(REFERRAL_MAX_MAILBOX_LENGTH)) != NULL);
	test_assert(referral_key_mailbox(
		long_name(REFERRAL_MAX_MAILBOX_LENGTH + 1)) == NULL);
	test_assert(referral_key_mailbox(long_name(10000)) == NULL);

	/* others may send them all the same */
	test_assert(!referral_key_parse(t_strconcat(REFERRAL_KEY_HOME,
		long_name(10000), NULL), &type, &name));
	test_assert(!referral_key_parse(t_strconcat(REFERRAL_KEY_MAILBOX,
		long_name(10000), NULL), &type, &name));
	test_end();
}

static void test_referral_key_parse_bad(void)
{
	static const char *const tests[] = {
		"",
		"shared/",
		"shared/imap-referral",
		"shared/imap-referral/",
		"shared/imap-referral/home",
		"shared/imap-referral/home/",
		"shared/imap-referral/mailbox",
		"shared/imap-referral/mailbox/",
		"shared/imap-referral/other/joe",
		"shared/imap-referral/homes/joe",
		/* 10 */
		"shared/imap-referral/Home/joe",
		"shared/imap-referralhome/joe",
		"priv/imap-referral/home/joe",
		"imap-referral/home/joe",
		" shared/imap-referral/home/joe",
		/* 15: not escaped */
		"shared/imap-referral/home/a/b",
		"shared/imap-referral/mailbox/Shared/sales",
		/* 17: what the key functions refuse */
		"shared/imap-referral/home/a\nb",
		"shared/imap-referral/home/\xff",
		"shared/imap-referral/mailbox/\\|a",
		/* 20 */
		"shared/imap-referral/mailbox/a\\|",
		"shared/imap-referral/mailbox/a\\|\\|b",
		"shared/imap-referral/mailbox/a\x01",
		"shared/imap-referral/mailbox/\xc3",
		/* an escape without what it escapes */
		"shared/imap-referral/home/\\",
	};
	enum referral_key_type type;
	const char *name;
	unsigned int i;

	test_begin("referral key: parse bad keys");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(!referral_key_parse(tests[i], &type, &name),
				i);
	}
	test_end();
}

/* Every byte, next to those that escape. */
static void test_referral_key_all_bytes(void)
{
	static const char around[][2] = {
		{ 'a', 'b' }, { '\\', '|' }, { '|', '\\' }, { '/', '/' }
	};
	enum referral_key_type type;
	char user[] = "XXX";
	const char *key, *name;
	unsigned int i, j;

	test_begin("referral key: all bytes");
	for (i = 1; i < 0x80; i++) T_BEGIN {
		for (j = 0; j < N_ELEMENTS(around); j++) {
			user[0] = around[j][0];
			user[1] = i;
			user[2] = around[j][1];
			key = referral_key_home(user);
			if (i < 0x20 || i == 0x7f) {
				test_assert_idx(key == NULL, i);
				continue;
			}
			test_assert_idx(key != NULL && strchr(key +
				strlen(REFERRAL_KEY_HOME), '/') == NULL, i);
			test_assert_idx(referral_key_parse(key, &type, &name),
					i);
			test_assert_strcmp_idx(name, user, i);
		}
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_key_home,
		test_referral_key_mailbox,
		test_referral_key_servers,
		test_referral_key_words,
		test_referral_key_long,
		test_referral_key_parse_bad,
		test_referral_key_all_bytes,
		NULL
	};
	return unit_run(test_functions);
}
