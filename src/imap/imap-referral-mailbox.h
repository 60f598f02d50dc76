#ifndef IMAP_REFERRAL_MAILBOX_H
#define IMAP_REFERRAL_MAILBOX_H

struct mailbox;

/* Make a mailbox that may be remote answer with a referral if it is. */
void imap_referral_mailbox_allocated(struct mailbox *box);

#endif
