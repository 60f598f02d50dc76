/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-directory.h"
#include "referral-ldap-settings.h"
#include "referral-mailbox-map.h"
#include "unit-ldap.h"

/* What there is for whom, from the entries to the answers. */

#define END { NULL, NULL, 0 }
#define URI(value) { "labeledURI", value, 0 }
#define READER(value) { "imapMailboxReader", value, 0 }
#define JOE "uid=joe,ou=people,dc=test"
#define SALES "cn=sales,ou=groups,dc=test"

static const struct fake_ldap_entry test_mailboxes[] = {
	{ "cn=1,dc=test", { URI("imap://a/all"), END } },
	{ "cn=2,dc=test", { URI("imap://a/sales"), READER(SALES), END } },
	{ "cn=3,dc=test", { URI("imap://a/all/joe"), READER(JOE), END } },
	{ "cn=4,dc=test", { URI("imap://a/ann"), READER("ann"), END } },
	{ "cn=5,dc=test", { URI("imap://a/anyone"), READER("cn=x"),
	    READER("anyone"), END } },
	/* two entries for the same one: each for its readers */
	{ "cn=6,dc=test", { URI("imap://a/two"), READER("ann"), END } },
	{ "cn=7,dc=test", { URI("imap://b/two"), READER(JOE), END } },
	{ "cn=8,dc=test", { URI("imap://h_1/broken"), READER("ann"), END } },
	{ "cn=9,dc=test", { URI("imap://a/sales/all"), END } },
};

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_ldap *test_server;
static struct referral_directory *test_dir;
static unsigned int test_searches;
static int test_group_result;

struct test_lookup {
	bool finished;
	/* "none" or "error", or what there is */
	char *result;
};

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	static const struct fake_ldap_entry joe = { JOE, { END } };
	static const struct fake_ldap_entry ann = {
		"uid=ann,ou=people,dc=test", { END }
	};
	static const struct fake_ldap_entry sales = { SALES, { END } };
	unsigned int i;

	if (request->page_size > 0) {
		test_assert_strcmp(request->attributes,
			"labeledURI mailHost cn imapMailboxReader");
		for (i = 0; i < N_ELEMENTS(test_mailboxes); i++)
			fake_ldap_send_entry(request, &test_mailboxes[i]);
		fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
		return;
	}
	test_searches++;
	if (strcmp(request->filter, "(uid=joe)") == 0)
		fake_ldap_send_entry(request, &joe);
	else if (strcmp(request->filter, "(uid=ann)") == 0)
		fake_ldap_send_entry(request, &ann);
	else if (strstr(request->filter, "(member="JOE")") != NULL)
		fake_ldap_send_entry(request, &sales);
	fake_ldap_send_result(request,
		strstr(request->filter, "(member=") == NULL ? LDAP_SUCCESS :
		test_group_result, NULL);
}

static void test_visibility_begin(const char *name)
{
	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test visibility", 1024);
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_searches = 0;
	test_group_result = LDAP_SUCCESS;
	test_dir = referral_directory_init(unit_ldap_settings(test_pool,
		"uris", test_server->uri, "readers", "yes", "live", "no",
		"stale_time", "0s", "home_ttl", "1h", "timeout", "20s",
		"mailbox_refresh", "1h", NULL), unit_dir(), NULL);
}

static void test_visibility_expect_broken(void)
{
	test_expect_error_string("Skipping labeledURI='imap://h_1/broken'");
}

