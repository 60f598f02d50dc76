#ifndef REFERRAL_RESPONSE_H
#define REFERRAL_RESPONSE_H

struct referral_url;

/* How a referral begins (RFC 2193 section 6). */
#define REFERRAL_RESPONSE_CODE "[REFERRAL "

/* Texts of a tagged NO, without "NO ", allocated from the data stack: the
   REFERRAL response code (RFC 2193 section 6) and one short ASCII sentence.
   "user" is the name to log in with there. */

/* For all commands but RENAME: where the mailbox is, the best place first. */
const char *referral_response_mailbox(const struct referral_url *urls,
				      unsigned int count, const char *user);
/* For RENAME (RFC 2193 section 4.3): where the mailbox is, and where it would
   be under its new name. "server" is the one of both that people are told. */
const char *referral_response_rename(const struct referral_url *old_url,
				     const struct referral_url *new_url,
				     const struct referral_url *server,
				     const char *user);
/* For a mailbox on a server that would not let the user in: no referral, as a
   client would be sent back and forth for ever, but NOPERM (RFC 5530 section
   3). */
#define REFERRAL_RESPONSE_NO_VISITORS_PREFIX \
	"[NOPERM] This folder is on IMAP server "
const char *referral_response_no_visitors(const struct referral_url *server);

/* Of a login at another server than the home (RFC 2221 section 4.1): only the
   sentence, and all of it. */
const char *referral_response_login_text(const struct referral_url *server);
const char *referral_response_login(const struct referral_url *server,
				    const char *user);
/* Of the tagged OK of such a login (RFC 2221 section 4.1), without "OK ". The
   home server has to be one without a mailbox. */
const char *referral_response_offer(const struct referral_url *home,
				    const char *user);
/* Of an untagged BYE, without "* BYE ": everybody is sent to the server (RFC
   2221 section 4.2); NULL says that there is none. */
const char *referral_response_closed(const struct referral_url *server)
	ATTR_NULL(1);

/* The text of the tagged NO for when the directory cannot be asked, with the
   UNAVAILABLE response code (RFC 9051 section 7.1). */
#define REFERRAL_RESPONSE_UNAVAILABLE \
	"[UNAVAILABLE] The location of this folder cannot be looked up " \
	"at the moment. Try again later."
/* The same for a list of mailboxes, of which the local ones have been sent. */
#define REFERRAL_RESPONSE_LIST_UNAVAILABLE \
	"[UNAVAILABLE] The folders on other servers cannot be looked up " \
	"at the moment. Try again later."

/* Returns TRUE if a text begins with one of those for a single mailbox. */
bool referral_response_is(const char *text);

#endif
