/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-compat.h"
#include "referral-url.h"
#include "referral-response.h"
#include "unit-common.h"

/* RFC 9051 section 9: resp-text has no CR, LF and NUL; the arguments of a
   response code have no "]"; and ours is all ASCII. */
static bool response_is_safe(const char *response)
{
	const char *p;
	unsigned int brackets = 0;

	for (p = response; *p != '\0'; p++) {
		if ((unsigned char)*p < ' ' || (unsigned char)*p > '~')
			return FALSE;
		if (*p == ']')
			brackets++;
	}
	return response[0] == '[' && brackets == 1;
}

static void test_referral_response_mailbox(void)
{
	static const struct {
		const char *url, *user, *response;
	} tests[] = {
		{ "imap://imap2.example.org/Shared/sales", "joe",
		  "[REFERRAL imap://joe;AUTH=*@imap2.example.org/Shared/sales]"
		  " This folder is on IMAP server imap2.example.org." },
		{ "imap://imap2.example.org:10143/B%C3%BCro%20%26%20co",
		  "joe@example.org",
		  "[REFERRAL imap://joe%40example.org;AUTH=*@imap2.example.org"
		  ":10143/B%C3%BCro%20%26%20co]"
		  " This folder is on IMAP server imap2.example.org." },
		{ "imap://192.0.2.1/a%5D%0Ab", NULL, NULL },
		{ "imap://192.0.2.1/a%5D%22b", "a]\r\n* BYE",
		  "[REFERRAL imap://a%5D%0D%0A%2A%20BYE;AUTH=*@192.0.2.1/"
		  "a%5D%22b] This folder is on IMAP server 192.0.2.1." },
	};
	struct referral_url url;
	const char *error, *response;
	unsigned int i;
	int ret;

	test_begin("referral response: mailbox");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		ret = referral_url_parse(pool_datastack_create(),
					 tests[i].url, &url, &error);
		if (tests[i].response == NULL) {
			test_assert_idx(ret == -1, i);
			continue;
		}
		test_assert_idx(ret == 0, i);
		response = referral_response_mailbox(&url, 1, tests[i].user);
		test_assert_strcmp_idx(response, tests[i].response, i);
		test_assert_idx(response_is_safe(response), i);
	}
	test_end();
}

static void test_referral_response_offer(void)
{
	static const struct {
		const char *url, *user, *response;
	} tests[] = {
		{ "imap://imap2.example.org/", "joe",
		  "[REFERRAL imap://joe;AUTH=*@imap2.example.org/] "
		  "Your mailboxes are on IMAP server imap2.example.org." },
		{ "imap://imap2.example.org:10143/", "joe@example.org",
		  "[REFERRAL imap://joe%40example.org;AUTH=*@imap2.example.org"
		  ":10143/] "
		  "Your mailboxes are on IMAP server imap2.example.org." },
		{ "imap://192.0.2.1", "J\xc3\xb6 ;AUTH=%]\r\n* BYE",
		  "[REFERRAL imap://J%C3%B6%20%3BAUTH%3D%25%5D%0D%0A%2A%20BYE"
		  ";AUTH=*@192.0.2.1/] "
		  "Your mailboxes are on IMAP server 192.0.2.1." },
	};
	struct referral_url url;
	const char *error, *response;
	unsigned int i;

	test_begin("referral response: offer");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse(pool_datastack_create(),
			tests[i].url, &url, &error) == 0, i);
		response = referral_response_offer(&url, tests[i].user);
		test_assert_strcmp_idx(response, tests[i].response, i);
		test_assert_idx(response_is_safe(response), i);
	}
	test_end();
}

static void test_referral_response_all_bytes(void)
{
	struct referral_url url = { .host = "h", .port = 143 };
	char name[] = "aXb";
	unsigned int i;

	test_begin("referral response: all bytes");
	for (i = 1; i < 256; i++) T_BEGIN {
		name[1] = i;
		url.mailbox = name;
		test_assert_idx(response_is_safe(
			referral_response_mailbox(&url, 1, name)), i);
		url.mailbox = NULL;
		test_assert_idx(response_is_safe(
			referral_response_offer(&url, name)), i);
	} T_END;
	test_end();
}

/* The code's URL has IPv6 in brackets. "]" ends a response code, so clients
   that follow RFC 9051's grammar read no further than the address: nothing can
   be done about it, as RFC 2221 wants a URL there. But there is nothing else
   like it in the line. */
