/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "imap-match.h"
#include "module-context.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-tree.h"
#include "mailbox-list-private.h"
#include "imap-referral-command.h"
#include "imap-referral-mailbox.h"
#include "imap-referral-names.h"
#include "imap-referral-user.h"
#include "imap-referral-list.h"

#define IMAP_REFERRAL_LIST_CONTEXT(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_referral_list_module)
#define IMAP_REFERRAL_LIST_ITERATE_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_referral_list_module)

/* What is unknown of a mailbox that is elsewhere, and what is only true here. */
#define IMAP_REFERRAL_LOCAL_FLAGS \
	(MAILBOX_NONEXISTENT | MAILBOX_NOSELECT | MAILBOX_NOINFERIORS | \
	 MAILBOX_CHILDREN | MAILBOX_NOCHILDREN | \
	 MAILBOX_MARKED | MAILBOX_UNMARKED)

struct imap_referral_list {
	union mailbox_list_module_context module_ctx;
};

/* A list that shows remote mailboxes. */
struct imap_referral_list_iter {
	union mailbox_list_iterate_module_context module_ctx;

	const struct imap_referral_ns_names *names;
	/* Which of them are listed already. */
	bool *shown;
	/* The next one to look at, when all that is here is listed. */
	unsigned int next_idx;
	bool local_finished;

	struct imap_match_glob *glob;
	/* A guest's personal mailboxes are all at home. */
	bool all_remote;
	struct mailbox_info info;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_list_module,
				  &mailbox_list_module_register);

static struct mailbox_list_iterate_context *
imap_referral_list_iter_init(struct mailbox_list *list,
			     const char *const *patterns,
			     enum mailbox_list_iter_flags flags)
{
	struct imap_referral_list *rlist = IMAP_REFERRAL_LIST_CONTEXT(list);
	struct mailbox_list_iterate_context *ctx;
	struct imap_referral_list_iter *iter;
	const struct imap_referral_ns_names *names;
	struct imap_referral_names *all_names;

	ctx = rlist->module_ctx.super.iter_init(list, patterns, flags);
	/* raw lists are those that Dovecot and its plugins make for
	   themselves */
	if ((flags & MAILBOX_LIST_ITER_RAW_LIST) != 0 ||
	    !imap_referral_user_may_list(list->ns->user, list->ns))
		return ctx;
	all_names = imap_referral_command_get_names(list->ns->user);
	/* Without the directory what is here is listed, and the command fails
	   in the end. */
	if (all_names == NULL ||
	    imap_referral_names_get(all_names, list->ns, &names) < 0)
		return ctx;

	iter = p_new(ctx->pool, struct imap_referral_list_iter, 1);
	MODULE_CONTEXT_SET(ctx, imap_referral_list_module, iter);
	iter->names = names;
	iter->shown = p_new(ctx->pool, bool, iter->names->count + 1);
	iter->glob = imap_match_init_multiple(ctx->pool, patterns, TRUE,
					mail_namespace_get_sep(list->ns));
	iter->all_remote = list->ns->type == MAIL_NAMESPACE_TYPE_PRIVATE &&
		imap_referral_user_is_guest(list->ns->user);
	iter->info.ns = list->ns;
	return ctx;
}

static void
iter_set_remote(struct mailbox_list_iterate_context *ctx,
		enum imap_referral_name_flags name_flags,
		struct mailbox_info *info)
{
	if ((ctx->flags & MAILBOX_LIST_ITER_RETURN_NO_FLAGS) == 0)
		info->flags &= ENUM_NEGATE(IMAP_REFERRAL_LOCAL_FLAGS);
	if ((name_flags & IMAP_REFERRAL_NAME_CHILDREN) != 0)
		info->flags |= MAILBOX_CHILDREN;
	info->special_use = NULL;
}

/* What is here, seen with the directory's eyes. Returns FALSE if it is not to be
   seen. */
static bool
iter_handle_local(struct mailbox_list_iterate_context *ctx,
		  struct imap_referral_list_iter *iter,
		  const struct mailbox_info *info)
{
	enum imap_referral_name_flags flags = 0;
	int idx = imap_referral_ns_names_find(iter->names, info->vname);

	iter->info = *info;
	if (idx != -1) {
		iter->shown[idx] = TRUE;
		flags = iter->names->names[idx].flags;
	}
	if ((flags & IMAP_REFERRAL_NAME_REMOTE) != 0 || iter->all_remote) {
		if ((ctx->flags & MAILBOX_LIST_ITER_SELECT_SPECIALUSE) != 0)
			return FALSE;
		iter_set_remote(ctx, flags, &iter->info);
	} else if ((flags & IMAP_REFERRAL_NAME_LISTED) == 0 &&
		   imap_referral_ns_names_parent_is_remote(iter->names,
							   info->vname)) {
		/* It cannot be opened here, so it is not there. But who has
		   subscribed to it may have seen it on the other server. */
		if ((info->flags & MAILBOX_SUBSCRIBED) == 0)
			return FALSE;
		iter_set_remote(ctx, flags, &iter->info);
	} else if ((flags & IMAP_REFERRAL_NAME_REMOTE_CHILDREN) != 0) {
		iter->info.flags |= MAILBOX_CHILDREN;
		iter->info.flags &= ENUM_NEGATE(MAILBOX_NOCHILDREN |
						MAILBOX_NOINFERIORS);
	}
	return TRUE;
}

static void
iter_set_subscription_flags(struct mailbox_list_iterate_context *ctx,
			    struct mailbox_info *info)
{
	const struct mailbox_node *node;

