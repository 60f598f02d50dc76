/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "index-storage.h"
#include "mailbox-list-private.h"
#include "referral-plugin-settings.h"
#include "referral-response.h"
#include "imap-referral-command.h"
#include "imap-referral-names.h"
#include "imap-referral-user.h"
#include "imap-referral-mailbox.h"

#define IMAP_REFERRAL_MAILBOX_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_referral_mailbox_module)

struct imap_referral_mailbox {
	union mailbox_module_context module_ctx;
	/* Opened for what the mailbox list index wants to know, which is asked
	   about every mailbox that is here: no command has named it. */
	bool opening_for_index;
	/* A part of a virtual mailbox that a command has named. */
	bool backend;
	/* A virtual mailbox, which lists others for itself. */
	bool virtual;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_mailbox_module,
				  &mail_storage_module_register);

static void
mailbox_set_location_error(struct mailbox *box,
			   const struct imap_referral_location *location)
{
	struct mail_user *user = box->list->ns->user;

	/* Texts that begin with a response code are sent as they are. It must
	   not be NOTFOUND, which would add TRYCREATE or NONEXISTENT. */
	mail_storage_set_error(box->storage,
		location->place == IMAP_REFERRAL_PLACE_UNKNOWN ?
		MAIL_ERROR_UNAVAILABLE : MAIL_ERROR_NOTPOSSIBLE,
		imap_referral_location_response(user, location));
}

/* Returns 0 if the mailbox is local, -1 if it is not, or if that cannot be found
   out. The storage's error is set then. */
static int
mailbox_check_location(struct mailbox *box,
		       struct imap_referral_location *location_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);
	struct mail_user *user = box->list->ns->user;

	i_zero(location_r);
	if (box->opened || rbox->opening_for_index || rbox->backend ||
	    rbox->virtual || !imap_referral_command_names(box))
		return 0;
	imap_referral_user_locate(user, box->list->ns, box->vname, location_r);
	if (location_r->place == IMAP_REFERRAL_PLACE_LOCAL)
		return 0;
	mailbox_set_location_error(box, location_r);
	return -1;
}

static int mailbox_check(struct mailbox *box)
{
	struct imap_referral_location location;

	return mailbox_check_location(box, &location);
}

/* TRUE if the running command keeps a subscription here, wherever the mailbox
   is. */
static bool mailbox_is_being_subscribed(struct mailbox *box)
{
	struct mail_user *user = box->list->ns->user;
	const struct referral_plugin_settings *set =
		imap_referral_user_get_settings(user);

	return imap_referral_command_is(user, "SUBSCRIBE") &&
		set->subscriptions == REFERRAL_SUBSCRIPTIONS_LOCAL;
}

static int imap_referral_mailbox_open(struct mailbox *box)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);
	int ret;

	if (mailbox_check(box) < 0)
		return -1;
	if (rbox->virtual)
		imap_referral_command_hide_names(box->list->ns->user, TRUE);
	ret = rbox->module_ctx.super.open(box);
	if (rbox->virtual)
		imap_referral_command_hide_names(box->list->ns->user, FALSE);
	return ret;
}

static int
imap_referral_mailbox_exists(struct mailbox *box, bool auto_boxes,
			     enum mailbox_existence *existence_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);
	struct imap_referral_names *names =
		imap_referral_command_get_names(box->list->ns->user);
	struct imap_referral_location location;

	/* A namespace's prefix, which Dovecot lists by itself. */
	if (names != NULL && !box->inbox_any &&
	    imap_referral_names_is_remote(names, box->vname)) {
		*existence_r = MAILBOX_EXISTENCE_SELECT;
		return 0;
	}
	/* What is not here is no part of the virtual mailbox. What the
	   directory cannot say anything about stays as it is. */
	if (rbox->backend) {
		imap_referral_user_locate(box->list->ns->user, box->list->ns,
					  box->vname, &location);
		if (location.place == IMAP_REFERRAL_PLACE_REMOTE ||
		    location.place == IMAP_REFERRAL_PLACE_NO_VISITORS) {
			*existence_r = MAILBOX_EXISTENCE_NONE;
			return 0;
		}
	}
	/* Lists ask whether INBOX and the namespaces' prefixes exist; INBOX
	   always does. */
	if (!box->inbox_any &&
	    !imap_referral_command_is_list(box->list->ns->user) &&
	    mailbox_check_location(box, &location) < 0) {
		if (location.place == IMAP_REFERRAL_PLACE_UNKNOWN ||
		    !mailbox_is_being_subscribed(box))
			return -1;
		*existence_r = MAILBOX_EXISTENCE_SELECT;
		return 0;
	}
	return rbox->module_ctx.super.exists(box, auto_boxes, existence_r);
}