static void test_visibility_end(void)
{
	referral_directory_deinit(&test_dir);
	fake_ldap_deinit(&test_server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void
test_lookup_callback(const struct referral_directory_result *result,
		     struct test_lookup *lookup)
{
	lookup->result = i_strdup(result->ret < 0 ? "error" :
				  result->ret == 0 ? "none" : result->value);
	lookup->finished = TRUE;
}

static const char *test_lookup(const char *asker, const char *name)
{
	struct test_lookup lookup;
	const char *result;

	i_zero(&lookup);
	referral_directory_lookup(test_dir, asker, REFERRAL_KEY_TYPE_MAILBOX,
				  name, test_lookup_callback, &lookup);
	unit_wait(lookup.finished);
	result = t_strdup(lookup.result);
	i_free(lookup.result);
	return result;
}

static void
test_list_callback(struct referral_map *map, struct referral_reader *reader,
		   const char *error, struct test_lookup *lookup)
{
	struct referral_mailbox_list *list;
	string_t *str = t_str_new(256);
	const char *name, *value;
	unsigned int i;

	test_assert((map == NULL) == (error != NULL));
	lookup->finished = TRUE;
	if (map == NULL) {
		lookup->result = i_strdup("error");
		return;
	}
	list = referral_mailbox_map_get_list(map);
	for (i = 0; i < referral_mailbox_list_count(list); i++) {
		referral_mailbox_list_get_for(list, i, reader, &name, &value);
		if (value != NULL)
			str_printfa(str, "%s ", name);
	}
	referral_mailbox_list_unref(&list);
	lookup->result = i_strdup(str_c(str));
}

static const char *test_list(const char *asker)
{
	struct test_lookup lookup;
	const char *result;

	i_zero(&lookup);
	referral_directory_get_map(test_dir, asker, test_list_callback,
				   &lookup);
	unit_wait(lookup.finished);
	result = t_strdup(lookup.result);
	i_free(lookup.result);
	return result;
}

static void test_referral_visibility_lookup(void)
{
	static const struct {
		const char *name, *joe, *ann, *nobody;
	} tests[] = {
		{ "all", "imap://a/all", "imap://a/all", "imap://a/all" },
		{ "all/x", "imap://a/all/x", "imap://a/all/x",
		  "imap://a/all/x" },
		{ "sales", "imap://a/sales", "none", "none" },
		{ "sales/x", "imap://a/sales/x", "none", "none" },
		/* it is not an inferior of "all", which others may see */
		{ "all/joe", "imap://a/all/joe", "none", "none" },
		{ "all/joe/x", "imap://a/all/joe/x", "none", "none" },
		{ "ann", "none", "imap://a/ann", "none" },
		{ "anyone", "imap://a/anyone", "imap://a/anyone",
		  "imap://a/anyone" },
		{ "two", "imap://b/two", "imap://a/two", "none" },
		{ "broken", "none", "error", "none" },
		/* below one that is not there is one that is */
		{ "sales/all", "imap://a/sales/all", "imap://a/sales/all",
		  "imap://a/sales/all" },
		{ "other", "none", "none", "none" },
	};
	unsigned int i;

	test_visibility_begin("referral visibility: lookup");
	test_visibility_expect_broken();
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(test_lookup("joe", tests[i].name),
				       tests[i].joe, i);
		test_assert_strcmp_idx(test_lookup("ann", tests[i].name),
				       tests[i].ann, i);
		test_assert_strcmp_idx(test_lookup("", tests[i].name),
				       tests[i].nobody, i);
	}
	test_expect_no_more_errors();
	/* for each user who is somebody, the entry and the groups */
	test_assert(test_searches == 4);
	test_visibility_end();
}

static void test_referral_visibility_list(void)
{
	test_visibility_begin("referral visibility: list");
	test_visibility_expect_broken();
	test_assert_strcmp(test_list(""), "all anyone sales/all ");
	test_expect_no_more_errors();
	test_assert(test_searches == 0);
	test_assert_strcmp(test_list("joe"),
			   "all all/joe anyone sales sales/all two ");
	test_assert_strcmp(test_list("ann"), "all ann anyone sales/all two ");
	/* in no directory */
	test_assert_strcmp(test_list("eve"), "all anyone sales/all ");
	test_assert(test_searches == 5);
	test_assert_strcmp(test_list("joe"),
			   "all all/joe anyone sales sales/all two ");
	test_assert(test_searches == 5);
	test_visibility_end();
}

static void test_referral_visibility_failure(void)
{
	test_visibility_begin("referral visibility: failure");
	test_visibility_expect_broken();
	test_group_result = LDAP_UNAVAILABLE;
	/* what does not depend on it is there all the same */
	test_assert_strcmp(test_lookup("joe", "all"), "imap://a/all");
	test_expect_no_more_errors();
	test_assert_strcmp(test_lookup("ann", "ann"), "imap://a/ann");
	test_assert_strcmp(test_lookup("joe", "ann"), "none");
	test_assert(test_searches == 0);
	test_group_result = LDAP_INSUFFICIENT_ACCESS;
	test_assert_strcmp(test_lookup("joe", "sales"), "error");
	test_assert_strcmp(test_lookup("joe", "sales/x"), "error");
	test_assert_strcmp(test_list("joe"), "error");
	/* not cached */
	test_group_result = LDAP_SUCCESS;
	test_assert_strcmp(test_lookup("joe", "sales"), "imap://a/sales");
	test_visibility_end();
}

/* Servers may have other names for attributes than were asked for. */
static void other_names_handler(struct fake_ldap_request *request,
				void *context ATTR_UNUSED)
{
	static const struct fake_ldap_entry entries[] = {
		{ "cn=1,dc=test", { URI("imap://a/part"), READER("anyone"),
		  { "imapMailboxReader;range=0-0", JOE, 0 }, END } },
		{ "cn=2,dc=test", { URI("imap://a/alias"),
		  { "mailboxReader", JOE, 0 }, END } },
		{ "cn=3,dc=test", { URI("imap://a/option"),
		  { "cn;lang-de", "x", 0 }, END } },
		{ "cn=4,dc=test", { { "LabeledURI", "imap://a/case", 0 },
		  { "imapmailboxreader", "ann", 0 }, END } },
	};
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(entries); i++)
		fake_ldap_send_entry(request, &entries[i]);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static void test_referral_visibility_other_names(void)
{
	test_visibility_begin("referral visibility: names of attributes");
	test_server->handler = other_names_handler;
	test_expect_error_string_n_times("another name for an attribute", 2);
	test_assert_strcmp(test_lookup("ann", "part"), "none");
	test_expect_no_more_errors();
	test_assert_strcmp(test_lookup("ann", "alias"), "none");
	test_assert_strcmp(test_lookup("ann", "option"), "imap://a/option");
	test_assert_strcmp(test_lookup("ann", "case"), "imap://a/case");
	test_assert_strcmp(test_lookup("", "case"), "none");
	test_visibility_end();
}

/* What makes names here and there of what an entry has. */
static void names_handler(struct fake_ldap_request *request,
			  void *context ATTR_UNUSED)
{
	static const struct fake_ldap_entry entries[] = {
		{ "cn=1,dc=test", { { "cn", "a*", 0 },
		  { "mailHost", "imap2:143", 0 }, END } },
		{ "cn=2,dc=test", { { "cn", "b", 0 }, { "target", "y", 0 },
		  { "target", "x", 0 }, { "mailHost", "imap2:143", 0 }, END } },
		{ "cn=3,dc=test", { { "cn", "c", 0 }, { "target", "a//b", 0 },
		  { "mailHost", "imap2:143", 0 }, END } },
		{ "cn=4,dc=test", { { "cn", "d/", 0 },
		  { "mailHost", "imap2:143", 0 }, END } },
		/* it says itself what it is called */
		{ "cn=5,dc=test", { { "cn", "e", 0 },
		  { "labeledURI", "imap://imap2/f", 0 }, END } },
	};
	unsigned int i;

	test_assert_strcmp(request->attributes,
			   "labeledURI mailHost cn target");
	test_assert_strcmp(request->dn, "ou=50%,dc=test");
	test_assert_strcmp(request->filter, "(l=50%)");
	for (i = 0; i < N_ELEMENTS(entries); i++)
		fake_ldap_send_entry(request, &entries[i]);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static void test_referral_visibility_names(void)
{
	test_begin("referral visibility: names");
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test visibility", 1024);
	test_server = fake_ldap_init("ldap");
	test_server->handler = names_handler;
	test_dir = referral_directory_init(unit_ldap_settings(test_pool,
		"uris", test_server->uri, "live", "no", "timeout", "20s",
		"mailbox_refresh", "1h",
		"mailbox_base", "ou=50%%,dc=test", "mailbox_filter", "(l=50%%)",
		"mailbox_name_template", "Shared/%{mailbox}/100%%",
		"mailbox_target_attribute", "target",
		"mailbox_target_template", "user/%{mailbox}", NULL),
		unit_dir(), NULL);
	/* that one, and d/ */
	test_expect_error_string_n_times("Skipping ", 2);
	test_assert_strcmp(test_lookup("", "Shared/a*/100%"),
			   "imap://imap2/user/a%2A");
	test_expect_no_more_errors();
	/* values have no order: always the same one */
	test_assert_strcmp(test_lookup("", "Shared/b/100%"),
			   "imap://imap2/user/x");
	/* it is somewhere else */
	test_assert_strcmp(test_lookup("", "Shared/c/100%"), "error");
	test_assert_strcmp(test_lookup("", "Shared/d//100%"), "none");
	test_assert_strcmp(test_lookup("", "f"), "imap://imap2/f");
	test_assert_strcmp(test_lookup("", "Shared/e/100%"), "none");
	test_visibility_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_visibility_lookup,
		test_referral_visibility_list,
		test_referral_visibility_failure,
		test_referral_visibility_other_names,
		test_referral_visibility_names,
		NULL
	};
	return unit_run(test_functions);
}