	if ((ctx->flags & (MAILBOX_LIST_ITER_SELECT_SUBSCRIBED |
			   MAILBOX_LIST_ITER_RETURN_SUBSCRIBED)) == 0)
		return;
	node = mailbox_tree_lookup(ctx->list->subscriptions, info->vname);
	if (node == NULL)
		return;
	info->flags |= node->flags & MAILBOX_SUBSCRIBED;
	if (node->children != NULL)
		info->flags |= MAILBOX_CHILD_SUBSCRIBED;
}

/* Returns FALSE if this name of the directory is not to be seen. */
static bool
iter_handle_name(struct mailbox_list_iterate_context *ctx,
		 struct imap_referral_list_iter *iter, unsigned int idx)
{
	const struct imap_referral_name *name = &iter->names->names[idx];

	if (iter->shown[idx] ||
	    imap_match(iter->glob, name->vname) != IMAP_MATCH_YES)
		return FALSE;

	iter->info.vname = name->vname;
	iter->info.flags = 0;
	iter->info.special_use = NULL;
	iter_set_subscription_flags(ctx, &iter->info);
	if ((ctx->flags & MAILBOX_LIST_ITER_SELECT_SUBSCRIBED) != 0 &&
	    (iter->info.flags & MAILBOX_SUBSCRIBED) == 0)
		return FALSE;

	if ((name->flags & IMAP_REFERRAL_NAME_REMOTE) != 0)
		iter_set_remote(ctx, name->flags, &iter->info);
	else if ((name->flags & IMAP_REFERRAL_NAME_REMOTE_CHILDREN) != 0) {
		iter->info.flags |= MAILBOX_NONEXISTENT | MAILBOX_CHILDREN;
	} else {
		/* The directory says that it is here, and it is not. */
		return FALSE;
	}
	return TRUE;
}

static const struct mailbox_info *
imap_referral_list_iter_next(struct mailbox_list_iterate_context *ctx)
{
	struct imap_referral_list *rlist =
		IMAP_REFERRAL_LIST_CONTEXT(ctx->list);
	struct imap_referral_list_iter *iter =
		IMAP_REFERRAL_LIST_ITERATE_CONTEXT(ctx);
	const struct mailbox_info *info;

	if (iter == NULL)
		return rlist->module_ctx.super.iter_next(ctx);

	while (!iter->local_finished) {
		info = rlist->module_ctx.super.iter_next(ctx);
		if (info == NULL)
			iter->local_finished = TRUE;
		else if (iter_handle_local(ctx, iter, info))
			return &iter->info;
	}
	if ((ctx->flags & MAILBOX_LIST_ITER_SELECT_SPECIALUSE) != 0)
		return NULL;
	while (iter->next_idx < iter->names->count) {
		if (iter_handle_name(ctx, iter, iter->next_idx++))
			return &iter->info;
	}
	return NULL;
}

/*
 * Subscriptions
 */

/* LIST and LSUB never show a remote mailbox (RFC 2193 section 4). Most of what
   is subscribed is here: nothing is asked about that. */
static bool subscription_is_hidden(struct mailbox_list *list, const char *vname)
{
	struct mail_user *user = list->ns->user;
	/* in a shared namespace it is in one of its owner's */
	struct mail_namespace *ns = mail_namespace_find(user->namespaces, vname);
	struct imap_referral_location location;

	if (!imap_referral_user_may_refer(user, ns, vname) ||
	    imap_referral_mailbox_is_here(ns->list, vname))
		return FALSE;
	imap_referral_user_locate(user, ns, vname, &location);
	return location.place != IMAP_REFERRAL_PLACE_LOCAL;
}

static void hide_subscriptions(struct mailbox_list *list)
{
	char sep = mail_namespace_get_sep(list->ns);
	struct mailbox_tree_context *tree = mailbox_tree_init(sep);
	struct mailbox_tree_context *all = list->subscriptions;
	struct mailbox_tree_iterate_context *iter;
	struct mailbox_node *node;
	const char *vname;
	bool created, hidden, any_hidden = FALSE;

	iter = mailbox_tree_iterate_init(all, NULL, MAILBOX_SUBSCRIBED);
	while (mailbox_tree_iterate_next(iter, &vname) != NULL) {
		T_BEGIN {
			hidden = subscription_is_hidden(list, vname);
		} T_END;
		if (hidden)
			any_hidden = TRUE;
		else {
			node = mailbox_tree_get(tree, vname, &created);
			node->flags = MAILBOX_SUBSCRIBED;
		}
	}
	mailbox_tree_iterate_deinit(&iter);

	if (!any_hidden) {
		mailbox_tree_deinit(&tree);
		return;
	}
	list->subscriptions = tree;
	/* others have to read them again */
	list->subscriptions_mtime = (time_t)-1;
	mailbox_tree_deinit(&all);
}

static int
imap_referral_list_subscriptions_refresh(struct mailbox_list *src_list,
					 struct mailbox_list *dest_list)
{
	struct imap_referral_list *rlist = IMAP_REFERRAL_LIST_CONTEXT(src_list);

	if (rlist->module_ctx.super.subscriptions_refresh(src_list,
							  dest_list) < 0)
		return -1;
	if (imap_referral_command_hides_remote(dest_list->ns->user))
		hide_subscriptions(dest_list);
	return 0;
}

void imap_referral_mailbox_list_created(struct mailbox_list *list)
{
	struct mailbox_list_vfuncs *v = list->vlast;
	struct imap_referral_list *rlist;

	rlist = p_new(list->pool, struct imap_referral_list, 1);
	rlist->module_ctx.super = *v;
	list->vlast = &rlist->module_ctx.super;
	v->iter_init = imap_referral_list_iter_init;
	v->iter_next = imap_referral_list_iter_next;
	v->subscriptions_refresh = imap_referral_list_subscriptions_refresh;
	MODULE_CONTEXT_SET(list, imap_referral_list_module, rlist);
}
