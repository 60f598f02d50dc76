/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-ldap-settings.h"
#include "referral-directory.h"
#include "referral-mailbox-map.h"
#include "unit-ldap.h"

/* One lookup, as its callback saw it. */
struct test_lookup {
	unsigned int callback_count;
	int ret;
	char *value, *error;
	/* Look that up when it is finished. */
	struct test_lookup *again;
	enum referral_key_type again_type;
};

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct fake_ldap *test_server;
static struct referral_directory *test_dir;

/* What is in the directory: entries below people are homes, all others are
   mailboxes. Searches for others get nothing. */
static const struct fake_ldap_entry *test_mailboxes;
static unsigned int test_mailbox_count;
/* Searches of each kind; loads are not answered while "hold" is set, and fail
   with the result if it is set. */
static unsigned int test_home_searches, test_loads;
static bool test_hold_loads;
static int test_load_result;
static struct fake_ldap_request *test_last_load;
/* The same for servers. */
static unsigned int test_server_loads;
static bool test_hold_server_loads;
static int test_server_load_result;
static const char *test_server_state;

#define END { NULL, NULL, 0 }

static const struct {
	const char *filter;
	unsigned int count;
	struct fake_ldap_entry entries[2];
} test_homes[] = {
	{ "(uid=bob)", 1, { { "uid=bob,ou=people,dc=test", {
		{ "mailHost", "imap2.example.org", 0 }, END } } } },
	{ "(uid=port)", 1, { { "uid=port,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 }, END } } } },
	{ "(uid=many)", 1, { { "uid=many,ou=people,dc=test", {
		{ "mailHost", "imap3 20", 0 },
		{ "mailHost", "imap://imap1/Shared/x 30", 0 },
		{ "mailHost", "imap2 10", 0 }, END } } } },
	{ "(uid=half)", 1, { { "uid=half,ou=people,dc=test", {
		{ "mailHost", "h_1", 0 },
		{ "mailHost", "imap2", 0 }, END } } } },
	{ "(uid=offer)", 1, { { "uid=offer,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 },
		{ "mailHost", "imap3:143", 0 },
		{ "imapLoginReferral", "Offer", 0 }, END } } } },
	{ "(uid=refer)", 1, { { "uid=refer,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 },
		{ "imapLoginReferral", "refer", 0 }, END } } } },
	{ "(uid=both)", 1, { { "uid=both,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 },
		{ "imapLoginReferral", "refer", 0 },
		{ "imapLoginReferral", "offer", 0 }, END } } } },
	{ "(uid=word)", 1, { { "uid=word,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 },
		{ "imapLoginReferral", "proxy", 0 }, END } } } },
	{ "(uid=words)", 1, { { "uid=words,ou=people,dc=test", {
		{ "mailHost", "imap2:143", 0 },
		{ "imapLoginReferral", "offer imap://x/", 0 },
		{ "imapLoginReferral", "offer", 0 }, END } } } },
	{ "(uid=homeless)", 1, { { "uid=homeless,ou=people,dc=test", {
		{ "imapLoginReferral", "offer", 0 }, END } } } },
	{ "(uid=broken)", 1, { { "uid=broken,ou=people,dc=test", {
		{ "mailHost", "a\r\nb", 0 }, END } } } },
	{ "(uid=none)", 1, { { "uid=none,ou=people,dc=test", {
		{ "mail", "none@example.org", 0 }, END } } } },
	{ "(uid=twice)", 2, { { "uid=twice,ou=a,dc=test", {
		{ "mailHost", "imap1", 0 }, END } },
		{ "uid=twice,ou=b,dc=test", {
		{ "mailHost", "imap1", 0 }, END } } } },
	{ "(uid=a\\2a\\28\\29\\5cb\xc3\xbc)", 1, {
		{ "uid=x,ou=people,dc=test", {
		{ "mailHost", "imap2", 0 }, END } } } },
};

