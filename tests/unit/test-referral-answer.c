/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-answer.h"
#include "referral-self.h"
#include "unit-common.h"

static const char *urls_join(const ARRAY_TYPE(referral_url) *urls)
{
	const struct referral_url *url;
	string_t *str = t_str_new(128);

	array_foreach(urls, url) {
		if (str_len(str) > 0)
			str_append_c(str, ' ');
		referral_url_append(str, url, NULL);
	}
	return str_c(str);
}

static void test_referral_answer_parse(void)
{
	static const struct {
		const char *value;
		/* NULL: failure */
		const char *urls;
	} tests[] = {
		{ "imap://h/", "imap://h/" },
		{ "imap://h/Shared/sales", "imap://h/Shared/sales" },
		/* the order is kept */
		{ "imap://b/ imap://a/ imap://c/",
		  "imap://b/ imap://a/ imap://c/" },
		{ "  imap://b/   imap://a/ ", "imap://b/ imap://a/" },
		{ "imap://a/ imap://a/", "imap://a/ imap://a/" },
		/* what is not usable is left out */
		{ "imap://h_1/ imap://a/", "imap://a/" },
		{ "imap://a/ imap://joe@b/ imap://c/",
		  "imap://a/ imap://c/" },
		{ "junk imap://a/", "imap://a/" },
		{ "imap://a/\r\n imap://b/", "imap://b/" },
		/* never an empty answer */
		{ "", NULL },
		{ " ", NULL },
		{ "a.example.org", NULL },
		{ "imap://h_1/", NULL },
		{ "imap://joe;AUTH=*@h/ imap:/// http://h/", NULL },
		{ "imap://a/\timap://b/", NULL },
		{ "imap://a/\nimap://b/", NULL },
		{ "\xff\xfe", NULL },
	};
	ARRAY_TYPE(referral_url) urls;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral answer: parse");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		error = NULL;
		ret = referral_answer_parse(pool_datastack_create(),
					    tests[i].value, &urls, &error);
		if (tests[i].urls == NULL) {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL &&
					strpbrk(error, "\r\n") == NULL, i);
		} else {
			test_assert_idx(ret == 0, i);
			test_assert_strcmp_idx(urls_join(&urls),
					       tests[i].urls, i);
		}
	} T_END;
	test_end();
}

static void test_referral_answer_parse_many(void)
{
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	string_t *str = t_str_new(64*1024);
	const char *error;
	unsigned int i;

	test_begin("referral answer: parse very many URLs");
	for (i = 0; i < 1000; i++)
		str_printfa(str, "imap://h%u/ ", i);
	test_assert(referral_answer_parse(pool_datastack_create(), str_c(str),
					  &urls, &error) == 0);
	/* there is a bound, and the preferred ones are kept */
	test_assert(array_count(&urls) >= 10 && array_count(&urls) < 1000);
	url = array_front(&urls);
	test_assert_strcmp(url[0].host, "h0");
	test_assert_strcmp(url[9].host, "h9");
	test_end();
}

static void test_referral_answer_choose(void)
{
	static const struct {
		const char *value;
		const char *local_ip;
		in_port_t local_port;
		/* NULL: local */
		const char *chosen;
	} tests[] = {
		{ "imap://other/", NULL, 0, "imap://other/" },
		{ "imap://other/x", NULL, 0, "imap://other/x" },
		{ "imap://b/ imap://a/", NULL, 0, "imap://b/" },
		{ "imap://self/", NULL, 0, NULL },
		{ "imap://self/x", NULL, 0, NULL },
		/* one of them is enough, wherever it is */
		{ "imap://self/ imap://a/", NULL, 0, NULL },
		{ "imap://a/ imap://self/", NULL, 0, NULL },
		{ "imap://b/ imap://a/ imap://alias/x", NULL, 0, NULL },
		{ "imap://self:10143/", NULL, 0, "imap://self:10143/" },
		{ "imap://a/ imap://192.0.2.1/", "192.0.2.1", 143, NULL },
		{ "imap://192.0.2.2/", "192.0.2.1", 143,
		  "imap://192.0.2.2/" },
		{ "imap://192.0.2.1/", NULL, 0, "imap://192.0.2.1/" },
	};
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	struct referral_self *self;
	struct ip_addr ip;
	const char *error;
	unsigned int i;

	test_begin("referral answer: choose");
	test_assert(referral_self_init(pool_datastack_create(), "self",
				       "alias", &self, &error) == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(referral_answer_parse(pool_datastack_create(),
			tests[i].value, &urls, &error) == 0, i);
		if (tests[i].local_ip != NULL) {
			test_assert_idx(net_addr2ip(tests[i].local_ip,
						    &ip) == 0, i);
		}
		url = referral_answer_choose(&urls, self,
			tests[i].local_ip == NULL ? NULL : &ip,
			tests[i].local_port);
		test_assert_strcmp_idx(url == NULL ? NULL :
				       referral_url_create(url, NULL),
				       tests[i].chosen, i);
	}
	test_end();
}

