/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-answer.h"

/* Returns what is wrong with the last unusable one. */
static const char *
urls_parse(pool_t pool, const char *const *strings,
	   ARRAY_TYPE(referral_url) *urls_r)
{
	const char *error = "the value is empty";
	struct referral_url url;

	p_array_init(urls_r, pool, 2);
	for (; *strings != NULL &&
	     array_count(urls_r) < REFERRAL_MAX_URLS; strings++) {
		if (referral_url_parse(pool, *strings, &url, &error) == 0)
			array_push_back(urls_r, &url);
	}
	return error;
}

static int
answer_parse(pool_t pool, const char *const *strings,
	     ARRAY_TYPE(referral_url) *urls_r, const char **error_r)
{
	const char *error = urls_parse(pool, strings, urls_r);

	if (array_count(urls_r) == 0) {
		*error_r = t_strdup_printf("No usable URL in the answer: %s",
					   error);
		return -1;
	}
	return 0;
}

int referral_answer_parse(pool_t pool, const char *value,
			  ARRAY_TYPE(referral_url) *urls_r,
			  const char **error_r)
{
	return answer_parse(pool, t_strsplit_spaces(value, " "),
			    urls_r, error_r);
}

int referral_answer_parse_home(pool_t pool, const char *value,
			       enum referral_answer_login *login_r,
			       ARRAY_TYPE(referral_url) *urls_r,
			       const char **error_r)
{
	const char *const *strings = t_strsplit_spaces(value, " ");

	*login_r = REFERRAL_ANSWER_LOGIN_DEFAULT;
	if (null_strcmp(*strings, REFERRAL_HOME_REFER) == 0)
		*login_r = REFERRAL_ANSWER_LOGIN_REFER;
	else if (null_strcmp(*strings, REFERRAL_HOME_OFFER) == 0)
		*login_r = REFERRAL_ANSWER_LOGIN_OFFER;
	if (*login_r != REFERRAL_ANSWER_LOGIN_DEFAULT)
		strings++;
	return answer_parse(pool, strings, urls_r, error_r);
}

int referral_answer_parse_server(pool_t pool, const char *value,
				 enum referral_server_state *state_r,
				 ARRAY_TYPE(referral_url) *urls_r,
				 const char **error_r)
{
	const char *const *strings = t_strsplit_spaces(value, " ");

	if (null_strcmp(*strings, REFERRAL_SERVER_DRAIN) == 0)
		*state_r = REFERRAL_SERVER_STATE_DRAIN;
	else if (null_strcmp(*strings, REFERRAL_SERVER_DOWN) == 0)
		*state_r = REFERRAL_SERVER_STATE_DOWN;
	else {
		*error_r = "Expected "REFERRAL_SERVER_DRAIN" or "
			REFERRAL_SERVER_DOWN" as the server's state";
		return -1;
	}
	(void)urls_parse(pool, strings + 1, urls_r);
	return 0;
}

int referral_answer_get_server(const struct referral_lookup_result *result,
			       enum referral_server_state *state_r,
			       ARRAY_TYPE(referral_url) *urls_r,
			       const char **error_r)
{
	if (result->ret < 0) {
		*error_r = result->error;
		return -1;
	}
	if (result->ret == 0)
		return 0;
	return referral_answer_parse_server(pool_datastack_create(),
					    result->value, state_r, urls_r,
					    error_r) < 0 ? -1 : 1;
}

const struct referral_url *
referral_answer_choose(const ARRAY_TYPE(referral_url) *urls,
		       const struct referral_self *self,
		       const struct ip_addr *local_ip, in_port_t local_port)
{
	const struct referral_url *url;

	array_foreach(urls, url) {
		if (referral_self_matches(self, url, local_ip, local_port))
			return NULL;
	}
	return array_front(urls);
}

const struct referral_url *
referral_answer_choose_other(const ARRAY_TYPE(referral_url) *urls,
			     const struct referral_self *self,
			     const struct ip_addr *local_ip,
			     in_port_t local_port)
{
	const struct referral_url *url;

	array_foreach(urls, url) {
		if (!referral_self_matches(self, url, local_ip, local_port))
			return url;
	}
	return NULL;
}
