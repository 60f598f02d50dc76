/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-url.h"
#include "unit-common.h"

#define LABEL_63 \
	"a23456789012345678901234567890123456789012345678901234567890123"
/* Four labels and three dots: 253 and 254 */
#define NAME_253 LABEL_63"."LABEL_63"."LABEL_63"." \
	"a234567890123456789012345678901234567890123456789012345678901"
#define NAME_254 NAME_253"2"

/* What a client gets ends up in [REFERRAL ...] and in a line: printable ASCII
   without brackets (but for IPv6), quotes, backslashes and spaces. */
static bool url_is_safe(const char *url)
{
	for (; *url != '\0'; url++) {
		if ((unsigned char)*url <= ' ' || (unsigned char)*url > '~' ||
		    strchr("\"\\<>^`{|}()\'", *url) != NULL)
			return FALSE;
	}
	return TRUE;
}

static void test_referral_url_parse(void)
{
	static const struct {
		const char *input;
		const char *host;
		in_port_t port;
		const char *mailbox;
		/* NULL: as the input */
		const char *output;
	} tests[] = {
		{ "imap://imap1.example.org/", "imap1.example.org", 143,
		  NULL, NULL },
		{ "imap://imap1.example.org", "imap1.example.org", 143,
		  NULL, "imap://imap1.example.org/" },
		{ "IMAP://Imap1.Example.ORG/", "imap1.example.org", 143,
		  NULL, "imap://imap1.example.org/" },
		{ "imap://localhost/", "localhost", 143, NULL, NULL },
		{ "imap://3com.example/", "3com.example", 143, NULL, NULL },
		{ "imap://a-b.example/", "a-b.example", 143, NULL, NULL },
		{ "imap://example.org./", "example.org", 143,
		  NULL, "imap://example.org/" },
		{ "imap://"LABEL_63"/", LABEL_63, 143, NULL, NULL },
		{ "imap://"NAME_253"/", NAME_253, 143, NULL, NULL },
		{ "imap://"NAME_253"./", NAME_253, 143,
		  NULL, "imap://"NAME_253"/" },
		/* Ports */
		{ "imap://h:1/", "h", 1, NULL, NULL },
		{ "imap://h:143/", "h", 143, NULL, "imap://h/" },
		{ "imap://h:993/", "h", 993, NULL, NULL },
		{ "imap://h:65535/", "h", 65535, NULL, NULL },
		/* Addresses */
		{ "imap://192.0.2.1/", "192.0.2.1", 143, NULL, NULL },
		{ "imap://192.0.2.1:10143/x", "192.0.2.1", 10143, "x", NULL },
		{ "imap://[2001:db8::1]/", "2001:db8::1", 143, NULL, NULL },
		{ "imap://[2001:DB8:0:0::1]:10143/x", "2001:db8::1", 10143,
		  "x", "imap://[2001:db8::1]:10143/x" },
		{ "imap://[::1]", "::1", 143, NULL, "imap://[::1]/" },
		{ "imap://[::ffff:192.0.2.1]/", "::ffff:192.0.2.1", 143,
		  NULL, NULL },
		/* Mailboxes */
		{ "imap://h/Shared/sales", "h", 143, "Shared/sales", NULL },
		{ "imap://h/Shared/sales/", "h", 143, "Shared/sales",
		  "imap://h/Shared/sales" },
		{ "imap://h/Shared%2Fsales", "h", 143, "Shared/sales",
		  "imap://h/Shared/sales" },
		{ "imap://h/INBOX", "h", 143, "INBOX", NULL },
		{ "imap://h/a-b.c_d~e", "h", 143, "a-b.c_d~e", NULL },
		{ "imap://h/B%C3%BCro%20%26%20co", "h", 143,
		  "B\xc3\xbcro & co", NULL },
		{ "imap://h/b%c3%bcro", "h", 143, "b\xc3\xbcro",
		  "imap://h/b%C3%BCro" },
		{ "imap://h/a&b=c+d", "h", 143, "a&b=c+d",
		  "imap://h/a%26b%3Dc%2Bd" },
		/* Modified UTF-7 is just a name: URLs are UTF-8 */
		{ "imap://h/B&APw-ro", "h", 143, "B&APw-ro",
		  "imap://h/B%26APw-ro" },
		{ "imap://h/a%25b", "h", 143, "a%b", NULL },
		{ "imap://h/%5D%22%5C%28%29%2A%5B", "h", 143, "]\"\\()*[",
		  NULL },
		{ "imap://h/a%3BUID%3D1", "h", 143, "a;UID=1", NULL },
		{ "imap://h/a%3Fb%23c", "h", 143, "a?b#c", NULL },
		{ "imap://h/%F0%9F%93%AB", "h", 143, "\xf0\x9f\x93\xab",
		  NULL },
		/* Dot segments mean what they do in every URL (RFC 3986
		   section 5.2.4), and empty ones nothing */
		{ "imap://h/a/./b", "h", 143, "a/b", "imap://h/a/b" },
		{ "imap://h/a/../b", "h", 143, "b", "imap://h/b" },
		{ "imap://h/../a", "h", 143, "a", "imap://h/a" },
		{ "imap://h/a//b", "h", 143, "a/b", "imap://h/a/b" },
		{ "imap://h/a//", "h", 143, "a", "imap://h/a" },
		{ "imap://h/a%2F", "h", 143, "a", "imap://h/a" },
		{ "imap://h/a...b/.c", "h", 143, "a...b/.c", NULL },
	};
	struct referral_url url, url2;
	const char *error, *output;
	unsigned int i;

	test_begin("referral url: parse and create");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = "";
		if (referral_url_parse(pool_datastack_create(),
				       tests[i].input, &url, &error) < 0) {
			test_assert_idx(FALSE, i);
			test_assert_strcmp_idx(error, "", i);
		} else {
			test_assert_strcmp_idx(url.host, tests[i].host, i);
			test_assert_idx(url.port == tests[i].port, i);
			test_assert_strcmp_idx(url.mailbox, tests[i].mailbox,
					       i);
			output = referral_url_create(&url, NULL);
			test_assert_strcmp_idx(output,
				tests[i].output != NULL ? tests[i].output :
				tests[i].input, i);
			test_assert_idx(url_is_safe(output), i);

			/* it can be read again, and is the same */
			test_assert_idx(referral_url_parse(
				pool_datastack_create(), output, &url2,
				&error) == 0, i);
			test_assert_strcmp_idx(url2.host, url.host, i);
			test_assert_idx(url2.port == url.port, i);
			test_assert_strcmp_idx(url2.mailbox, url.mailbox, i);
			test_assert_idx(referral_url_same_server(&url, &url2),
					i);
		}
	} T_END;
	test_end();
}