static void test_referral_answer_parse_home(void)
{
	static const struct {
		const char *value;
		enum referral_answer_login login;
		/* NULL: failure */
		const char *urls;
	} tests[] = {
		{ "imap://h/", REFERRAL_ANSWER_LOGIN_DEFAULT, "imap://h/" },
		{ "offer imap://h/", REFERRAL_ANSWER_LOGIN_OFFER,
		  "imap://h/" },
		{ "refer imap://h/ imap://g/", REFERRAL_ANSWER_LOGIN_REFER,
		  "imap://h/ imap://g/" },
		{ " offer  imap://h/ ", REFERRAL_ANSWER_LOGIN_OFFER,
		  "imap://h/" },
		{ "imap://h/ offer", REFERRAL_ANSWER_LOGIN_DEFAULT,
		  "imap://h/" },
		{ "offers imap://h/", REFERRAL_ANSWER_LOGIN_DEFAULT,
		  "imap://h/" },
		{ "offer", REFERRAL_ANSWER_LOGIN_OFFER, NULL },
		{ "", REFERRAL_ANSWER_LOGIN_DEFAULT, NULL },
	};
	ARRAY_TYPE(referral_url) urls;
	enum referral_answer_login login;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral answer: parse home");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_answer_parse_home(pool_datastack_create(),
						 tests[i].value, &login, &urls,
						 &error);
		test_assert_idx(ret == (tests[i].urls == NULL ? -1 : 0), i);
		test_assert_idx((ret < 0) == (error != NULL), i);
		test_assert_idx(login == tests[i].login, i);
		if (ret == 0) {
			test_assert_strcmp_idx(urls_join(&urls),
					       tests[i].urls, i);
		}
	}
	test_end();
}

static void test_referral_answer_parse_server(void)
{
	static const struct {
		const char *value;
		enum referral_server_state state;
		/* NULL: failure */
		const char *urls;
	} tests[] = {
		{ "drain imap://h/", REFERRAL_SERVER_STATE_DRAIN, "imap://h/" },
		{ "down imap://h/ imap://g:1143/", REFERRAL_SERVER_STATE_DOWN,
		  "imap://h/ imap://g:1143/" },
		{ "drain", REFERRAL_SERVER_STATE_DRAIN, "" },
		{ "down junk", REFERRAL_SERVER_STATE_DOWN, "" },
		{ "imap://h/", REFERRAL_SERVER_STATE_DOWN, NULL },
		{ "DOWN imap://h/", REFERRAL_SERVER_STATE_DOWN, NULL },
		{ "active", REFERRAL_SERVER_STATE_DOWN, NULL },
		{ "", REFERRAL_SERVER_STATE_DOWN, NULL },
	};
	ARRAY_TYPE(referral_url) urls;
	enum referral_server_state state;
	const char *error;
	unsigned int i;
	int ret;

	test_begin("referral answer: parse server");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_answer_parse_server(pool_datastack_create(),
						   tests[i].value, &state,
						   &urls, &error);
		test_assert_idx(ret == (tests[i].urls == NULL ? -1 : 0), i);
		test_assert_idx((ret < 0) == (error != NULL), i);
		if (ret == 0) {
			test_assert_idx(state == tests[i].state, i);
			test_assert_strcmp_idx(urls_join(&urls),
					       tests[i].urls, i);
		}
	}
	test_end();
}

static void test_referral_answer_choose_other(void)
{
	static const struct {
		const char *urls, *chosen;
	} tests[] = {
		{ "imap://a/ imap://b/", "imap://a/" },
		{ "imap://self/ imap://b/", "imap://b/" },
		{ "imap://self/ imap://192.0.2.1/", NULL },
		{ "", NULL },
	};
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	struct referral_self *self;
	struct ip_addr ip;
	const char *error;
	unsigned int i;

	test_begin("referral answer: choose another");
	test_assert(referral_self_init(pool_datastack_create(), "self", "",
				       &self, &error) == 0);
	test_assert(net_addr2ip("192.0.2.1", &ip) == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		if (referral_answer_parse(pool_datastack_create(),
					  tests[i].urls, &urls, &error) < 0)
			test_assert_idx(array_count(&urls) == 0, i);
		url = referral_answer_choose_other(&urls, self, &ip, 143);
		test_assert_strcmp_idx(url == NULL ? NULL :
				       referral_url_create(url, NULL),
				       tests[i].chosen, i);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_answer_parse,
		test_referral_answer_parse_many,
		test_referral_answer_choose,
		test_referral_answer_parse_home,
		test_referral_answer_parse_server,
		test_referral_answer_choose_other,
		NULL
	};
	return unit_run(test_functions);
}