static const struct fake_ldap_entry test_mailboxes_1[] = {
	{ "cn=sales,dc=test", {
		{ "labeledURI", "imap://imap2/Shared/sales", 0 }, END } },
	{ "cn=broken,dc=test", {
		{ "labeledURI", "imap://h_1/Shared/broken", 0 }, END } },
};
static const struct fake_ldap_entry test_mailboxes_2[] = {
	{ "cn=sales,dc=test", {
		{ "labeledURI", "imap://imap3/Shared/sales", 0 }, END } },
};

static void load_answer(struct fake_ldap_request *request)
{
	unsigned int i;

	for (i = 0; i < test_mailbox_count; i++)
		fake_ldap_send_entry(request, &test_mailboxes[i]);
	fake_ldap_send_result(request, test_load_result, NULL);
}

static void server_load_answer(struct fake_ldap_request *request)
{
	const struct fake_ldap_entry entry = {
		"cn=imap2,dc=test", {
			{ "cn", "imap2", 0 },
			{ "imapServerState", test_server_state, 0 },
			{ "imapHomeServer", "imap3 1", 0 },
			{ "imapHomeServer", "imap1:143", 0 }, END }
	};

	fake_ldap_send_entry(request, &entry);
	fake_ldap_send_result(request, test_server_load_result, NULL);
}

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	unsigned int i, j;

	if (strcmp(request->filter, "(objectClass=imapServer)") == 0) {
		test_server_loads++;
		if (!test_hold_server_loads)
			server_load_answer(request);
		return;
	}
	if (request->page_size > 0) {
		test_loads++;
		test_last_load = request;
		if (!test_hold_loads)
			load_answer(request);
		return;
	}
	test_home_searches++;
	test_assert_strcmp(request->dn, "ou=people,dc=test");
	test_assert_strcmp(request->attributes, "mailHost imapLoginReferral");
	test_assert(request->scope == LDAP_SCOPE_ONELEVEL);
	/* one would not tell that there are more */
	test_assert(request->size_limit == 2);
	for (i = 0; i < N_ELEMENTS(test_homes); i++) {
		if (strcmp(test_homes[i].filter, request->filter) != 0)
			continue;
		for (j = 0; j < test_homes[i].count; j++) {
			fake_ldap_send_entry(request,
					     &test_homes[i].entries[j]);
		}
	}
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

/* TTLs are long but in the tests about them, and so is the time until the
   mailboxes are loaded again. */
static void
test_directory_begin(const char *name, const char *timeout, const char *ttl,
		     const char *refresh)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test directory", 1024);
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_mailboxes = test_mailboxes_1;
	/* without the broken one */
	test_mailbox_count = 1;
	test_home_searches = test_loads = 0;
	test_hold_loads = FALSE;
	test_load_result = LDAP_SUCCESS;
	test_server_loads = 0;
	test_hold_server_loads = FALSE;
	test_server_load_result = LDAP_SUCCESS;
	test_server_state = "drain";
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "home_base", "ou=people,dc=test",
				 "home_scope", "onelevel",
				 "default_port", "10143",
				 "timeout", timeout,
				 "home_ttl", ttl, "home_negative_ttl", ttl,
				 "mailbox_refresh", refresh,
				 "server_refresh", refresh, NULL);
	test_dir = referral_directory_init(set, unit_dir(), NULL);
}