static void test_referral_url_parse_bad(void)
{
	static const char *const tests[] = {
		/* 0: schemes */
		"",
		" ",
		"imap",
		"imap:",
		"imap:/",
		"imaps://h/",
		"imap4://h/",
		"pop3://h/",
		"http://h/",
		"ldap://h/",
		/* 10 */
		"//h/",
		"h",
		"/Shared/sales",
		" imap://h/",
		"imap: //h/",
		/* 15: no host */
		"imap://",
		"imap:///",
		"imap:///Shared/sales",
		"imap://:143/",
		"imap://./",
		/* 20: not a host name */
		"imap://-h/",
		"imap://h-/",
		"imap://h_1/",
		"imap://a..b/",
		"imap://.a/",
		"imap://a.-b/",
		"imap://a.b-/",
		"imap://h..",
		"imap://h!/",
		"imap://h*/",
		/* 30 */
		"imap://h /",
		"imap://h\t/",
		"imap://h\r/",
		"imap://h\n/",
		"imap://h\r\nX/",
		"imap://h\x01/",
		"imap://h\x7f/",
		"imap://h%/",
		"imap://h%20/",
		"imap://h%0D%0A/",
		/* 40 */
		"imap://h%00/",
		"imap://ex%61mple.org/",
		"imap://h]/",
		"imap://[h]/",
		"imap://b\xc3\xbcro.example/",
		"imap://h\xff/",
		"imap://"LABEL_63"4/",
		"imap://"NAME_254"/",
		"imap://"NAME_254"./",
		"imap://h'/",
		/* 50: addresses that are none */
		"imap://127.1/",
		"imap://127.0.1/",
		"imap://2130706433/",
		"imap://256.1.1.1/",
		"imap://1.1.1.256/",
		"imap://010.0.0.1/",
		"imap://10.0.0.01/",
		"imap://1.2.3.4.5/",
		"imap://1.2.3.4./",
		"imap://1.2.3/",
		/* 60 */
		"imap://0x7f.1/",
		"imap://0x7f000001/",
		"imap://a.1/",
		"imap://[::1/",
		"imap://::1/",
		"imap://[]/",
		"imap://[::g]/",
		"imap://[fe80::1%25eth0]/",
		"imap://[fe80::1%eth0]/",
		"imap://[192.0.2.1]/",
		/* 70 */
		"imap://[::1]x/",
		"imap://[[::1]]/",
		"imap://[v1.x]/",
		/* 73: ports */
		"imap://h:0/",
		"imap://h:65536/",
		"imap://h:99999999999/",
		"imap://h:99999999999999999999999999/",
		"imap://h:-1/",
		"imap://h:+1/",
		"imap://h:1x/",
		/* 80 */
		"imap://h:x/",
		"imap://h: 1/",
		"imap://h:1 /",
		"imap://h:1:2/",
		"imap://h:%31/",
		/* 85: users */
		"imap://joe@h/",
		"imap://joe;AUTH=*@h/",
		"imap://;AUTH=*@h/",
		"imap://;AUTH=GSSAPI@h/",
		"imap://joe:secret@h/",
		/* 90 */
		"imap://@h/",
		"imap://evil.example@h/",
		/* 92: messages, searches and other parts */
		"imap://h/a;UIDVALIDITY=1",
		"imap://h/a/;UID=1",
		"imap://h/a;UIDVALIDITY=1/;UID=1",
		"imap://h/a/;UID=1/;SECTION=1",
		"imap://h/a/;UID=1/;PARTIAL=0.1",
		"imap://h/a?SUBJECT%20x",
		"imap://h/?ALL",
		"imap://h/;TYPE=LIST",
		/* 100 */
		"imap://h/a;x",
		"imap://h/a#b",
		"imap://h#b",
		"imap://h?b",
		"imap://h/a/;UID=1;URLAUTH=anonymous:INTERNAL:00",
		/* 105: mailbox names */
		"imap://h//a",
		"imap://h/%2Fa",
		"imap://h/a%2F%2Fb",
		/* cannot be written in a URL: "imap://h/../a" is another one */
		"imap://h/%2E%2E/a",
		"imap://h/a/%2E%2E",
		/* 110 */
		"imap://h/a/%2E/b",
		"imap://h/a b",
		"imap://h/a\tb",
		"imap://h/a\rb",
		"imap://h/a\nb",
		"imap://h/a%0Db",
		"imap://h/a%0Ab",
		"imap://h/a%00b",
		"imap://h/a%01b",
		"imap://h/a%7Fb",
		/* 120 */
		"imap://h/a%",
		"imap://h/a%4",
		"imap://h/a%GG",
		"imap://h/a]b",
		"imap://h/a\"b",
		"imap://h/a\\b",
		"imap://h/B\xc3\xbcro",
		/* invalid UTF-8: Latin-1, cut short, overlong, surrogate,
		   beyond Unicode */
		"imap://h/B%FCro",
		"imap://h/B%C3",
		"imap://h/%C0%AF",
		/* 130 */
		"imap://h/%ED%A0%80",
		"imap://h/%F4%90%80%80",
		"imap://h/%FE%FF",
	};
	struct referral_url url;
	const char *error;
	unsigned int i;

	test_begin("referral url: parse bad URLs");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = NULL;
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i], &url, &error) == -1, i);
		/* the error is for logs */
		test_assert_idx(error != NULL && *error != '\0' &&
				strpbrk(error, "\r\n") == NULL, i);
	} T_END;
	test_end();
}