static void test_referral_response_ipv6(void)
{
	struct referral_url url;
	const char *error;

	test_begin("referral response: IPv6");
	test_assert(referral_url_parse(pool_datastack_create(),
		"imap://[2001:db8::1]/x", &url, &error) == 0);
	test_assert_strcmp(referral_response_mailbox(&url, 1, "joe"),
		"[REFERRAL imap://joe;AUTH=*@[2001:db8::1]/x] "
		"This folder is on IMAP server 2001:db8::1.");
	test_end();
}

static void test_referral_response_several(void)
{
	const struct referral_url urls[] = {
		{ .host = "imap2", .port = 143, .mailbox = "a b" },
		{ .host = "imap3", .port = 10143, .mailbox = "c" },
	};

	test_begin("referral response: several URLs");
	test_assert_strcmp(referral_response_mailbox(urls, 2, "joe"),
		"[REFERRAL imap://joe;AUTH=*@imap2/a%20b "
		"imap://joe;AUTH=*@imap3:10143/c] "
		"This folder is on IMAP server imap2.");
	test_assert_strcmp(referral_response_rename(&urls[0], &urls[1],
						    &urls[1], "joe"),
		"[REFERRAL imap://joe;AUTH=*@imap2/a%20b "
		"imap://joe;AUTH=*@imap3:10143/c] "
		"This folder is on IMAP server imap3.");
	test_assert_strcmp(referral_response_no_visitors(&urls[0]),
			   "[NOPERM] This folder is on IMAP server imap2.");
	test_end();
}

static void test_referral_response_is(void)
{
	static const struct {
		const char *text;
		bool ours;
	} tests[] = {
		{ "[REFERRAL imap://h/x] This folder", TRUE },
		{ REFERRAL_RESPONSE_UNAVAILABLE, TRUE },
		{ REFERRAL_RESPONSE_UNAVAILABLE" (0.1 secs)", TRUE },
		{ "[NOPERM] This folder is on IMAP server h.", TRUE },
		/* somebody else's, and that of a list */
		{ "[UNAVAILABLE] Disk", FALSE },
		{ REFERRAL_RESPONSE_LIST_UNAVAILABLE, FALSE },
		{ "[NOPERM] No", FALSE },
		{ "[REFERRAL]", FALSE },
		{ " [REFERRAL imap://h/x]", FALSE },
		{ "", FALSE },
	};
	unsigned int i;

	test_begin("referral response: is one");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_response_is(tests[i].text) ==
				tests[i].ours, i);
	}
	test_end();
}

static void test_referral_response_unavailable(void)
{
	test_begin("referral response: unavailable");
	test_assert(response_is_safe(REFERRAL_RESPONSE_LIST_UNAVAILABLE));
	test_assert(str_begins_with(REFERRAL_RESPONSE_LIST_UNAVAILABLE,
				    "[UNAVAILABLE] "));
	test_assert(response_is_safe(REFERRAL_RESPONSE_UNAVAILABLE));
	test_assert(str_begins_with(REFERRAL_RESPONSE_UNAVAILABLE,
			       "[UNAVAILABLE] "));
	test_end();
}

static void test_referral_response_login(void)
{
	static const struct {
		const char *server, *text, *closed;
	} tests[] = {
		{ "imap2.example.org",
		  "Use IMAP server imap2.example.org for this account.",
		  "[REFERRAL imap://imap2.example.org/] This server is closed. "
		  "Use IMAP server imap2.example.org." },
		{ "[2001:db8::1]:1143",
		  "Use IMAP server 2001:db8::1 for this account.",
		  "[REFERRAL imap://[2001:db8::1]:1143/] This server is "
		  "closed. Use IMAP server 2001:db8::1." },
	};
	struct referral_url server;
	const char *error;
	unsigned int i;

	test_begin("referral response: login");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_url_parse_server(
			pool_datastack_create(), tests[i].server, 143, &server,
			&error) == 0, i);
		test_assert_strcmp_idx(referral_response_login_text(&server),
				       tests[i].text, i);
		test_assert_strcmp_idx(referral_response_closed(&server),
				       tests[i].closed, i);
	}
	test_assert_strcmp(referral_response_closed(NULL),
		"[UNAVAILABLE] This server is closed. Try again later.");
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_response_mailbox,
		test_referral_response_offer,
		test_referral_response_all_bytes,
		test_referral_response_ipv6,
		test_referral_response_several,
		test_referral_response_is,
		test_referral_response_unavailable,
		test_referral_response_login,
		NULL
	};
	return unit_run(test_functions);
}
