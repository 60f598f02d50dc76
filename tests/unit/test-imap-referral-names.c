/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "dict.h"
#include "mail-namespace.h"
#include "mailbox-list-private.h"
#include "referral-key.h"
#include "imap-referral-user.h"
#include "imap-referral-names.h"
#include "unit-common.h"

/*
 * In place of the user's part
 */

/* Names; those that begin with a '-' are here. */
static const char *const *fake_names;
static unsigned int fake_iterations;
static bool fake_fails, fake_bad_keys;

int imap_referral_user_iterate(struct mail_user *user ATTR_UNUSED,
			       referral_row_callback_t *callback,
			       void *context)
{
	const char *const *name, *key;

	fake_iterations++;
	if (fake_bad_keys) {
		/* as from a backend that somebody else writes to */
		(void)callback("shared/other/x", "remote", context);
		(void)callback(REFERRAL_KEY_MAILBOX, "remote", context);
		(void)callback(REFERRAL_KEY_MAILBOX"a\\|\\|b", "remote",
			       context);
		(void)callback(REFERRAL_KEY_MAILBOX"a\r\nb", "remote",
			       context);
		(void)callback(REFERRAL_KEY_HOME"joe", "remote", context);
	}
	for (name = fake_names; *name != NULL; name++) {
		key = t_strconcat(REFERRAL_KEY_MAILBOX, dict_escape_string(
			**name == '-' ? *name + 1 : *name), NULL);
		test_assert(callback(key, **name == '-' ? "here" : "remote",
				     context));
	}
	return fake_fails ? -1 : 0;
}

bool imap_referral_user_is_remote(struct mail_user *user ATTR_UNUSED,
				  const char *value)
{
	return strcmp(value, "remote") == 0;
}

bool imap_referral_user_may_refer(struct mail_user *user ATTR_UNUSED,
				  const struct mail_namespace *ns ATTR_UNUSED,
				  const char *vname)
{
	return strstr(vname, "never") == NULL;
}

const char *
imap_referral_mailbox_get_vname(const struct mail_namespace *ns,
				const char *key_name)
{
	return strncmp(key_name, ns->prefix, ns->prefix_len) == 0 ?
		key_name : NULL;
}

static struct mail_namespace *fake_ns;
static enum imap_referral_place fake_place;

struct mail_namespace *
mail_namespace_find(struct mail_namespace *namespaces ATTR_UNUSED,
		    const char *mailbox ATTR_UNUSED)
{
	return fake_ns;
}

void imap_referral_user_locate_unlisted(
	struct mail_user *user ATTR_UNUSED,
	const struct mail_namespace *ns ATTR_UNUSED,
	const char *vname ATTR_UNUSED,
	struct imap_referral_location *location_r)
{
	i_zero(location_r);
	location_r->place = fake_place;
}

char mail_namespace_get_sep(struct mail_namespace *ns ATTR_UNUSED)
{
	return '/';
}

/*
 * Tests
 */

static const char *names_to_string(const struct imap_referral_ns_names *names)
{
	string_t *str = t_str_new(256);
	unsigned int i;

	for (i = 0; i < names->count; i++) {
		const struct imap_referral_name *name = &names->names[i];

		str_printfa(str, "%s%s:%s%s%s%s", i == 0 ? "" : " ",
			    name->vname,
			    (name->flags & IMAP_REFERRAL_NAME_LISTED) != 0 ?
			    "L" : "",
			    (name->flags & IMAP_REFERRAL_NAME_REMOTE) != 0 ?
			    "R" : "",
			    (name->flags & IMAP_REFERRAL_NAME_CHILDREN) != 0 ?
			    "c" : "", (name->flags &
				IMAP_REFERRAL_NAME_REMOTE_CHILDREN) != 0 ?
			    "r" : "");
		test_assert(imap_referral_ns_names_find(names, name->vname) ==
			    (int)i);
	}
	return str_c(str);
}