static void test_directory_end(void)
{
	if (test_dir != NULL)
		referral_directory_deinit(&test_dir);
	test_assert(test_dir == NULL);
	fake_ldap_deinit(&test_server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void
test_lookup_start(struct test_lookup *lookup_r, enum referral_key_type type,
		  const char *name);

static void
test_lookup_callback(const struct referral_directory_result *result,
		     struct test_lookup *lookup)
{
	test_assert(lookup->callback_count == 0);
	test_assert(result->ret <= 0 || result->value != NULL);
	test_assert(result->ret >= 0 || result->error != NULL);
	lookup->callback_count++;
	lookup->ret = result->ret;
	lookup->value = i_strdup(result->ret > 0 ? result->value : NULL);
	lookup->error = i_strdup(result->ret < 0 ? result->error : NULL);
	if (lookup->again != NULL) {
		test_lookup_start(lookup->again, lookup->again_type,
				  "again:143");
	}
}

static void
test_lookup_start(struct test_lookup *lookup_r, enum referral_key_type type,
		  const char *name)
{
	i_zero(lookup_r);
	referral_directory_lookup(test_dir, "", type, name,
				  test_lookup_callback, lookup_r);
}

static void test_lookup_free(struct test_lookup *lookup)
{
	i_free(lookup->value);
	i_free(lookup->error);
	lookup->callback_count = 0;
}

/* Look up and wait for it. Returns the value, "none" or "error: .." */
static const char *lookup(enum referral_key_type type, const char *name)
{
	struct test_lookup lookup;
	const char *result;

	test_lookup_start(&lookup, type, name);
	unit_wait(lookup.callback_count == 1);
	if (lookup.ret < 0)
		result = t_strconcat("error: ", lookup.error, NULL);
	else
		result = lookup.ret == 0 ? "none" : t_strdup(lookup.value);
	test_lookup_free(&lookup);
	return result;
}

static const char *lookup_home(const char *user)
{
	return lookup(REFERRAL_KEY_TYPE_HOME, user);
}

static const char *lookup_mailbox(const char *name)
{
	return lookup(REFERRAL_KEY_TYPE_MAILBOX, name);
}

/*
 * Homes
 */

static void test_referral_directory_home(void)
{
	static const struct {
		const char *user, *result;
	} tests[] = {
		{ "bob", "imap://imap2.example.org:10143/" },
		{ "port", "imap://imap2/" },
		/* in order; a home is a server, whatever else is said */
		{ "many", "imap://imap2:10143/ imap://imap3:10143/ "
		  "imap://imap1/" },
		{ "none", "none" },
		{ "nobody", "none" },
		/* how logins are answered */
		{ "offer", "offer imap://imap2/ imap://imap3/" },
		{ "refer", "refer imap://imap2/" },
		{ "both", "refer imap://imap2/" },
		{ "homeless", "none" },
		/* RFC 4515: these find what has that name, and nothing else */
		{ "a*()\\b\xc3\xbc", "imap://imap2:10143/" },
		{ "*", "none" },
		{ "bob)(uid=*", "none" },
		{ "b*", "none" },
		{ "b\\6fb", "none" },
		{ "", "none" },
	};
	unsigned int i;

	test_directory_begin("referral directory: home", "20s", "1h", "1h");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(lookup_home(tests[i].user),
				       tests[i].result, i);
		test_assert_idx(test_home_searches == i + 1, i);
	}
	/* all of these are cached */
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(lookup_home(tests[i].user),
				       tests[i].result, i);
	}
	test_assert(test_home_searches == N_ELEMENTS(tests));
	test_directory_end();
}

static void test_referral_directory_home_broken(void)
{
	const char *result;

	test_directory_begin("referral directory: broken homes", "20s", "1h",
			     "1h");
	/* each value is logged once; and failures are never cached */
	test_expect_error_string("uid=broken,ou=people,dc=test: "
				 "Skipping mailHost='a??b': ");
	result = lookup_home("broken");
	test_assert(strncmp(result, "error: ", 7) == 0);
	test_expect_no_more_errors();
	test_assert(strncmp(lookup_home("broken"), "error: ", 7) == 0);
	test_assert(test_home_searches == 2);

	test_expect_error_string("Skipping mailHost='h_1': ");
	test_assert_strcmp(lookup_home("half"), "imap://imap2:10143/");
	test_expect_no_more_errors();

	test_expect_error_string("uid=word,ou=people,dc=test: Skipping "
				 "imapLoginReferral='proxy': expected refer or "
				 "offer");
	test_assert_strcmp(lookup_home("word"), "imap://imap2/");
	test_expect_no_more_errors();
	test_expect_error_string("Skipping imapLoginReferral='offer imap:");
	test_assert_strcmp(lookup_home("words"), "offer imap://imap2/");
	test_expect_no_more_errors();

	result = lookup_home("twice");
	test_assert(strncmp(result, "error: ", 7) == 0 &&
		    strstr(result, "uid=twice,ou=a,dc=test") != NULL &&
		    strstr(result, "uid=twice,ou=b,dc=test") != NULL);
	test_assert(strncmp(lookup_home("twice"), "error: ", 7) == 0);
	test_assert(test_home_searches == 7);
	test_directory_end();
}

