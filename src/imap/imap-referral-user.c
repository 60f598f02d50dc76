/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "time-util.h"
#include "imap-match.h"
#include "module-context.h"
#include "mail-user.h"
#include "mail-namespace.h"
#include "mail-storage-private.h"
#include "referral-compat.h"
#include "referral-answer.h"
#include "referral-key.h"
#include "referral-lookup.h"
#include "referral-response.h"
#include "referral-self.h"
#include "referral-template.h"
#include "imap-referral-answers.h"
#include "imap-referral-compat.h"
#include "imap-referral-user.h"

#define IMAP_REFERRAL_USER_CONTEXT(obj) \
	MODULE_CONTEXT(obj, imap_referral_user_module)
#define IMAP_REFERRAL_USER_CONTEXT_REQUIRE(obj) \
	MODULE_CONTEXT_REQUIRE(obj, imap_referral_user_module)

struct imap_referral_user {
	union mail_user_module_context module_ctx;

	struct referral_plugin_settings set;
	struct referral_self *self;
	struct referral_client *client;
	struct imap_referral_answers *answers;
	/* NULL if no private mailbox can be remote */
	struct imap_match_glob *mailboxes;
	/* The user's login name at other servers. */
	const char *url_user;
	/* The user is a guest if the host is set. */
	struct referral_url home;
};

static MODULE_CONTEXT_DEFINE_INIT(imap_referral_user_module,
				  &mail_user_module_register);

/*
 * Users
 */

static void imap_referral_user_deinit(struct mail_user *user)
{
	struct imap_referral_user *ruser =
		IMAP_REFERRAL_USER_CONTEXT_REQUIRE(user);

	imap_referral_answers_deinit(&ruser->answers);
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

/* What the auth process may have set, with '=' behind its name. */
static const char *userdb_field(struct mail_user *user, const char *name)
{
	const char *const *fields = user->userdb_fields;

	for (; fields != NULL && *fields != NULL; fields++) {
		if (str_begins_with(*fields, name))
			return *fields + strlen(name);
	}
	return NULL;
}

static int
home_parse(struct mail_user *user, struct referral_url *home_r,
	   const char **error_r)
{
	const char *url = userdb_field(user, REFERRAL_USERDB_FIELD_HOME"=");

	i_zero(home_r);
	return url == NULL ? 0 :
		referral_url_parse(user->pool, url, home_r, error_r);
}

static const char *url_user_expand(struct mail_user *user, const char *template)
{
	string_t *str = t_str_new(64);

	referral_template_expand(str, template, user->username, NULL);
	return p_strdup(user->pool, str_c(str));
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
	ruser->url_user = url_user_expand(user, ruser->set.login_user);
	ruser->mailboxes = mailbox_patterns_parse(user->pool,
						  ruser->set.mailboxes);
	ruser->client = referral_client_init(user->set->base_dir,
					     ruser->set.timeout_msecs,
					     user->event);
	ruser->answers = imap_referral_answers_init(ruser->client,
						    ruser->set.cache_ttl_msecs);

	ruser->module_ctx.super = *v;
	user->vlast = &ruser->module_ctx.super;
	v->deinit = imap_referral_user_deinit;
	MODULE_CONTEXT_SET(user, imap_referral_user_module, ruser);
}

const struct referral_plugin_settings *
imap_referral_user_get_settings(struct mail_user *user)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);

	return ruser == NULL ? NULL : &ruser->set;
}

const struct referral_url *
imap_referral_user_get_server(struct mail_user *user)
{
	struct imap_referral_user *ruser =
		IMAP_REFERRAL_USER_CONTEXT_REQUIRE(user);

	return referral_self_get_server(ruser->self);
}

bool imap_referral_user_is_guest(struct mail_user *user)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);

	return ruser != NULL && ruser->home.host != NULL;
}

const char *imap_referral_user_get_url_user(struct mail_user *user)
{
	struct imap_referral_user *ruser =
		IMAP_REFERRAL_USER_CONTEXT_REQUIRE(user);

	return ruser->url_user;
}

