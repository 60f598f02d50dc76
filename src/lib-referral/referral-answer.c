/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-answer.h"

/* More replicas than anybody has; what follows is ignored. */
#define REFERRAL_ANSWER_MAX_URLS 64

int referral_answer_parse(pool_t pool, const char *value,
			  ARRAY_TYPE(referral_url) *urls_r,
			  const char **error_r)
{
	const char *const *strings, *error = "the value is empty";
	struct referral_url url;

	p_array_init(urls_r, pool, 2);
	for (strings = t_strsplit_spaces(value, " "); *strings != NULL &&
	     array_count(urls_r) < REFERRAL_ANSWER_MAX_URLS; strings++) {
		if (referral_url_parse(pool, *strings, &url, &error) == 0)
			array_push_back(urls_r, &url);
	}
	if (array_count(urls_r) == 0) {
		*error_r = t_strdup_printf("No usable URL in the answer: %s",
					   error);
		return -1;
	}
	return 0;
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