static void test_referral_directory_home_ttl(void)
{
	unsigned int i;

	test_directory_begin("referral directory: TTL of homes", "20s",
			     "100ms", "1h");
	for (i = 0; i < 2; i++) {
		test_assert_strcmp_idx(lookup_home("bob"),
			"imap://imap2.example.org:10143/", i);
		test_assert_strcmp_idx(lookup_home("nobody"), "none", i);
		test_assert_idx(test_home_searches == (i + 1) * 2, i);
		unit_run_msecs(200);
	}
	test_directory_end();

	test_directory_begin("referral directory: no caching of homes", "20s",
			     "0s", "1h");
	for (i = 0; i < 3; i++) {
		test_assert_strcmp_idx(lookup_home("bob"),
			"imap://imap2.example.org:10143/", i);
		test_assert_idx(test_home_searches == i + 1, i);
	}
	test_directory_end();
}

static void test_referral_directory_home_down(void)
{
	const char *result;

	test_directory_begin("referral directory: home, directory down",
			     "20s", "1h", "1h");
	test_assert_strcmp(lookup_home("bob"),
			   "imap://imap2.example.org:10143/");
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	fake_ldap_stop(test_server);
	unit_run_msecs(50);
	/* cached answers are still there, all others are failures */
	test_assert_strcmp(lookup_home("bob"),
			   "imap://imap2.example.org:10143/");
	result = lookup_home("nobody");
	test_assert(strncmp(result, "error: ", 7) == 0 &&
		    strstr(result, test_server->uri) != NULL);
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");

	fake_ldap_start(test_server);
	unit_run_msecs(200);
	test_assert_strcmp(lookup_home("nobody"), "none");
	test_directory_end();
}

/*
 * Mailboxes
 */

static void test_referral_directory_mailbox(void)
{
	static const struct {
		const char *name, *result;
	} tests[] = {
		{ "Shared/sales", "imap://imap2/Shared/sales" },
		{ "Shared/sales/2026", "imap://imap2/Shared/sales/2026" },
		{ "Shared/broken", "error: " },
		{ "Shared/broken/x", "error: " },
		{ "Shared", "none" },
		{ "Shared/other", "none" },
		{ "INBOX", "none" },
		{ "*", "none" },
		{ "Shared/*", "none" },
	};
	const char *result;
	unsigned int i;

	test_directory_begin("referral directory: mailbox", "20s", "1h",
			     "1h");
	test_mailbox_count = 2;
	test_expect_error_string("cn=broken,dc=test: Skipping labeledURI=");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		result = lookup_mailbox(tests[i].name);
		if (strcmp(tests[i].result, "error: ") == 0)
			test_assert_idx(strncmp(result, "error: ", 7) == 0, i);
		else
			test_assert_strcmp_idx(result, tests[i].result, i);
	}
	test_expect_no_more_errors();
	/* no lookup is a search */
	test_assert(test_server->search_count == 1);
	test_directory_end();
}

static void test_referral_directory_shares(void)
{
	static const struct {
		const char *server, *result;
	} tests[] = {
		{ "imap2:143", "imap://imap2:143/" },
		{ "imap2:993", "none" },
		{ "imap9:143", "none" },
		{ "h_1:143", "none" },
	};
	unsigned int i;

	test_directory_begin("referral directory: shares", "20s", "1h", "1h");
	test_mailbox_count = 2;
	test_expect_error_string("cn=broken,dc=test: Skipping labeledURI=");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(lookup(REFERRAL_KEY_TYPE_SHARES,
					      tests[i].server),
				       tests[i].result, i);
	}
	test_expect_no_more_errors();
	test_assert(test_server->search_count == 1);
	test_directory_end();
}

