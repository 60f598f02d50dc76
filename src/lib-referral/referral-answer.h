#ifndef REFERRAL_ANSWER_H
#define REFERRAL_ANSWER_H

#include "referral-self.h"

/* What the directory returned for one question: where something is, in order
   of preference. */

/* Parse a dict value: URLs separated by a space. URLs that are not usable are
   left out. Returns 0, or -1 with error_r if none is usable: that is a
   failure, not an answer. */
int referral_answer_parse(pool_t pool, const char *value,
			  ARRAY_TYPE(referral_url) *urls_r,
			  const char **error_r);

/* Returns the URL to refer to, or NULL if one of them is this server: then it
   is local, whatever else there is. */
const struct referral_url *
referral_answer_choose(const ARRAY_TYPE(referral_url) *urls,
		       const struct referral_self *self,
		       const struct ip_addr *local_ip, in_port_t local_port)
	ATTR_NULL(3);

#endif