static const char *mailbox_url(const char *unit, unsigned int count)
{
	string_t *str = t_str_new(65536);

	str_append(str, "imap://h/");
	while (count-- > 0)
		str_append(str, unit);
	return str_c(str);
}

static void test_referral_url_parse_long(void)
{
	struct referral_url url;
	const char *error;

	test_begin("referral url: long names");
	test_assert(referral_url_parse(pool_datastack_create(),
		mailbox_url("a", REFERRAL_MAX_MAILBOX_LENGTH),
		&url, &error) == 0);
	test_assert(strlen(url.mailbox) == REFERRAL_MAX_MAILBOX_LENGTH);
	/* the limit is in bytes of the name, not of the URL */
	test_assert(referral_url_parse(pool_datastack_create(),
		mailbox_url("%C3%BC", REFERRAL_MAX_MAILBOX_LENGTH / 2),
		&url, &error) == 0);
	test_assert(strlen(url.mailbox) == REFERRAL_MAX_MAILBOX_LENGTH);
	test_assert(referral_url_parse(pool_datastack_create(),
		mailbox_url("a", REFERRAL_MAX_MAILBOX_LENGTH + 1),
		&url, &error) == -1);
	test_assert(referral_url_parse(pool_datastack_create(),
		mailbox_url("a", 1024*1024), &url, &error) == -1);
	test_assert(referral_url_parse(pool_datastack_create(),
		mailbox_url("a/", 1000), &url, &error) == 0);
	test_end();
}