/* Whoever comes before the first load waits for it. */
static void test_referral_directory_mailbox_wait(void)
{
	struct test_lookup lookups[3];
	unsigned int i;

	test_directory_begin("referral directory: mailbox, before the first "
			     "load", "20s", "1h", "1h");
	test_hold_loads = TRUE;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_lookup_start(&lookups[i], REFERRAL_KEY_TYPE_MAILBOX,
				  i == 1 ? "Shared/other" : "Shared/sales");
	}
	unit_wait(test_loads == 1);
	/* homes do not wait for it */
	test_assert_strcmp(lookup_home("port"), "imap://imap2/");
	load_answer(test_last_load);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1);
		test_assert_idx(lookups[i].ret == (i == 1 ? 0 : 1), i);
		test_lookup_free(&lookups[i]);
	}
	test_assert(test_loads == 1);
	test_directory_end();
}

/* It takes longer than a lookup may: the lookup fails in time, and the load
   goes on. The server is slow, but not silent. */
static void test_referral_directory_mailbox_wait_timeout(void)
{
	struct test_lookup first, lookup;
	struct timeval start;

	test_directory_begin("referral directory: mailbox, slow load", "1s",
			     "0s", "1h");
	test_hold_loads = TRUE;
	start = ioloop_timeval;
	test_lookup_start(&lookup, REFERRAL_KEY_TYPE_MAILBOX, "Shared/sales");
	unit_wait(test_loads == 1);
	/* page after page */
	while (lookup.callback_count == 0 &&
	       unit_msecs_since(&start) < UNIT_DEADLINE_MSECS) {
		unit_run_msecs(100);
		if (lookup.callback_count == 0) {
			unsigned int loads = test_loads;

			fake_ldap_send_page(test_last_load, "more");
			unit_wait(test_loads == loads + 1);
		}
	}
	test_assert(lookup.callback_count == 1 && lookup.ret == -1);
	test_assert(unit_msecs_since(&start) >= 900);
	test_assert(unit_msecs_since(&start) < 10000);
	test_lookup_free(&lookup);

	test_lookup_start(&first, REFERRAL_KEY_TYPE_MAILBOX, "Shared/sales");
	load_answer(test_last_load);
	unit_wait(first.callback_count == 1);
	test_assert(first.ret == 1);
	test_lookup_free(&first);
	test_directory_end();
}

static void test_referral_directory_mailbox_refresh(void)
{
	struct timeval start;

	test_directory_begin("referral directory: mailboxes are loaded again",
			     "20s", "1h", "1s");
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_mailboxes = test_mailboxes_2;
	test_hold_loads = TRUE;
	start = ioloop_timeval;
	unit_wait(test_loads == 2);
	test_assert(unit_msecs_since(&start) >= 800);
	/* the old ones until the new ones are all there */
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	fake_ldap_send_entry(test_last_load, &test_mailboxes_2[0]);
	unit_run_msecs(10);
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_mailbox_count = 0;
	load_answer(test_last_load);
	unit_run_msecs(10);
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap3/Shared/sales");

	/* what is not listed any more is not remote any more */
	test_hold_loads = FALSE;
	unit_wait(test_loads == 3);
	unit_run_msecs(10);
	test_assert_strcmp(lookup_mailbox("Shared/sales"), "none");
	test_directory_end();
}

static void test_referral_directory_mailbox_load_fails(void)
{
	struct test_lookup lookups[3];
	unsigned int i, loads;

	test_directory_begin("referral directory: mailboxes cannot be loaded",
			     "20s", "1h", "1h");
	test_load_result = LDAP_INSUFFICIENT_ACCESS;
	test_mailbox_count = 0;
	test_hold_loads = TRUE;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_lookup_start(&lookups[i], REFERRAL_KEY_TYPE_MAILBOX,
				  "Shared/sales");
	}
	unit_wait(test_loads == 1);
	test_expect_error_string("referral-ldap: Loading the mailboxes failed"
				 ": ");
	load_answer(test_last_load);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1);
		test_assert_idx(lookups[i].ret == -1, i);
		test_assert_idx(strstr(lookups[i].error,
				       "Insufficient access") != NULL, i);
		test_lookup_free(&lookups[i]);
	}
	test_expect_no_more_errors();

	/* a lookup tries again, which is not logged again */
	test_hold_loads = FALSE;
	loads = test_loads;
	test_assert(strncmp(lookup_mailbox("Shared/sales"), "error: ",
			    7) == 0);
	test_assert(test_loads == loads + 1);

	test_load_result = LDAP_SUCCESS;
	test_mailbox_count = 1;
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_directory_end();
}