static int
imap_referral_mailbox_get_status(struct mailbox *box,
				 enum mailbox_status_items items,
				 struct mailbox_status *status_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	/* The mailbox list index answers without opening it. */
	if (mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.get_status(box, items, status_r);
}

static int
imap_referral_mailbox_get_metadata(struct mailbox *box,
				   enum mailbox_metadata_items items,
				   struct mailbox_metadata *metadata_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);
	int ret;

	/* STATUS, the one command that comes here, asks get_status() first. */
	rbox->opening_for_index = TRUE;
	ret = rbox->module_ctx.super.get_metadata(box, items, metadata_r);
	rbox->opening_for_index = FALSE;
	return ret;
}

static int
imap_referral_mailbox_create(struct mailbox *box,
			     const struct mailbox_update *update,
			     bool directory)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	if (mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.create_box(box, update, directory);
}

static int imap_referral_mailbox_delete(struct mailbox *box)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	if (mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.delete_box(box);
}

static int
imap_referral_mailbox_rename(struct mailbox *src, struct mailbox *dest)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(src);

	/* RENAME has been answered if one of them is remote, unless it would
	   fail anyway. */
	if (mailbox_check(src) < 0)
		return -1;
	if (imap_referral_user_may_refer(dest->list->ns->user, dest->list->ns,
					 dest->vname) &&
	    mailbox_check(dest) < 0) {
		mail_storage_copy_error(src->storage, dest->storage);
		return -1;
	}
	return rbox->module_ctx.super.rename_box(src, dest);
}

static int imap_referral_mailbox_set_subscribed(struct mailbox *box, bool set)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	if (set && mailbox_check(box) < 0) {
		if (!mailbox_is_being_subscribed(box))
			return -1;
		/* without asking other plugins about the mailbox */
		return index_storage_set_subscribed(box, TRUE);
	}
	if (rbox->module_ctx.super.set_subscribed(box, set) == 0)
		return 0;
	/* What is here of a subscription can always be removed, even where
	   there are no mailboxes. */
	return set ? -1 : index_storage_set_subscribed(box, FALSE);
}

void imap_referral_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct mail_user *user = box->list->ns->user;
	struct imap_referral_mailbox *rbox;
	bool virtual = imap_referral_mailbox_is_virtual(box);

	imap_referral_command_add_mailbox(box);
	if (!imap_referral_user_may_refer(user, box->list->ns, box->vname) &&
	    (!virtual || imap_referral_user_get_settings(user) == NULL))
		return;

	rbox = p_new(box->pool, struct imap_referral_mailbox, 1);
	rbox->virtual = virtual;
	rbox->backend = imap_referral_command_is_backend(box);
	rbox->module_ctx.super = *v;
	box->vlast = &rbox->module_ctx.super;

	v->exists = imap_referral_mailbox_exists;
	v->open = imap_referral_mailbox_open;
	v->create_box = imap_referral_mailbox_create;
	v->delete_box = imap_referral_mailbox_delete;
	v->rename_box = imap_referral_mailbox_rename;
	v->get_status = imap_referral_mailbox_get_status;
	v->get_metadata = imap_referral_mailbox_get_metadata;
	v->set_subscribed = imap_referral_mailbox_set_subscribed;
	MODULE_CONTEXT_SET(box, imap_referral_mailbox_module, rbox);
}

bool imap_referral_mailbox_is_virtual(const struct mailbox *box)
{
	return strcmp(box->storage->name, "virtual") == 0;
}

bool imap_referral_mailbox_is_here(struct mailbox_list *list,
				   const char *vname)
{
	enum mailbox_existence existence;
	struct mailbox *box;
	bool here;

	box = mailbox_alloc(list, vname, 0);
	here = mailbox_exists(box, TRUE, &existence) == 0 &&
		existence != MAILBOX_EXISTENCE_NONE;
	mailbox_free(&box);
	return here;
}
