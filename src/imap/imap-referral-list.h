#ifndef IMAP_REFERRAL_LIST_H
#define IMAP_REFERRAL_LIST_H

struct mailbox_list;

/* Make a mailbox list show remote mailboxes to the commands that ask for them,
   and hide subscriptions of remote mailboxes from the others. */
void imap_referral_mailbox_list_created(struct mailbox_list *list);

#endif