/* It worked, and does not any more: whatever is answered then, it is not that
   the mailbox is local. */
static void test_referral_directory_mailbox_refresh_fails(void)
{
	test_directory_begin("referral directory: mailboxes cannot be loaded "
			     "again", "20s", "1h", "1s");
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_load_result = LDAP_UNAVAILABLE;
	test_expect_error_string("Loading the mailboxes failed: ");
	unit_wait(test_loads == 2);
	unit_run_msecs(10);
	test_expect_no_more_errors();
	/* what is known is given while nobody can be asked, and it is asked
	   again and again */
	test_expect_error_string("giving stale answers");
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_expect_no_more_errors();
	test_assert_strcmp(lookup_mailbox("Shared/local"), "none");
	unit_wait(test_loads >= 4);
	/* but not when it was asked and says no */
	test_load_result = LDAP_INSUFFICIENT_ACCESS;
	unit_wait(strncmp(lookup_mailbox("Shared/sales"), "error: ", 7) == 0);
	test_load_result = LDAP_UNAVAILABLE;
	test_assert(strncmp(lookup_mailbox("Shared/sales"), "error: ",
			    7) == 0);
	test_load_result = LDAP_SUCCESS;
	unit_wait(strcmp(lookup_mailbox("Shared/sales"),
			 "imap://imap2/Shared/sales") == 0);
	test_directory_end();
}

/*
 * Servers
 */

static const char *lookup_server(const char *server)
{
	return lookup(REFERRAL_KEY_TYPE_SERVER, server);
}

static void test_referral_directory_server(void)
{
	static const struct {
		const char *server, *result;
	} tests[] = {
		{ "imap2:143", "drain imap://imap1/ imap://imap3:10143/" },
		{ "imap2:993", "drain imap://imap1/ imap://imap3:10143/" },
		{ "imap1:143", "none" },
		{ "imap9:143", "none" },
	};
	unsigned int i;

	test_directory_begin("referral directory: server", "20s", "1h", "1h");
	/* not before somebody asks */
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_assert(test_server_loads == 0);
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_assert_strcmp_idx(lookup_server(tests[i].server),
				       tests[i].result, i);
	}
	test_assert(test_server_loads == 1);
	test_assert(test_loads == 1);
	/* OpenLDAP has one cookie for each connection */
	test_assert(test_server->conn_count == 2);
	test_directory_end();
}

/* A value that nobody knows is no reason to take it for one that is. */
static void test_referral_directory_server_unknown(void)
{
	test_directory_begin("referral directory: server, unknown state",
			     "20s", "1h", "1h");
	test_server_state = "off";
	test_expect_error_string("cn=imap2,dc=test: Skipping "
				 "imapServerState='off': ");
	test_assert(strncmp(lookup_server("imap2:143"), "error: ", 7) == 0);
	test_assert_strcmp(lookup_server("imap1:143"), "none");
	test_expect_no_more_errors();
	test_directory_end();
}

static void test_referral_directory_server_refresh(void)
{
	test_directory_begin("referral directory: servers are loaded again",
			     "20s", "1h", "1s");
	test_assert_strcmp(lookup_server("imap2:143"),
			   "drain imap://imap1/ imap://imap3:10143/");
	test_server_state = "active";
	unit_wait(test_server_loads == 2);
	unit_run_msecs(10);
	test_assert_strcmp(lookup_server("imap2:143"), "none");
	test_server_state = "down";
	unit_wait(test_server_loads == 3);
	unit_run_msecs(10);
	test_assert_strcmp(lookup_server("imap2:143"),
			   "down imap://imap1/ imap://imap3:10143/");
	test_directory_end();
}