static void test_referral_url_parse_server(void)
{
	static const struct {
		const char *input;
		/* NULL: refused */
		const char *host;
		in_port_t port;
	} tests[] = {
		{ "imap1.example.org", "imap1.example.org", 10143 },
		{ "IMAP1.example.org.", "imap1.example.org", 10143 },
		{ "imap1:1", "imap1", 1 },
		{ "imap1:65535", "imap1", 65535 },
		{ "imap1:0143", "imap1", 143 },
		{ "192.0.2.1", "192.0.2.1", 10143 },
		{ "192.0.2.1:143", "192.0.2.1", 143 },
		{ "2001:db8::1", "2001:db8::1", 10143 },
		{ "[2001:db8::1]", "2001:db8::1", 10143 },
		{ "[2001:DB8::1]:143", "2001:db8::1", 143 },
		/* 10 */
		{ "::", "::", 10143 },
		{ NAME_253, NAME_253, 10143 },
		{ NAME_253":1", NAME_253, 1 },
		{ LABEL_63, LABEL_63, 10143 },
		{ "xn--bro-hoa.example", "xn--bro-hoa.example", 10143 },
		/* 15 */
		{ "", NULL, 0 },
		{ ":", NULL, 0 },
		{ ":143", NULL, 0 },
		{ "h:", NULL, 0 },
		{ "h:0", NULL, 0 },
		/* 20 */
		{ "h:00", NULL, 0 },
		{ "h:65536", NULL, 0 },
		{ "h:65679", NULL, 0 },
		{ "h:99999999999", NULL, 0 },
		{ "h:99999999999999999999999999", NULL, 0 },
		{ "h:-1", NULL, 0 },
		{ "h:+1", NULL, 0 },
		{ "h: 1", NULL, 0 },
		{ "h:1 ", NULL, 0 },
		{ "h:x", NULL, 0 },
		/* 30 */
		{ "h:1x", NULL, 0 },
		{ "h:1:2", NULL, 0 },
		{ " h", NULL, 0 },
		{ "h ", NULL, 0 },
		{ "h h2", NULL, 0 },
		{ "h/", NULL, 0 },
		{ "h/x", NULL, 0 },
		{ "imap://h/", NULL, 0 },
		{ "joe@h", NULL, 0 },
		{ "h\r", NULL, 0 },
		/* 40 */
		{ "h\n", NULL, 0 },
		{ "h\r\n* BYE", NULL, 0 },
		{ "h\x01", NULL, 0 },
		{ "h\x7f", NULL, 0 },
		{ "h%", NULL, 0 },
		{ "h%20", NULL, 0 },
		{ "h%41", NULL, 0 },
		{ "h]", NULL, 0 },
		{ "[h]", NULL, 0 },
		{ "h_1", NULL, 0 },
		/* 50 */
		{ "-h", NULL, 0 },
		{ "h-", NULL, 0 },
		{ "h.-x", NULL, 0 },
		{ "h-.x", NULL, 0 },
		{ ".", NULL, 0 },
		{ "..", NULL, 0 },
		{ "h..", NULL, 0 },
		{ ".h", NULL, 0 },
		{ "h..x", NULL, 0 },
		{ "b\xc3\xbcro", NULL, 0 },
		/* 60 */
		{ "h\xff", NULL, 0 },
		{ "h\"", NULL, 0 },
		{ "h\\", NULL, 0 },
		{ "h*", NULL, 0 },
		{ LABEL_63"4", NULL, 0 },
		{ NAME_254, NULL, 0 },
		{ NAME_254".", NULL, 0 },
		{ NAME_253"..", NULL, 0 },
		{ "127.1", NULL, 0 },
		{ "127.0.1", NULL, 0 },
		/* 70 */
		{ "2130706433", NULL, 0 },
		{ "1", NULL, 0 },
		{ "256.1.1.1", NULL, 0 },
		{ "1.1.1.256", NULL, 0 },
		{ "1.1.1.1.1", NULL, 0 },
		{ "1.1.1.1.", NULL, 0 },
		{ "010.0.0.1", NULL, 0 },
		{ "10.0.0.01", NULL, 0 },
		{ "10.0.0.1x", NULL, 0 },
		{ "10.0.0.1.example.org", NULL, 0 },
		/* 80 */
		{ "10.0.0.example.org", "10.0.0.example.org", 10143 },
		{ "0x7f.0.0.1", NULL, 0 },
		{ "0x7f000001", NULL, 0 },
		{ "192.0.2.1 x", NULL, 0 },
		{ "a.1", NULL, 0 },
		{ "fe80::1%eth0", NULL, 0 },
		{ "[fe80::1%eth0]", NULL, 0 },
		{ "[fe80::1%25eth0]:143", NULL, 0 },
		{ "[::1", NULL, 0 },
		{ "::1]", NULL, 0 },
		{ "[]", NULL, 0 },
		{ "[::1]x", NULL, 0 },
		{ "[::1]:", NULL, 0 },
		/* 90 */
		{ "[::1]:0", NULL, 0 },
		{ "[::1]:65536", NULL, 0 },
		{ "[[::1]]", NULL, 0 },
		{ "[::1]]", NULL, 0 },
		{ "[192.0.2.1]", NULL, 0 },
		{ "[192.0.2.1]:143", NULL, 0 },
		{ "::g", NULL, 0 },
		{ ":::", NULL, 0 },
		{ "1::2::3", NULL, 0 },
		{ "[::1] ", NULL, 0 },
	};
	struct referral_url url, url2;
	const char *error, *output;
	unsigned int i;
	int ret;

	test_begin("referral url: parse host and port");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = NULL;
		ret = referral_url_parse_server(pool_datastack_create(),
						tests[i].input, 10143, &url,
						&error);
		if (tests[i].host == NULL) {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL && *error != '\0' &&
					strpbrk(error, "\r\n") == NULL, i);
		} else {
			test_assert_idx(ret == 0, i);
			test_assert_strcmp_idx(url.host, tests[i].host, i);
			test_assert_idx(url.port == tests[i].port, i);
			test_assert_idx(url.mailbox == NULL, i);

			output = referral_url_create(&url, NULL);
			test_assert_idx(url_is_safe(output), i);
			test_assert_idx(referral_url_parse(
				pool_datastack_create(), output, &url2,
				&error) == 0, i);
			test_assert_idx(referral_url_same_server(&url, &url2),
					i);
		}
	} T_END;
	test_end();
}

