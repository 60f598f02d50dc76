#ifndef REFERRAL_RESPONSE_H
#define REFERRAL_RESPONSE_H

struct referral_url;

/* The text of a tagged NO, without "NO ", allocated from the data stack: the
   REFERRAL response code (RFC 2193 section 6) and one short ASCII sentence.
   "user" is the name to log in with there. */
const char *referral_response_mailbox(const struct referral_url *url,
				      const char *user);

/* The text of the tagged NO for when the directory cannot be asked, with the
   UNAVAILABLE response code (RFC 9051 section 7.1). */
#define REFERRAL_RESPONSE_UNAVAILABLE \
	"[UNAVAILABLE] The location of this folder cannot be looked up " \
	"at the moment. Try again later."

#endif