/* Whoever comes before the first load waits for it, but not for ever. */
static void test_referral_directory_server_wait(void)
{
	struct test_lookup lookup;
	const char *result;

	test_directory_begin("referral directory: server, before the first "
			     "load", "1s", "1h", "1h");
	test_hold_server_loads = TRUE;
	test_lookup_start(&lookup, REFERRAL_KEY_TYPE_SERVER, "imap2:143");
	unit_wait(test_server_loads == 1);
	test_assert(lookup.callback_count == 0);
	/* others do not wait for it */
	test_assert_strcmp(lookup_home("port"), "imap://imap2/");
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_assert(lookup.callback_count == 0);
	test_expect_error_string("Loading the servers failed: ");
	unit_wait(lookup.callback_count == 1);
	test_assert(lookup.ret == -1);
	test_lookup_free(&lookup);
	unit_run_msecs(100);
	test_expect_no_more_errors();

	test_hold_server_loads = FALSE;
	result = lookup_server("imap2:143");
	test_assert_strcmp(result, "drain imap://imap1/ imap://imap3:10143/");
	test_directory_end();
}

/* One of the maps fails, and the other does not notice. */
static void test_referral_directory_server_load_fails(void)
{
	test_directory_begin("referral directory: servers cannot be loaded",
			     "20s", "1h", "1h");
	test_server_load_result = LDAP_NO_SUCH_OBJECT;
	test_expect_error_string("referral-ldap: Loading the servers failed"
				 ": ");
	test_assert(strncmp(lookup_server("imap9:143"), "error: ", 7) == 0);
	test_expect_no_more_errors();
	/* once */
	test_assert(strncmp(lookup_server("imap9:143"), "error: ", 7) == 0);
	test_assert(test_server_loads == 2);
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_assert_strcmp(lookup_home("port"), "imap://imap2/");
	test_assert(test_loads == 1);
	test_server_load_result = LDAP_SUCCESS;
	test_assert_strcmp(lookup_server("imap9:143"), "none");
	test_directory_end();

	test_directory_begin("referral directory: servers, mailboxes cannot "
			     "be loaded", "20s", "1h", "1h");
	test_load_result = LDAP_NO_SUCH_OBJECT;
	test_expect_error_string("Loading the mailboxes failed: ");
	test_assert(strncmp(lookup_mailbox("Shared/sales"), "error: ",
			    7) == 0);
	test_assert_strcmp(lookup_server("imap2:143"),
			   "drain imap://imap1/ imap://imap3:10143/");
	test_expect_no_more_errors();
	test_directory_end();
}

/* Callbacks that look up again, when there is nobody to ask: the dict server
   handles a client's next command when one is finished. */
static void test_referral_directory_again(void)
{
	struct test_lookup lookups[3], again[N_ELEMENTS(lookups)];
	unsigned int i;

	test_directory_begin("referral directory: lookup by a callback",
			     "20s", "1h", "1h");
	test_server->ignore_binds = TRUE;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		i_zero(&again[i]);
		test_lookup_start(&lookups[i], REFERRAL_KEY_TYPE_MAILBOX,
				  "Shared/sales");
		lookups[i].again = &again[i];
		lookups[i].again_type = REFERRAL_KEY_TYPE_MAILBOX;
	}
	unit_wait(test_server->bind_count == 1);
	test_expect_error_string("Loading the mailboxes failed: ");
	fake_ldap_stop(test_server);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1 &&
			  again[i].callback_count == 1);
		test_assert_idx(lookups[i].ret == -1, i);
		test_assert_idx(again[i].ret == -1, i);
		test_lookup_free(&lookups[i]);
		test_lookup_free(&again[i]);
	}
	test_expect_no_more_errors();
	test_directory_end();
}

static void test_map_callback(struct referral_map *map,
			      struct referral_reader *reader ATTR_UNUSED,
			      const char *error ATTR_UNUSED,
			      struct referral_map **map_r)
{
	if (map != NULL)
		referral_map_ref(map);
	*map_r = map;
}

static void test_referral_directory_get_map(void)
{
	struct referral_map *map = NULL;
	const char *value;

	test_directory_begin("referral directory: map", "20s", "1h", "1h");
	referral_directory_get_map(test_dir, "", test_map_callback, &map);
	unit_wait(map != NULL);
	referral_directory_deinit(&test_dir);
	/* a reference keeps it */
	test_assert(referral_map_count(map) == 1);
	test_assert(referral_mailbox_map_lookup(map, "Shared/sales",
						&value) == 1);
	referral_map_unref(&map);
	test_directory_end();
}