/* What people write there by mistake: it has no wrong port. */
static void test_referral_url_parse_server_url(void)
{
	static const char *const tests[] = {
		"imap://h", "imap://h/", "imap://h:143/x", "imap://[::1]/",
		"ldap://h",
	};
	struct referral_url url;
	const char *error;
	unsigned int i;

	test_begin("referral url: parse host and port: URL");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse_server(
			pool_datastack_create(), tests[i], 143, &url,
			&error) == -1, i);
		test_assert_strcmp_idx(error, "expected host[:port], not a URL",
				       i);
	}
	test_end();
}

static void test_referral_mailbox_name_error(void)
{
	static const struct {
		const char *name;
		bool valid;
	} tests[] = {
		{ "a", TRUE },
		{ "a/b/c", TRUE },
		{ "B\xc3\xbcro & co", TRUE },
		{ " ", TRUE },
		{ "*()\\%\"]", TRUE },
		{ "B&APw-ro", TRUE },
		{ ".a/..b/c./...", TRUE },
		{ "", FALSE },
		{ "/", FALSE },
		{ "/a", FALSE },
		{ "a/", FALSE },
		{ ".", FALSE },
		{ "../a", FALSE },
		{ "a/./b", FALSE },
		{ "a/..", FALSE },
		{ "a//b", FALSE },
		{ "a\rb", FALSE },
		{ "a\nb", FALSE },
		{ "a\tb", FALSE },
		{ "\x01", FALSE },
		{ "a\x1f", FALSE },
		{ "a\x7f", FALSE },
		{ "\xff", FALSE },
		{ "\xc3", FALSE },
		{ "\xc0\xaf", FALSE },
		{ "\xed\xa0\x80", FALSE },
	};
	string_t *str = t_str_new(16384);
	unsigned int i;

	test_begin("referral url: mailbox names");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx((referral_mailbox_name_error(tests[i].name) ==
				 NULL) == tests[i].valid, i);
	}
	while (str_len(str) < REFERRAL_MAX_MAILBOX_LENGTH)
		str_append_c(str, 'a');
	test_assert(referral_mailbox_name_error(str_c(str)) == NULL);
	while (str_len(str) < 10000)
		str_append_c(str, 'a');
	test_assert(referral_mailbox_name_error(str_c(str)) != NULL);
	test_end();
}