static void test_imap_referral_names(void)
{
	static const struct {
		const char *names[8], *prefix, *result;
	} tests[] = {
		{ { NULL }, "S/", "" },
		{ { "S/a", NULL }, "S/", "S/a:LR" },
		{ { "-S/a", NULL }, "S/", "S/a:L" },
		/* sorted, each once, the parents too, but not the prefix */
		{ { "S/b", "S/a", "S/a/x/y", "S/a/x/z", NULL }, "S/",
		  "S/a:LRcr S/a/x:cr S/a/x/y:LR S/a/x/z:LR S/b:LR" },
		{ { "-S/a/x", "S/a", NULL }, "S/", "S/a:LRc S/a/x:L" },
		{ { "S/a/x", "-S/a", NULL }, "S/", "S/a:Lcr S/a/x:LR" },
		{ { "-S/a/x", NULL }, "S/", "S/a:c S/a/x:L" },
		/* of this namespace only */
		{ { "T/a", "S/a", "Sa", "S", NULL }, "S/", "S/a:LR" },
		{ { "a/b", NULL }, "", "a:cr a/b:LR" },
		{ { "S/never", "S/x/never", NULL }, "S/", "" },
		{ { "S/a", "S/a b", "S/a/c", "S/a.d", NULL }, "S/",
		  "S/a:LRcr S/a b:LR S/a.d:LR S/a/c:LR" },
		/* twice in the directory */
		{ { "S/a", "-S/a", NULL }, "S/", "S/a:LR" },
	};
	const struct imap_referral_ns_names *ns_names;
	struct imap_referral_names *names;
	struct mail_namespace ns;
	pool_t pool;
	unsigned int i, bad;

	test_begin("imap referral names");
	for (bad = 0; bad < 2; bad++)
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		fake_bad_keys = bad == 1;
		fake_names = tests[i].names;
		fake_iterations = 0;
		i_zero(&ns);
		ns.prefix = (char *)tests[i].prefix;
		ns.prefix_len = strlen(ns.prefix);
		pool = pool_alloconly_create("names", 1024);
		names = imap_referral_names_init(pool, NULL);
		test_assert_idx(fake_iterations == 0, i);
		test_assert_idx(imap_referral_names_get(names, &ns,
							&ns_names) == 0, i);
		test_assert_strcmp_idx(names_to_string(ns_names),
				       tests[i].result, i);
		test_assert_idx(imap_referral_names_get(names, &ns,
							&ns_names) == 0, i);
		test_assert_idx(fake_iterations == 1, i);
		test_assert_idx(imap_referral_ns_names_find(ns_names,
							    "S/none") == -1, i);
		pool_unref(&pool);
	}
	fake_bad_keys = FALSE;
	test_end();
}

static void test_imap_referral_names_parents(void)
{
	static const char *const fake[] = {
		"S/remote", "-S/remote/here", "S/remote/here/again", "-S/here",
		NULL
	};
	static const struct {
		const char *vname;
		bool remote;
	} tests[] = {
		{ "S/remote", FALSE },
		{ "S/remote/x", TRUE },
		{ "S/remote/x/y", TRUE },
		{ "S/remote/here", TRUE },
		{ "S/remote/here/x", FALSE },
		{ "S/remote/here/again/x", TRUE },
		{ "S/here/x", FALSE },
		{ "S/other/x", FALSE },
		{ "S/remotex/y", FALSE },
	};
	struct mail_namespace ns = { .prefix = (char []){ "S/" },
		.prefix_len = 2, .type = MAIL_NAMESPACE_TYPE_PUBLIC };
	struct mail_user user;
	const struct imap_referral_ns_names *ns_names;
	struct imap_referral_names *names;
	pool_t pool = pool_alloconly_create("names", 1024);
	unsigned int i;

	test_begin("imap referral names: parents");
	fake_names = fake;
	fake_ns = &ns;
	i_zero(&user);
	names = imap_referral_names_init(pool, &user);
	test_assert(imap_referral_names_get(names, &ns, &ns_names) == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_idx(imap_referral_ns_names_parent_is_remote(
			ns_names, tests[i].vname) == tests[i].remote, i);
	}
	/* with what is listed itself */
	test_assert(imap_referral_names_is_remote(names, "S/remote"));
	test_assert(imap_referral_names_is_remote(names, "S/remote/x"));
	test_assert(!imap_referral_names_is_remote(names, "S/remote/here"));
	test_assert(imap_referral_names_is_remote(names,
						  "S/remote/here/again"));
	test_assert(!imap_referral_names_is_remote(names, "S/other"));
	test_assert(!imap_referral_names_is_remote(names, "S/never"));
	/* a guest's, another user's, that are not listed */
	ns.type = MAIL_NAMESPACE_TYPE_PRIVATE;
	fake_place = IMAP_REFERRAL_PLACE_REMOTE;
	test_assert(imap_referral_names_is_remote(names, "INBOX"));
	ns.type = MAIL_NAMESPACE_TYPE_SHARED;
	test_assert(imap_referral_names_is_remote(names, "x"));
	fake_place = IMAP_REFERRAL_PLACE_LOCAL;
	test_assert(!imap_referral_names_is_remote(names, "x"));
	pool_unref(&pool);
	test_end();
}

static void test_imap_referral_names_fails(void)
{
	static const char *const fake[] = { "S/a", NULL };
	struct mail_namespace ns = { .prefix = (char []){ "S/" },
		.prefix_len = 2 };
	const struct imap_referral_ns_names *ns_names;
	struct imap_referral_names *names;
	pool_t pool = pool_alloconly_create("names", 1024);

	test_begin("imap referral names: the directory cannot be asked");
	fake_names = fake;
	fake_fails = TRUE;
	fake_iterations = 0;
	names = imap_referral_names_init(pool, NULL);
	test_assert(!imap_referral_names_failed(names));
	test_assert(imap_referral_names_get(names, &ns, &ns_names) == -1);
	test_assert(imap_referral_names_get(names, &ns, &ns_names) == -1);
	test_assert(imap_referral_names_failed(names));
	test_assert(fake_iterations == 1);
	fake_fails = FALSE;
	pool_unref(&pool);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_imap_referral_names,
		test_imap_referral_names_parents,
		test_imap_referral_names_fails,
		NULL
	};
	return unit_run(test_functions);
}
