#ifndef PASSDB_REFERRAL_REPLY_H
#define PASSDB_REFERRAL_REPLY_H

struct imap_referral_passdb;
struct passdb_referral_request;

/* These finish a request whose "home" is set. */

/* A tagged NO with a referral. */
void passdb_referral_refer(struct passdb_referral_request *request);
/* A login here as a guest, whose own mailboxes the imap process refers; with
   a tagged OK that refers if "offer" is set. */
void passdb_referral_admit(struct passdb_referral_request *request, bool offer);
/* Dovecot's own proxy. */
void passdb_referral_proxy(struct passdb_referral_request *request);

/* Whether this client does not follow referrals, and the password that it has
   given can be given to the home server in its place. */
bool passdb_referral_wants_proxy(struct passdb_referral_request *request);

/* End what waits for addresses. */
void passdb_referral_abort_dns(struct imap_referral_passdb *passdb);

#endif
