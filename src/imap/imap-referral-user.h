#ifndef IMAP_REFERRAL_USER_H
#define IMAP_REFERRAL_USER_H

#include "array-decl.h"
#include "referral-self.h"
#include "referral-lookup.h"

struct mail_user;
struct mail_namespace;

/* A mailbox that a client has named */
struct imap_referral_name_arg {
	struct mail_namespace *ns;
	const char *vname;
};

enum imap_referral_place {
	/* On this server */
	IMAP_REFERRAL_PLACE_LOCAL,
	/* On other servers: "urls" */
	IMAP_REFERRAL_PLACE_REMOTE,
	/* On another server, urls[0], which would not let the user in */
	IMAP_REFERRAL_PLACE_NO_VISITORS,
	/* The directory cannot be asked */
	IMAP_REFERRAL_PLACE_UNKNOWN,
};

/* Where a mailbox is. Allocated from the data stack. */
struct imap_referral_location {
	enum imap_referral_place place;
	/* It is known to be here, and not only not known to be elsewhere. */
	bool listed_here;
	/* With the mailbox's name, the best place first */
	ARRAY_TYPE(referral_url) urls;
};

/* Prepare a user for referrals. With wrong settings the user's initialization
   fails, with a message that says what is expected. */
void imap_referral_user_created(struct mail_user *user);

/* Returns the user's login name at other servers, which belongs to the user.
   The user has our context. */
const char *imap_referral_user_get_url_user(struct mail_user *user);

/* Returns the user's settings, NULL if the user was not prepared. */
const struct referral_plugin_settings *
imap_referral_user_get_settings(struct mail_user *user);
/* Returns this server's public name and port. */
const struct referral_url *
imap_referral_user_get_server(struct mail_user *user);
/* Returns TRUE if the user is at home on another server. */
bool imap_referral_user_is_guest(struct mail_user *user);
/* Returns the response code and text of the OK with which a guest's login is to
   be answered, allocated from the data stack; NULL if that is Dovecot's. A name
   that cannot be offered is logged. */
const char *imap_referral_user_get_offer(struct mail_user *user);

/* Returns a mailbox's name as the directory has it, NULL if it cannot have such
   a name. */
const char *
imap_referral_mailbox_get_key_name(const struct mail_namespace *ns,
				   const char *vname);
/* The reverse: returns the name in the namespace, NULL if the mailbox cannot be
   in it. */
const char *
imap_referral_mailbox_get_vname(const struct mail_namespace *ns,
				const char *key_name);

/* Returns FALSE if the mailbox is certainly here, as INBOX and the personal
   mailboxes are of who is at home here. */
bool imap_referral_user_may_refer(struct mail_user *user,
				  const struct mail_namespace *ns,
				  const char *vname);
/* Returns TRUE if there may be remote mailboxes in the namespace. */
bool imap_referral_user_may_list(struct mail_user *user,
				 const struct mail_namespace *ns);

/* Find out where the mailbox is. That it cannot be found out is logged. Where
   the directory has to be asked, this waits for the answer, but not longer than
   the settings' timeout. It never asks about INBOX and personal mailboxes. */
void imap_referral_user_locate(struct mail_user *user,
			       const struct mail_namespace *ns,
			       const char *vname,
			       struct imap_referral_location *location_r);
/* The same for a mailbox that the directory is known not to list. */
void imap_referral_user_locate_unlisted(struct mail_user *user,
					const struct mail_namespace *ns,
					const char *vname,
					struct imap_referral_location *location_r);
/* Returns the text of a tagged NO for a mailbox that is not here, allocated
   from the data stack. */
const char *
imap_referral_location_response(struct mail_user *user,
				const struct imap_referral_location *location);

/* Call back for all mailboxes that the directory lists, with their keys and
   locations. Returns 0, or -1 if the directory cannot be asked, which is
   logged. */
int imap_referral_user_iterate(struct mail_user *user,
			       referral_row_callback_t *callback,
			       void *context);
/* Returns TRUE if a location from there is on another server, or not usable. */
bool imap_referral_user_is_remote(struct mail_user *user, const char *value);

#endif