static void test_referral_directory_deinit(void)
{
	/* What is looked up, and again by the callback. */
	static const struct {
		enum referral_key_type type, again_type;
	} tests[] = {
		{ REFERRAL_KEY_TYPE_HOME, REFERRAL_KEY_TYPE_HOME },
		{ REFERRAL_KEY_TYPE_HOME, REFERRAL_KEY_TYPE_SERVER },
		{ REFERRAL_KEY_TYPE_MAILBOX, REFERRAL_KEY_TYPE_MAILBOX },
		{ REFERRAL_KEY_TYPE_MAILBOX, REFERRAL_KEY_TYPE_SERVER },
		{ REFERRAL_KEY_TYPE_SERVER, REFERRAL_KEY_TYPE_SERVER },
		{ REFERRAL_KEY_TYPE_SERVER, REFERRAL_KEY_TYPE_HOME },
		{ REFERRAL_KEY_TYPE_SERVER, REFERRAL_KEY_TYPE_MAILBOX },
	};
	struct test_lookup lookups[N_ELEMENTS(tests)];
	struct test_lookup again[N_ELEMENTS(tests)];
	struct referral_directory *dir;
	unsigned int i;

	test_directory_begin("referral directory: deinit with lookups in "
			     "flight", "20s", "1h", "1h");
	test_server->ignore_binds = TRUE;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		i_zero(&again[i]);
		test_lookup_start(&lookups[i], tests[i].type, "bob:143");
		lookups[i].again = &again[i];
		lookups[i].again_type = tests[i].again_type;
	}
	/* one of them is for servers */
	unit_wait(test_server->bind_count == 2);
	/* nothing is logged: nobody can act on it */
	dir = test_dir;
	referral_directory_deinit(&dir);
	test_dir = NULL;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_assert_idx(lookups[i].callback_count == 1, i);
		test_assert_idx(lookups[i].ret == -1, i);
		test_assert_idx(again[i].callback_count == 1, i);
		test_assert_idx(again[i].ret == -1, i);
		test_lookup_free(&lookups[i]);
		test_lookup_free(&again[i]);
	}
	test_directory_end();

	test_directory_begin("referral directory: deinit when unused", "20s",
			     "1h", "1h");
	test_directory_end();
}

/* No server is there when it starts. */
static void test_referral_directory_init_down(void)
{
	struct referral_ldap_settings *set;

	test_begin("referral directory: started without a server");
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test directory", 1024);
	test_server = fake_ldap_init("ldap");
	fake_ldap_stop(test_server);
	test_server->handler = test_handler;
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", "20s", NULL);
	test_mailboxes = test_mailboxes_1;
	test_mailbox_count = 1;
	test_load_result = LDAP_SUCCESS;
	test_hold_loads = FALSE;
	test_expect_error_string("Loading the mailboxes failed: ");
	test_dir = referral_directory_init(set, unit_dir(), NULL);
	test_assert(strncmp(lookup_mailbox("Shared/sales"), "error: ",
			    7) == 0);
	test_expect_no_more_errors();
	fake_ldap_start(test_server);
	unit_run_msecs(500);
	test_assert_strcmp(lookup_mailbox("Shared/sales"),
			   "imap://imap2/Shared/sales");
	test_directory_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_directory_home,
		test_referral_directory_home_broken,
		test_referral_directory_home_ttl,
		test_referral_directory_home_down,
		test_referral_directory_mailbox,
		test_referral_directory_shares,
		test_referral_directory_mailbox_wait,
		test_referral_directory_mailbox_wait_timeout,
		test_referral_directory_mailbox_refresh,
		test_referral_directory_mailbox_load_fails,
		test_referral_directory_mailbox_refresh_fails,
		test_referral_directory_server,
		test_referral_directory_server_unknown,
		test_referral_directory_server_refresh,
		test_referral_directory_server_wait,
		test_referral_directory_server_load_fails,
		test_referral_directory_get_map,
		test_referral_directory_init_down,
		test_referral_directory_deinit,
		test_referral_directory_again,
		NULL
	};
	return unit_run(test_functions);
}
