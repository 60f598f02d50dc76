/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "imap-match.h"
#include "module-context.h"
#include "mail-user.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "mailbox-list-private.h"
#include "referral-compat.h"
#include "referral-answer.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-response.h"
#include "referral-self.h"
#include "imap-referral-compat.h"
#include "imap-referral-user.h"

#define IMAP_REFERRAL_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_referral_user_module)

struct imap_referral_user {
	union mail_user_module_context module_ctx;

	struct referral_plugin_settings set;
	struct referral_self *self;
	struct referral_client *client;
	/* NULL if no private mailbox can be remote */
	struct imap_match_glob *mailboxes;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_user_module,
				  &mail_user_module_register);

static void imap_referral_user_deinit(struct mail_user *user)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);

	referral_client_deinit(&ruser->client);
	ruser->module_ctx.super.deinit(user);
}

static struct imap_match_glob *
mailbox_patterns_parse(pool_t pool, const char *setting)
{
	const char **patterns, **p;

	if (*setting == '\0')
		return NULL;
	patterns = (const char **)p_strsplit(pool, setting, ",");
	for (p = patterns; *p != NULL; p++)
		*p = p_strdup(pool, t_str_trim(*p, " \t"));
	return imap_match_init_multiple(pool, patterns, TRUE, '/');
}

void imap_referral_user_created(struct mail_user *user)
{
	struct mail_user_vfuncs *v = user->vlast;
	struct imap_referral_user *ruser;
	const char *error;

	/* Owners of shared mailboxes are users, too, but nobody asks on their
	   behalf. */
	if (user->autocreated)
		return;

	ruser = p_new(user->pool, struct imap_referral_user, 1);
	if (imap_referral_settings_get(user, &ruser->set, &error) < 0 ||
	    referral_self_init(user->pool, ruser->set.server,
			       ruser->set.aliases, &ruser->self, &error) < 0) {
		user->error = p_strdup_printf(user->pool,
			"imap_referral plugin: %s", error);
		return;
	}
	ruser->mailboxes = mailbox_patterns_parse(user->pool,
						  ruser->set.mailboxes);
	ruser->client = referral_client_init(user->set->base_dir,
					     ruser->set.timeout_msecs,
					     user->event);

	ruser->module_ctx.super = *v;
	user->vlast = &ruser->module_ctx.super;
	v->deinit = imap_referral_user_deinit;
	MODULE_CONTEXT_SET(user, imap_referral_user_module, ruser);
}

static const char *
mailbox_get_directory_name(struct mailbox *box)
{
	char sep = mail_namespace_get_sep(box->list->ns);
	const char *name = box->vname;

	if (sep == '/')
		return name;
	/* The directory's names have no other separator. */
	if (strchr(name, '/') != NULL)
		return NULL;
	return t_str_replace(name, sep, '/');
}

const char *imap_referral_user_get_name(struct mail_user *user,
					struct mailbox *box)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *name;

	if (ruser == NULL || box->inbox_any ||
	    strcasecmp(box->vname, "INBOX") == 0)
		return NULL;
	if (box->list->ns->type == MAIL_NAMESPACE_TYPE_PRIVATE &&
	    ruser->mailboxes == NULL)
		return NULL;
	if ((name = mailbox_get_directory_name(box)) == NULL)
		return NULL;
	if (box->list->ns->type == MAIL_NAMESPACE_TYPE_PRIVATE &&
	    imap_match(ruser->mailboxes, name) != IMAP_MATCH_YES)
		return NULL;
	return name;
}

static int
handle_answer(struct imap_referral_user *ruser, struct mail_user *user,
	      const char *name, const char *value, const char **response_r)
{
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	const char *error;

	if (referral_answer_parse(pool_datastack_create(), value,
				  &urls, &error) < 0) {
		e_error(user->event, "Location of mailbox %s: %s", name, error);
		*response_r = REFERRAL_RESPONSE_UNAVAILABLE;
		return -2;
	}
	url = referral_answer_choose(&urls, ruser->self, user->conn.local_ip,
				     user->conn.local_port);
	if (url == NULL)
		return 0;
	*response_r = referral_response_mailbox(url, user->username);
	return -1;
}

int imap_referral_user_lookup(struct mail_user *user, const char *name,
			      const char **response_r)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	struct referral_lookup_result result;
	const char *key;

	i_assert(ruser != NULL);

	if ((key = referral_key_mailbox(name)) == NULL)
		return 0;
	referral_client_lookup(ruser->client, user->username, key, &result);
	if (result.ret == 0)
		return 0;
	if (result.ret < 0) {
		e_error(user->event, "Looking up the location of mailbox %s "
			"failed: %s", name, result.error);
		*response_r = REFERRAL_RESPONSE_UNAVAILABLE;
		return -2;
	}
	return handle_answer(ruser, user, name, result.value, response_r);
}
