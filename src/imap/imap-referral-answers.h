#ifndef IMAP_REFERRAL_ANSWERS_H
#define IMAP_REFERRAL_ANSWERS_H

#include "referral-lookup.h"

/* What the directory has answered lately: a burst of commands asks once. */
struct imap_referral_answers;

/* The client has to exist as long as the answers do. With a TTL of 0 every
   lookup asks. */
struct imap_referral_answers *
imap_referral_answers_init(struct referral_client *client,
			   unsigned int ttl_msecs);
void imap_referral_answers_deinit(struct imap_referral_answers **answers);

/* As referral_client_lookup(). Returns FALSE if the directory was not asked for
   this. That nobody answers is kept as well: commands that ask about many
   mailboxes do not wait for each of them. */
bool imap_referral_answers_lookup(struct imap_referral_answers *answers,
				  const char *username, const char *key,
				  struct referral_lookup_result *result_r);

/* Something else has failed, after start_time: see there. */
void imap_referral_answers_failed(struct imap_referral_answers *answers,
				  const struct timeval *start_time,
				  const char *error);
/* Returns TRUE if nobody has answered lately: then it is better not to ask. */
bool imap_referral_answers_have_failed(
	const struct imap_referral_answers *answers);

#endif
