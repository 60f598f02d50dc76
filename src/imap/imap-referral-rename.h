#ifndef IMAP_REFERRAL_RENAME_H
#define IMAP_REFERRAL_RENAME_H

struct mail_user;
struct imap_referral_name_arg;

/* Returns the text of a tagged NO for RENAME, allocated from the data stack; NULL
   if both names are here, or what is to be renamed does not exist. */
const char *
imap_referral_rename_get_response(struct mail_user *user,
	const struct imap_referral_name_arg *old_mailbox,
	const struct imap_referral_name_arg *new_mailbox);

#endif
