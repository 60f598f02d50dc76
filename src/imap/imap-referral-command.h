#ifndef IMAP_REFERRAL_COMMAND_H
#define IMAP_REFERRAL_COMMAND_H

struct mailbox;
struct mail_user;
struct imap_referral_names;
struct client_command_context;

/* Follow the commands of all clients: what is running decides what remote
   mailboxes are. Mailboxes that are opened while none is, as after hibernation,
   were named by nobody and are not asked about. */
void imap_referral_commands_init(void);
void imap_referral_commands_deinit(void);

/* Returns TRUE if the user has this command running. */
bool imap_referral_command_is(struct mail_user *user, const char *name);
/* Returns TRUE if it is one that lists mailboxes. */
bool imap_referral_command_is_list(struct mail_user *user);
/* Returns TRUE if it is one that lists mailboxes, but not remote ones. */
bool imap_referral_command_hides_remote(struct mail_user *user);
/* Returns the names for a command that lists remote mailboxes, else NULL. */
struct imap_referral_names *
imap_referral_command_get_names(struct mail_user *user);
/* A list that is made until this is undone is not the command's. */
void imap_referral_command_hide_names(struct mail_user *user, bool hide);

/* Remember the first mailbox that the running command uses. */
void imap_referral_command_add_mailbox(struct mailbox *box);
/* Returns TRUE if the running command may have named this mailbox. */
bool imap_referral_command_names(struct mailbox *box);
/* Returns TRUE if the command has named a virtual mailbox, and this is another
   one: one that it is made of. */
bool imap_referral_command_is_backend(struct mailbox *box);

/* Returns the text of a tagged NO in place of what the command answers: if it
   has failed and the first mailbox that it used is remote, or if it has listed
   mailboxes and the directory could not be asked for the remote ones. Else
   NULL. */
const char *
imap_referral_command_get_response(struct client_command_context *cmd,
				   bool failed);

#endif
