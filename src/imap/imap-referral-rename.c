/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "mail-user.h"
#include "mail-namespace.h"
#include "referral-response.h"
#include "imap-referral-mailbox.h"
#include "imap-referral-user.h"
#include "imap-referral-rename.h"

/* One half of the pair: where the mailbox is or would be (RFC 2193 section
   4.3). */
static void
rename_get_url(struct mail_user *user, const struct imap_referral_name_arg *mailbox,
	       const struct imap_referral_location *location,
	       const struct referral_url *default_server,
	       struct referral_url *url_r)
{
	size_t len;

	if (location->place != IMAP_REFERRAL_PLACE_LOCAL) {
		*url_r = *array_front(&location->urls);
		return;
	}
	*url_r = default_server != NULL ? *default_server :
		*imap_referral_user_get_server(user);
	url_r->mailbox = imap_referral_mailbox_get_key_name(mailbox->ns,
							    mailbox->vname);
	if (url_r->mailbox == NULL)
		url_r->mailbox = mailbox->vname;
	/* CREATE and RENAME may have a separator there (RFC 9051 section
	   6.3.4), URLs do not. */
	len = strlen(url_r->mailbox);
	if (len > 1 && url_r->mailbox[len - 1] == '/')
		url_r->mailbox = t_strndup(url_r->mailbox, len - 1);
}

const char *
imap_referral_rename_get_response(struct mail_user *user,
	const struct imap_referral_name_arg *old_mailbox,
	const struct imap_referral_name_arg *new_mailbox)
{
	struct imap_referral_location old_location, new_location;
	struct referral_url old_url, new_url;
	bool old_local, new_local, stays;

	imap_referral_user_locate(user, old_mailbox->ns, old_mailbox->vname,
				  &old_location);
	if (old_location.place == IMAP_REFERRAL_PLACE_UNKNOWN)
		return REFERRAL_RESPONSE_UNAVAILABLE;
	imap_referral_user_locate(user, new_mailbox->ns, new_mailbox->vname,
				  &new_location);
	if (new_location.place == IMAP_REFERRAL_PLACE_UNKNOWN)
		return REFERRAL_RESPONSE_UNAVAILABLE;
	old_local = old_location.place == IMAP_REFERRAL_PLACE_LOCAL;
	new_local = new_location.place == IMAP_REFERRAL_PLACE_LOCAL;
	/* What does not exist is Dovecot's to tell. */
	if (old_local &&
	    (new_local ||
	     !imap_referral_mailbox_is_here(old_mailbox->ns->list,
					    old_mailbox->vname)))
		return NULL;
	if (old_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS ||
	    new_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS) {
		return referral_response_no_visitors(array_front(
			old_location.place == IMAP_REFERRAL_PLACE_NO_VISITORS ?
			&old_location.urls : &new_location.urls));
	}

	rename_get_url(user, old_mailbox, &old_location, NULL, &old_url);
	/* A name that the directory does not place stays on the mailbox's
	   server, but personal mailboxes are here. */
	stays = !new_location.listed_here &&
		new_mailbox->ns->type != MAIL_NAMESPACE_TYPE_PRIVATE;
	rename_get_url(user, new_mailbox, &new_location,
		       stays ? &old_url : NULL, &new_url);
	return referral_response_rename(&old_url, &new_url,
					old_local ? &new_url : &old_url,
					imap_referral_user_get_url_user(user));
}