static void test_referral_user_name_error(void)
{
	static const struct {
		const char *name;
		bool valid;
	} tests[] = {
		{ "a", TRUE },
		{ "joe@example.org", TRUE },
		{ "J\xc3\xb6 /;*%\"]", TRUE },
		{ " ", TRUE },
		{ "", FALSE },
		{ "a\nb", FALSE },
		{ "a\rb", FALSE },
		{ "\001", FALSE },
		{ "a\x7f", FALSE },
		{ "a\xff", FALSE },
		{ "\xc3", FALSE },
	};
	string_t *str = t_str_new(REFERRAL_MAX_USER_LENGTH + 1);
	unsigned int i;

	test_begin("referral user name error");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx((referral_user_name_error(tests[i].name) ==
				 NULL) == tests[i].valid, i);
	}
	while (str_len(str) < REFERRAL_MAX_USER_LENGTH)
		str_append_c(str, 'a');
	test_assert(referral_user_name_error(str_c(str)) == NULL);
	str_append_c(str, 'a');
	test_assert(referral_user_name_error(str_c(str)) != NULL);
	test_end();
}

/* Whatever byte there is in a name, none breaks out of the URL. */
static void test_referral_url_create_all_bytes(void)
{
	static const char unreserved[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		"0123456789-._~";
	struct referral_url url = { .host = "h", .port = 143 };
	char name[] = "aXb";
	const char *output, *expected;
	unsigned int i;

	test_begin("referral url: create with all bytes");
	for (i = 1; i < 256; i++) T_BEGIN {
		name[1] = i;
		if (strchr(unreserved, i) != NULL)
			expected = name;
		else
			expected = t_strdup_printf("a%%%02Xb", i);

		url.mailbox = "x";
		output = referral_url_create(&url, name);
		test_assert_idx(url_is_safe(output), i);
		test_assert_strcmp_idx(output, t_strdup_printf(
			"imap://%s;AUTH=*@h/x", expected), i);

		url.mailbox = name;
		output = referral_url_create(&url, NULL);
		test_assert_idx(url_is_safe(output), i);
		if (i == '/')
			expected = "a/b";
		test_assert_strcmp_idx(output, t_strconcat("imap://h/",
							   expected, NULL), i);
	} T_END;
	test_end();
}

static void test_referral_url_create_user(void)
{
	static const struct {
		const char *url, *user, *output;
	} tests[] = {
		{ "imap://imap2.example.org", "joe",
		  "imap://joe;AUTH=*@imap2.example.org/" },
		{ "imap://imap2.example.org/Shared/sales", "joe",
		  "imap://joe;AUTH=*@imap2.example.org/Shared/sales" },
		{ "imap://[::1]:1/x", "joe@example.org",
		  "imap://joe%40example.org;AUTH=*@[::1]:1/x" },
		{ "imap://h/", "j\xc3\xb6" "e;AUTH=x:y/z %]",
		  "imap://j%C3%B6e%3BAUTH%3Dx%3Ay%2Fz%20%25%5D;AUTH=*@h/" },
		{ "imap://h/", "a\r\nb", "imap://a%0D%0Ab;AUTH=*@h/" },
	};
	struct referral_url url;
	const char *error;
	string_t *str;
	unsigned int i;

	test_begin("referral url: create with a user");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url, &url, &error) == 0, i);
		test_assert_strcmp_idx(
			referral_url_create(&url, tests[i].user),
			tests[i].output, i);
	}

	str = t_str_new(64);
	str_append(str, "x ");
	referral_url_append(str, &url, NULL);
	test_assert_strcmp(str_c(str), "x imap://h/");
	str_truncate(str, 0);
	referral_url_append_mailbox(str, "a b/c");
	test_assert_strcmp(str_c(str), "a%20b/c");
	test_end();
}

