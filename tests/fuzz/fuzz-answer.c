/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-answer.h"
#include "referral-url.h"
#include "fuzz.h"

static void
check_urls(int ret, const ARRAY_TYPE(referral_url) *urls, const char *error,
	   unsigned int min_count)
{
	const struct referral_url *url;

	if (ret < 0) {
		fuzz_check_printable(error);
		return;
	}
	fuzz_check(array_count(urls) >= min_count);
	array_foreach(urls, url)
		fuzz_check_url(url);
}

/* What a dict answers; it may be another one than ours. */
void fuzz_one(const unsigned char *data, size_t size)
{
	pool_t pool = pool_alloconly_create("fuzz answer", 1024);
	const char *text = fuzz_string(data, size), *error;
	enum referral_answer_login login;
	enum referral_server_state state;
	ARRAY_TYPE(referral_url) urls;
	int ret;

	ret = referral_answer_parse(pool, text, &urls, &error);
	check_urls(ret, &urls, error, 1);
	ret = referral_answer_parse_home(pool, text, &login, &urls, &error);
	check_urls(ret, &urls, error, 1);
	fuzz_check(ret < 0 || login <= REFERRAL_ANSWER_LOGIN_OFFER);
	ret = referral_answer_parse_server(pool, text, &state, &urls, &error);
	check_urls(ret, &urls, error, 0);
	fuzz_check(ret < 0 || state <= REFERRAL_SERVER_STATE_DOWN);
	pool_unref(&pool);
}
