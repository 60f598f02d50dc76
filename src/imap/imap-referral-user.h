#ifndef IMAP_REFERRAL_USER_H
#define IMAP_REFERRAL_USER_H

struct mail_user;
struct mailbox;

/* Prepare a user for referrals. With wrong settings the user's initialization
   fails, with a message that says what is expected. */
void imap_referral_user_created(struct mail_user *user);

/* Returns FALSE if the mailbox is certainly here, as INBOX and the personal
   mailboxes are of who is at home here. */
bool imap_referral_user_may_refer(struct mail_user *user, struct mailbox *box);

/* Find out where the mailbox is. Returns 0 if it is here. Returns -1 if it is
   on another server, with response_r the text for a tagged NO, and -2 if that
   cannot be found out, which is logged. Allocated from the data stack. Where
   the directory has to be asked, this waits for the answer, but not longer than
   the settings' timeout. It never asks about INBOX and personal mailboxes. */
int imap_referral_user_locate(struct mail_user *user, struct mailbox *box,
			      const char **response_r);

#endif