const char *imap_referral_user_get_offer(struct mail_user *user)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *name, *error;

	if (!imap_referral_user_is_guest(user))
		return NULL;
	name = userdb_field(user, REFERRAL_USERDB_FIELD_OFFER"=");
	if (name == NULL)
		return NULL;
	if ((error = referral_user_name_error(name)) != NULL) {
		e_error(user->event, "Login without a referral, %s in userdb "
			"field "REFERRAL_USERDB_FIELD_OFFER, error);
		return NULL;
	}
	return referral_response_offer(&ruser->home, name);
}

/*
 * Names
 */

const char *
imap_referral_mailbox_get_key_name(const struct mail_namespace *ns,
				   const char *vname)
{
	char sep = mail_namespace_get_sep((struct mail_namespace *)ns);

	/* an alias is another way to the same mailboxes */
	if (ns->alias_for != NULL &&
	    strncmp(vname, ns->prefix, ns->prefix_len) == 0) {
		vname = t_strconcat(ns->alias_for->prefix,
				    vname + ns->prefix_len, NULL);
	}
	if (sep == '/')
		return vname;
	/* The directory's names have no other separator. */
	if (strchr(vname, '/') != NULL)
		return NULL;
	return t_str_replace(vname, sep, '/');
}

/* The prefix without its separator is a name, too. */
static bool
namespace_matches(const struct mail_namespace *ns, const char *vname)
{
	return strncmp(vname, ns->prefix, ns->prefix_len) == 0 ||
		(ns->prefix_len > 0 &&
		 strncmp(vname, ns->prefix, ns->prefix_len - 1) == 0 &&
		 vname[ns->prefix_len - 1] == '\0');
}

/* Names are in the namespace with the longest prefix. */
static bool
namespace_has_name(const struct mail_namespace *ns, const char *vname)
{
	const struct mail_namespace *ns2;

	if (!namespace_matches(ns, vname))
		return FALSE;
	for (ns2 = ns->user->namespaces; ns2 != NULL; ns2 = ns2->next) {
		if (ns2->prefix_len > ns->prefix_len &&
		    namespace_matches(ns2, vname))
			return FALSE;
	}
	return TRUE;
}

const char *
imap_referral_mailbox_get_vname(const struct mail_namespace *ns,
				const char *key_name)
{
	char sep = mail_namespace_get_sep((struct mail_namespace *)ns);

	if (sep != '/') {
		if (strchr(key_name, sep) != NULL)
			return NULL;
		key_name = t_str_replace(key_name, '/', sep);
	}
	if (ns->alias_for != NULL) {
		if (strncmp(key_name, ns->alias_for->prefix,
			    ns->alias_for->prefix_len) != 0)
			return NULL;
		key_name = t_strconcat(ns->prefix, key_name +
				       ns->alias_for->prefix_len, NULL);
	}
	return namespace_has_name(ns, key_name) ? key_name : NULL;
}

static bool is_private(const struct mail_namespace *ns)
{
	return ns->type == MAIL_NAMESPACE_TYPE_PRIVATE;
}

/* INBOX, also by its name with the namespace's prefix. */
static bool is_inbox(const struct mail_namespace *ns, const char *vname)
{
	if (!is_private(ns))
		return FALSE;
	if ((ns->flags & NAMESPACE_FLAG_INBOX_USER) != 0 &&
	    strncmp(vname, ns->prefix, ns->prefix_len) == 0 &&
	    strcasecmp(vname + ns->prefix_len, "INBOX") == 0)
		return TRUE;
	return strcasecmp(vname, "INBOX") == 0;
}

/* Whether the directory has to be asked. */
static bool
name_wants_lookup(struct imap_referral_user *ruser,
		  const struct mail_namespace *ns, const char *vname,
		  const char *key_name)
{
	if (is_inbox(ns, vname))
		return FALSE;
	return !is_private(ns) ||
		(ruser->mailboxes != NULL &&
		 imap_match(ruser->mailboxes, key_name) == IMAP_MATCH_YES);
}

bool imap_referral_user_may_refer(struct mail_user *user,
				  const struct mail_namespace *ns,
				  const char *vname)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *key_name;

	if (ruser == NULL ||
	    (key_name = imap_referral_mailbox_get_key_name(ns, vname)) == NULL)
		return FALSE;
	return name_wants_lookup(ruser, ns, vname, key_name) ||
		(is_private(ns) && ruser->home.host != NULL);
}

bool imap_referral_user_may_list(struct mail_user *user,
				 const struct mail_namespace *ns)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);

	return ruser != NULL && (!is_private(ns) || ruser->mailboxes != NULL ||
				 ruser->home.host != NULL);
}