static void test_referral_url_get_server(void)
{
	static const struct {
		const char *url, *server;
	} tests[] = {
		{ "imap://h/", "h:143" },
		{ "imap://H.example.:993/a", "h.example:993" },
		{ "imap://192.0.2.1/", "192.0.2.1:143" },
		{ "imap://[0::1]:10143/a", "[::1]:10143" },
	};
	struct referral_url url, url2;
	const char *error;
	unsigned int i;

	test_begin("referral url: server");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url, &url, &error) == 0, i);
		test_assert_strcmp_idx(referral_url_get_server(&url),
				       tests[i].server, i);
		test_assert_idx(referral_url_parse_server(
			pool_datastack_create(), tests[i].server, 1, &url2,
			&error) == 0, i);
		test_assert_idx(referral_url_same_server(&url, &url2), i);
	}
	test_end();
}

static void test_referral_url_same_server(void)
{
	static const struct {
		const char *url1, *url2;
		bool same;
	} tests[] = {
		{ "imap://h/", "imap://h/", TRUE },
		{ "imap://h/", "imap://H./a", TRUE },
		{ "imap://h/a", "imap://h:143/b", TRUE },
		{ "imap://h/", "imap://h:993/", FALSE },
		{ "imap://h/", "imap://h2/", FALSE },
		{ "imap://h/", "imap://h.example/", FALSE },
		{ "imap://192.0.2.1/", "imap://192.0.2.1/", TRUE },
		{ "imap://192.0.2.1/", "imap://192.0.2.2/", FALSE },
		{ "imap://192.0.2.1/", "imap://h/", FALSE },
		{ "imap://[::1]/", "imap://[0:0::1]/", TRUE },
		{ "imap://[::1]/", "imap://[::2]/", FALSE },
		{ "imap://[::1]/", "imap://[::1]:1/", FALSE },
		{ "imap://h/", "imap://[::1]/", FALSE },
	};
	struct referral_url url1, url2;
	const char *error;
	unsigned int i;

	test_begin("referral url: same server");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url1, &url1, &error) == 0, i);
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url2, &url2, &error) == 0, i);
		test_assert_idx(referral_url_same_server(&url1, &url2) ==
				tests[i].same, i);
		test_assert_idx(referral_url_same_server(&url2, &url1) ==
				tests[i].same, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_url_parse,
		test_referral_url_parse_bad,
		test_referral_url_parse_long,
		test_referral_url_parse_server,
		test_referral_url_parse_server_url,
		test_referral_mailbox_name_error,
		test_referral_user_name_error,
		test_referral_url_create_all_bytes,
		test_referral_url_create_user,
		test_referral_url_get_server,
		test_referral_url_same_server,
		NULL
	};
	return unit_run(test_functions);
}
