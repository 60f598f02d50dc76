#ifndef IMAP_REFERRAL_MAILBOX_H
#define IMAP_REFERRAL_MAILBOX_H

struct mailbox;
struct mailbox_list;

/* Make a mailbox that may be remote answer with a referral if it is. */
void imap_referral_mailbox_allocated(struct mailbox *box);

/* Returns TRUE if it is made of other mailboxes, by the virtual plugin. */
bool imap_referral_mailbox_is_virtual(const struct mailbox *box);
/* Returns TRUE if there is a mailbox of that name here, by looking for it:
   lists may say so without. For commands that list mailboxes, and for names
   that are known to be local. */
bool imap_referral_mailbox_is_here(struct mailbox_list *list,
				   const char *vname);

#endif
