/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "module-context.h"
#include "time-util.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "referral-response.h"
#include "imap-referral-user.h"
#include "imap-referral-mailbox.h"

/* One command opens a mailbox and then asks for its status: that it is here
   need not be asked again for it. */
#define IMAP_REFERRAL_LOCAL_MSECS 1000

#define IMAP_REFERRAL_MAILBOX_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_referral_mailbox_module)

struct imap_referral_mailbox {
	union mailbox_module_context module_ctx;
	struct timeval local_until;
	/* Opened for what the mailbox list index wants to know, which is asked
	   about every mailbox that is here: no command has named it. */
	bool opening_for_index;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_mailbox_module,
				  &mail_storage_module_register);

/* Returns 0 if the mailbox is local, -1 if it is not, -2 if that cannot be found
   out. The storage's error is set then. */
static int imap_referral_mailbox_check(struct mailbox *box)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);
	struct mail_user *user = box->list->ns->user;
	const char *response;
	int ret;

	if (box->opened || rbox->opening_for_index ||
	    timeval_cmp(&ioloop_timeval, &rbox->local_until) < 0)
		return 0;

	ret = imap_referral_user_locate(user, box, &response);
	if (ret == 0) {
		rbox->local_until = ioloop_timeval;
		timeval_add_msecs(&rbox->local_until,
				  IMAP_REFERRAL_LOCAL_MSECS);
		return 0;
	}
	/* Texts that begin with a response code are sent as they are. It must
	   not be NOTFOUND, which would add TRYCREATE or NONEXISTENT. */
	mail_storage_set_error(box->storage, ret == -1 ?
			       MAIL_ERROR_NOTPOSSIBLE : MAIL_ERROR_UNAVAILABLE,
			       response);
	return ret;
}

static int imap_referral_mailbox_open(struct mailbox *box)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	if (imap_referral_mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.open(box);
}

/* The mailbox whose children a namespace has: the prefix without the
   separator. */
static bool is_namespace_root(struct mailbox *box)
{
	const struct mail_namespace *ns = box->list->ns;

	return ns->prefix_len > 0 && strlen(box->vname) == ns->prefix_len - 1 &&
		strncmp(box->vname, ns->prefix, ns->prefix_len - 1) == 0;
}

static int
imap_referral_mailbox_exists(struct mailbox *box, bool auto_boxes,
			     enum mailbox_existence *existence_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	/* Plain LIST asks whether these exist, and has nothing to do with the
	   directory. */
	if (!box->inbox_user && !is_namespace_root(box) &&
	    imap_referral_mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.exists(box, auto_boxes, existence_r);
}

static int
imap_referral_mailbox_get_status(struct mailbox *box,
				 enum mailbox_status_items items,
				 struct mailbox_status *status_r)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	/* The mailbox list index answers without opening it. */
	if (imap_referral_mailbox_check(box) < 0)
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

	if (imap_referral_mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.create_box(box, update, directory);
}

static int imap_referral_mailbox_delete(struct mailbox *box)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	if (imap_referral_mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.delete_box(box);
}

static int
imap_referral_mailbox_rename(struct mailbox *src, struct mailbox *dest)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(src);
	int ret;

	/* A referral for RENAME has two URLs (RFC 2193 section 4.3): with one,
	   clients would rename something else. The refusal keeps a local
	   mailbox from getting a name under which it cannot be reached. */
	ret = imap_referral_mailbox_check(src);
	if (ret == 0 && IMAP_REFERRAL_MAILBOX_CONTEXT(dest) != NULL)
		ret = imap_referral_mailbox_check(dest);
	if (ret == -1) {
		mail_storage_set_error(src->storage, MAIL_ERROR_NOTPOSSIBLE,
			"Folders on another IMAP server cannot be renamed here.");
	} else if (ret == -2) {
		mail_storage_set_error(src->storage, MAIL_ERROR_UNAVAILABLE,
				       REFERRAL_RESPONSE_UNAVAILABLE);
	}
	if (ret < 0)
		return -1;
	return rbox->module_ctx.super.rename_box(src, dest);
}

static int imap_referral_mailbox_set_subscribed(struct mailbox *box, bool set)
{
	struct imap_referral_mailbox *rbox = IMAP_REFERRAL_MAILBOX_CONTEXT(box);

	/* What is here of a subscription can always be removed. */
	if (set && imap_referral_mailbox_check(box) < 0)
		return -1;
	return rbox->module_ctx.super.set_subscribed(box, set);
}

void imap_referral_mailbox_allocated(struct mailbox *box)
{
	struct mailbox_vfuncs *v = box->vlast;
	struct imap_referral_mailbox *rbox;

	if (!imap_referral_user_may_refer(box->list->ns->user, box))
		return;

	rbox = p_new(box->pool, struct imap_referral_mailbox, 1);
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
