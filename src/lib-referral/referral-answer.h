#ifndef REFERRAL_ANSWER_H
#define REFERRAL_ANSWER_H

#include "referral-self.h"

struct referral_lookup_result;

/* What the directory returned for one question: where something is, in order
   of preference. */

/* Parse a dict value: URLs separated by a space. URLs that are not usable are
   left out. Returns 0, or -1 with error_r if none is usable: that is a
   failure, not an answer. */
int referral_answer_parse(pool_t pool, const char *value,
			  ARRAY_TYPE(referral_url) *urls_r,
			  const char **error_r);

/* How a user's entry wants a login at another server than the home to be
   answered. */
enum referral_answer_login {
	/* As imap_referral_login says. */
	REFERRAL_ANSWER_LOGIN_DEFAULT = 0,
	REFERRAL_ANSWER_LOGIN_REFER,
	REFERRAL_ANSWER_LOGIN_OFFER,
};
/* The same for the value of a user's home, which may begin with the word
   "refer" or "offer". */
int referral_answer_parse_home(pool_t pool, const char *value,
			       enum referral_answer_login *login_r,
			       ARRAY_TYPE(referral_url) *urls_r,
			       const char **error_r);

enum referral_server_state {
	/* New connections are refused, the others work on. */
	REFERRAL_SERVER_STATE_DRAIN,
	/* Logins are refused, too. */
	REFERRAL_SERVER_STATE_DOWN,
};
/* The same for the value of a server that is out of service: the word "drain"
   or "down", and the URLs of the servers to go to in its place, of which there
   may be none. */
int referral_answer_parse_server(pool_t pool, const char *value,
				 enum referral_server_state *state_r,
				 ARRAY_TYPE(referral_url) *urls_r,
				 const char **error_r);

/* The same for the result of asking about a server, allocated from the data
   stack. Returns 1 if it is out of service, 0 if not, -1 with error_r if that is
   not known. */
int referral_answer_get_server(const struct referral_lookup_result *result,
			       enum referral_server_state *state_r,
			       ARRAY_TYPE(referral_url) *urls_r,
			       const char **error_r);

/* Returns the URL to refer to, or NULL if one of them is this server: then it
   is local, whatever else there is. */
const struct referral_url *
referral_answer_choose(const ARRAY_TYPE(referral_url) *urls,
		       const struct referral_self *self,
		       const struct ip_addr *local_ip, in_port_t local_port)
	ATTR_NULL(3);
/* Returns the first URL that is not this server, or NULL if there is none. */
const struct referral_url *
referral_answer_choose_other(const ARRAY_TYPE(referral_url) *urls,
			     const struct referral_self *self,
			     const struct ip_addr *local_ip,
			     in_port_t local_port) ATTR_NULL(3);

#endif