/*
 * Locations
 */

static void
location_add(struct imap_referral_location *location,
	     const struct referral_url *server, const char *key_name)
{
	struct referral_url *url = array_append_space(&location->urls);

	*url = *server;
	if (url->mailbox == NULL)
		url->mailbox = key_name;
	location->place = IMAP_REFERRAL_PLACE_REMOTE;
}

static void
handle_answer(struct imap_referral_user *ruser, struct mail_user *user,
	      const char *key_name, const char *value,
	      struct imap_referral_location *location)
{
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	const char *error;

	if (referral_answer_parse(pool_datastack_create(), value,
				  &urls, &error) < 0) {
		e_error(user->event, "Location of mailbox %s: %s",
			key_name, error);
		location->place = IMAP_REFERRAL_PLACE_UNKNOWN;
		return;
	}
	if (referral_answer_choose(&urls, ruser->self, user->conn.local_ip,
				   user->conn.local_port) == NULL) {
		e_debug(user->event, "Mailbox %s is here, the directory says",
			key_name);
		location->listed_here = TRUE;
		return;
	}
	array_foreach(&urls, url) {
		location_add(location, url, key_name);
		if (ruser->set.urls == REFERRAL_URLS_FIRST)
			break;
	}
}

/* Returns 1 with the value if the directory has an answer, 0 if not, -1 if it
   cannot be asked: then the location says so. */
static int
directory_lookup(struct imap_referral_user *ruser, struct mail_user *user,
		 const char *key_name, const char *key, const char **value_r,
		 struct imap_referral_location *location)
{
	struct referral_lookup_result result;
	bool asked;

	asked = imap_referral_answers_lookup(ruser->answers, user->username,
					     key, &result);
	if (result.ret < 0) {
		if (asked) {
			e_error(user->event, "Looking up the location of "
				"mailbox %s failed: %s", key_name,
				result.error);
		}
		location->place = IMAP_REFERRAL_PLACE_UNKNOWN;
	}
	*value_r = result.value;
	return result.ret;
}

/* The owner's server is none of those that the directory lists for mailboxes.
   There the user is let in only if it lists any mailbox on it. */
static void
check_visitors(struct imap_referral_user *ruser, struct mail_user *user,
	       const char *key_name, struct imap_referral_location *location)
{
	const char *key, *value;

	key = referral_key_shares(array_front(&location->urls));
	if (directory_lookup(ruser, user, key_name, key, &value,
			     location) == 0)
		location->place = IMAP_REFERRAL_PLACE_NO_VISITORS;
}

static void
locate_owner(struct imap_referral_user *ruser, struct mail_user *user,
	     const char *owner, const char *key_name,
	     struct imap_referral_location *location)
{
	const char *key, *value;

	if ((key = referral_key_home(owner)) == NULL ||
	    directory_lookup(ruser, user, key_name, key, &value, location) <= 0)
		return;
	handle_answer(ruser, user, key_name, value, location);
	if (location->place == IMAP_REFERRAL_PLACE_REMOTE)
		check_visitors(ruser, user, key_name, location);
}

static void
locate_home(struct imap_referral_user *ruser, const char *key_name,
	    struct imap_referral_location *location)
{
	if (ruser->home.host != NULL &&
	    referral_mailbox_name_error(key_name) == NULL)
		location_add(location, &ruser->home, key_name);
}

/* Whose mailboxes a namespace has, if it is one of another user's. */
static const char *namespace_get_owner(const struct mail_namespace *ns)
{
	if (ns->type != MAIL_NAMESPACE_TYPE_SHARED || ns->owner == NULL ||
	    (ns->flags & NAMESPACE_FLAG_AUTOCREATED) == 0)
		return NULL;
	return ns->owner->username;
}

/* Returns TRUE if the directory lists it, or cannot be asked about that. */
static bool
locate_listed(struct imap_referral_user *ruser, struct mail_user *user,
	      const char *key_name, struct imap_referral_location *location)
{
	const char *key, *value;

	if ((key = referral_key_mailbox(key_name)) == NULL)
		return FALSE;
	switch (directory_lookup(ruser, user, key_name, key, &value,
				 location)) {
	case 1:
		handle_answer(ruser, user, key_name, value, location);
		return TRUE;
	case 0:
		return FALSE;
	}
	return TRUE;
}

