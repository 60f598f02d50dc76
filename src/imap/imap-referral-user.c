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
	/* The user is a guest if the host is set. */
	struct referral_url home;
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

/* The auth process may have set it, and then it is valid. */
static int
home_parse(struct mail_user *user, struct referral_url *home_r,
	   const char **error_r)
{
	const char *const *fields = user->userdb_fields;

	i_zero(home_r);
	for (; fields != NULL && *fields != NULL; fields++) {
		if (str_begins_with(*fields, REFERRAL_USERDB_FIELD_HOME"=")) {
			return referral_url_parse(user->pool, *fields +
				strlen(REFERRAL_USERDB_FIELD_HOME"="),
				home_r, error_r);
		}
	}
	return 0;
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
			       ruser->set.aliases, &ruser->self, &error) < 0 ||
	    home_parse(user, &ruser->home, &error) < 0) {
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

static bool is_private(struct mailbox *box)
{
	return box->list->ns->type == MAIL_NAMESPACE_TYPE_PRIVATE;
}

static bool is_inbox(struct mailbox *box)
{
	return is_private(box) &&
		(box->inbox_user || strcasecmp(box->vname, "INBOX") == 0);
}

/* Whether the directory has to be asked. */
static bool
name_wants_lookup(struct imap_referral_user *ruser, struct mailbox *box,
		  const char *name)
{
	if (is_inbox(box))
		return FALSE;
	return !is_private(box) ||
		(ruser->mailboxes != NULL &&
		 imap_match(ruser->mailboxes, name) == IMAP_MATCH_YES);
}

bool imap_referral_user_may_refer(struct mail_user *user, struct mailbox *box)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *name;

	if (ruser == NULL ||
	    (name = mailbox_get_directory_name(box)) == NULL)
		return FALSE;
	return name_wants_lookup(ruser, box, name) ||
		(is_private(box) && ruser->home.host != NULL);
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

static int
directory_lookup(struct imap_referral_user *ruser, struct mail_user *user,
		 const char *name, const char **response_r)
{
	struct referral_lookup_result result;
	const char *key;

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

int imap_referral_user_locate(struct mail_user *user, struct mailbox *box,
			      const char **response_r)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *name = mailbox_get_directory_name(box);
	struct referral_url url;
	int ret;

	if (ruser == NULL || name == NULL)
		return 0;
	if (name_wants_lookup(ruser, box, name)) {
		ret = directory_lookup(ruser, user, name, response_r);
		if (ret < 0)
			return ret;
	}
	if (ruser->home.host != NULL && is_private(box) &&
	    referral_mailbox_name_error(name) == NULL) {
		url = ruser->home;
		url.mailbox = name;
		*response_r = referral_response_mailbox(&url, user->username);
		return -1;
	}
	return 0;
}
