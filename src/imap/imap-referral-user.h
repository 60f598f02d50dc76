#ifndef IMAP_REFERRAL_USER_H
#define IMAP_REFERRAL_USER_H

struct mail_user;
struct mailbox;

/* Prepare a user for referrals. With wrong settings the user's initialization
   fails, with a message that says what is expected. */
void imap_referral_user_created(struct mail_user *user);

/* Returns the name under which the directory may know this mailbox, allocated
   from the data stack; NULL if it is certainly not remote, as for INBOX and
   personal mailboxes, and so costs no lookup. */
const char *imap_referral_user_get_name(struct mail_user *user,
					struct mailbox *box);

/* Ask the directory where the mailbox of that name is. Returns 0 if it is here.
   Returns -1 if it is on another server, with response_r the text for a tagged
   NO, and -2 if that cannot be found out, which is logged. Allocated from the
   data stack. Waits for the answer, but not longer than the settings' timeout. */
int imap_referral_user_lookup(struct mail_user *user, const char *name,
			      const char **response_r);

#endif