static void
locate_unlisted(struct imap_referral_user *ruser, struct mail_user *user,
		const struct mail_namespace *ns, const char *key_name,
		struct imap_referral_location *location)
{
	const char *owner = namespace_get_owner(ns);

	if (is_private(ns))
		locate_home(ruser, key_name, location);
	else if (owner == NULL)
		return;
	else if (strcmp(owner, user->username) == 0) {
		location->listed_here = ruser->home.host == NULL;
		locate_home(ruser, key_name, location);
	} else if (ruser->set.owners != 0)
		locate_owner(ruser, user, owner, key_name, location);
}

/* Begin with "local". Returns the name to ask for, NULL if there is nothing to
   ask. */
static const char *
locate_begin(struct imap_referral_user *ruser, const struct mail_namespace *ns,
	     const char *vname, struct imap_referral_location *location_r)
{
	i_zero(location_r);
	t_array_init(&location_r->urls, 2);
	return ruser == NULL ? NULL :
		imap_referral_mailbox_get_key_name(ns, vname);
}

void imap_referral_user_locate(struct mail_user *user,
			       const struct mail_namespace *ns,
			       const char *vname,
			       struct imap_referral_location *location_r)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *key_name = locate_begin(ruser, ns, vname, location_r);

	if (key_name == NULL)
		return;
	/* one's own mailboxes are nowhere but at home */
	if (name_wants_lookup(ruser, ns, vname, key_name) &&
	    null_strcmp(namespace_get_owner(ns), user->username) != 0 &&
	    locate_listed(ruser, user, key_name, location_r))
		return;
	locate_unlisted(ruser, user, ns, key_name, location_r);
}

void imap_referral_user_locate_unlisted(struct mail_user *user,
					const struct mail_namespace *ns,
					const char *vname,
					struct imap_referral_location *location_r)
{
	struct imap_referral_user *ruser = IMAP_REFERRAL_USER_CONTEXT(user);
	const char *key_name = locate_begin(ruser, ns, vname, location_r);

	if (key_name != NULL)
		locate_unlisted(ruser, user, ns, key_name, location_r);
}

const char *
imap_referral_location_response(struct mail_user *user,
				const struct imap_referral_location *location)
{
	const struct referral_url *urls;
	unsigned int count;

	urls = array_get(&location->urls, &count);
	switch (location->place) {
	case IMAP_REFERRAL_PLACE_LOCAL:
		break;
	case IMAP_REFERRAL_PLACE_REMOTE:
		return referral_response_mailbox(urls, count,
			imap_referral_user_get_url_user(user));
	case IMAP_REFERRAL_PLACE_NO_VISITORS:
		return referral_response_no_visitors(&urls[0]);
	case IMAP_REFERRAL_PLACE_UNKNOWN:
		return REFERRAL_RESPONSE_UNAVAILABLE;
	}
	i_unreached();
}

/*
 * Lists
 */

int imap_referral_user_iterate(struct mail_user *user,
			       referral_row_callback_t *callback,
			       void *context)
{
	struct imap_referral_user *ruser =
		IMAP_REFERRAL_USER_CONTEXT_REQUIRE(user);
	struct timeval start;
	const char *error;

	if (imap_referral_answers_have_failed(ruser->answers))
		return -1;
	i_gettimeofday(&start);
	if ((referral_client_iterate)(ruser->client, user->username,
				      REFERRAL_KEY_MAILBOX, callback, context,
				      &error) < 0) {
		imap_referral_answers_failed(ruser->answers, &start, error);
		e_error(user->event, "Listing the mailboxes on other servers "
			"failed: %s", error);
		return -1;
	}
	return 0;
}

bool imap_referral_user_is_remote(struct mail_user *user, const char *value)
{
	struct imap_referral_user *ruser =
		IMAP_REFERRAL_USER_CONTEXT_REQUIRE(user);
	ARRAY_TYPE(referral_url) urls;
	const char *error;

	/* Who opens one with a broken location is told that it cannot be
	   found out: it is not taken for local. */
	return referral_answer_parse(pool_datastack_create(), value,
				     &urls, &error) < 0 ||
		referral_answer_choose(&urls, ruser->self, user->conn.local_ip,
				       user->conn.local_port) != NULL;
}
