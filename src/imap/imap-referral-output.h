#ifndef IMAP_REFERRAL_OUTPUT_H
#define IMAP_REFERRAL_OUTPUT_H

struct ostream;

/* Create a stream that passes on the lines of a LIST command. LIST RETURN
   (STATUS) sends an untagged NO for each mailbox that has no status (RFC 5819
   section 2 says that it need not): those that are about referrals are
   dropped. */
struct ostream *imap_referral_output_create(struct ostream *output);
/* From now on the INBOX, which Dovecot lists by itself, gets the attribute
   \Remote. */
void imap_referral_output_set_remote_inbox(struct ostream *output);

#endif
