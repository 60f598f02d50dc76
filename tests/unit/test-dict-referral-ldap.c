/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-key.h"
#include "referral-ldap-settings.h"
#include "dict-referral-ldap.h"
#include "unit-ldap.h"

/* Through Dovecot's dict functions, as the dict process calls them. How a dict
   is opened differs between Dovecot's versions: here it is done by hand. */

struct test_lookup {
	unsigned int callback_count;
	int ret;
	char *value, *error;
};

static struct ioloop *test_ioloop;
static struct fake_ldap *test_server;
static struct dict *test_dict;
/* Loads are not answered. */
static bool test_hold_loads;
static struct fake_ldap_request *test_load;

#define END { NULL, NULL, 0 }

static const struct fake_ldap_entry test_mailboxes[] = {
	{ "cn=sales,dc=test", {
		{ "labeledURI", "imap://imap2/Shared/sales", 0 },
		{ "labeledURI", "imap://imap3/Shared/sales 1", 0 }, END } },
	{ "cn=buero,dc=test", {
		{ "labeledURI", "imap://imap3/B%C3%BCro%20%26%20co", 0 },
		END } },
	{ "cn=backslash,dc=test", {
		{ "labeledURI", "imap://imap3/a%5Cb/c", 0 }, END } },
	{ "cn=broken,dc=test", {
		{ "labeledURI", "imap://h_1/Shared/broken", 0 }, END } },
};
static const struct fake_ldap_entry test_server_entry = {
	"cn=imap3,dc=test", {
		{ "cn", "imap3", 0 }, { "imapServerState", "drain", 0 },
		{ "imapHomeServer", "imap2", 0 }, END }
};
static const struct fake_ldap_entry test_home = {
	"uid=bob,dc=test", { { "mailHost", "imap2", 0 }, END }
};

static void load_answer(struct fake_ldap_request *request)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(test_mailboxes); i++)
		fake_ldap_send_entry(request, &test_mailboxes[i]);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	if (strcmp(request->filter, "(objectClass=imapServer)") == 0)
		fake_ldap_send_entry(request, &test_server_entry);
	else if (request->page_size > 0) {
		test_load = request;
		if (!test_hold_loads)
			load_answer(request);
		return;
	}
	if (strcmp(request->filter, "(uid=bob)") == 0)
		fake_ldap_send_entry(request, &test_home);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static struct dict *test_dict_create(struct referral_directory *dir)
{
	static const struct dict driver = {
		.name = "referral-ldap",
		.v = {
			.deinit = dict_referral_ldap_deinit_dict,
			.lookup_async = dict_referral_ldap_lookup_async,
			.iterate_init = dict_referral_ldap_iterate_init,
			.iterate = dict_referral_ldap_iterate,
			.iterate_deinit = dict_referral_ldap_iterate_deinit,
			.transaction_init = dict_referral_ldap_transaction_init,
			.transaction_commit =
				dict_referral_ldap_transaction_commit,
			.transaction_rollback =
				dict_referral_ldap_transaction_rollback,
			.set = dict_referral_ldap_set,
			.unset = dict_referral_ldap_unset,
			.atomic_inc = dict_referral_ldap_atomic_inc,
		}
	};
	struct dict *dict;

	dict = dict_referral_ldap_create(&driver, dir);
	dict->refcount = 1;
	dict->event = event_create(NULL);
	return dict;
}

static struct referral_directory *test_add_directory(const char *key)
{
	pool_t pool = pool_alloconly_create("test settings", 1024);

	/* the pool is the directory's */
	return dict_referral_ldap_add_directory(key, unit_ldap_settings(pool,
		"uris", test_server->uri, "timeout", "20s", NULL),
		pool, unit_dir());
}

static void test_dict_begin(const char *name)
{
	test_begin(name);
	test_ioloop = io_loop_create();
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_hold_loads = FALSE;
	test_load = NULL;
	test_dict = test_dict_create(test_add_directory("config"));
}

static void test_dict_end(void)
{
	if (test_dict != NULL)
		dict_deinit(&test_dict);
	dict_referral_ldap_deinit_directories();
	fake_ldap_deinit(&test_server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test_ioloop);
	test_end();
}

static void
test_lookup_callback(const struct dict_lookup_result *result,
		     struct test_lookup *lookup)
{
	test_assert(lookup->callback_count == 0);
	lookup->callback_count++;
	lookup->ret = result->ret;
	if (result->ret > 0) {
		test_assert_strcmp(result->values[0], result->value);
		test_assert(result->values[1] == NULL);
		lookup->value = i_strdup(result->value);
	} else if (result->ret < 0) {
		/* the dict process panics without one */
		test_assert(result->error != NULL);
		lookup->error = i_strdup(result->error);
	}
}

static void test_lookup_start(struct test_lookup *lookup_r, const char *key)
{
	static const struct dict_op_settings set = { .username = "joe" };

	i_zero(lookup_r);
	dict_lookup_async(test_dict, &set, key, test_lookup_callback,
			  lookup_r);
}

static void test_lookup_free(struct test_lookup *lookup)
{
	i_free(lookup->value);
	i_free(lookup->error);
}

static void test_dict_referral_ldap_directories(void)
{
	struct referral_directory *dir, *dir2;

	test_begin("dict referral-ldap: directories");
	test_ioloop = io_loop_create();
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	test_hold_loads = FALSE;
	test_assert(dict_referral_ldap_find_directory("a") == NULL);
	dir = test_add_directory("a");
	test_assert(dict_referral_ldap_find_directory("a") == dir);
	test_assert(dict_referral_ldap_find_directory("b") == NULL);
	dir2 = test_add_directory("b");
	test_assert(dict_referral_ldap_find_directory("a") == dir);
	test_assert(dict_referral_ldap_find_directory("b") == dir2);
	dict_referral_ldap_deinit_directories();
	test_assert(dict_referral_ldap_find_directory("a") == NULL);
	/* also when there are none */
	dict_referral_ldap_deinit_directories();
	fake_ldap_deinit(&test_server);
	io_loop_destroy(&test_ioloop);
	test_end();
}

static void test_dict_referral_ldap_lookup(void)
{
	static const struct {
		const char *key;
		int ret;
		const char *value;
	} tests[] = {
		{ REFERRAL_KEY_HOME"bob", 1, "imap://imap2/" },
		{ REFERRAL_KEY_HOME"nobody", 0, NULL },
		{ REFERRAL_KEY_MAILBOX"Shared\\|sales", 1,
		  "imap://imap2/Shared/sales imap://imap3/Shared/sales" },
		{ REFERRAL_KEY_MAILBOX"Shared\\|sales\\|x y", 1,
		  "imap://imap2/Shared/sales/x%20y "
		  "imap://imap3/Shared/sales/x%20y" },
		{ REFERRAL_KEY_MAILBOX"a\\\\b\\|c", 1,
		  "imap://imap3/a%5Cb/c" },
		{ REFERRAL_KEY_MAILBOX"Shared\\|broken", -1, NULL },
		{ REFERRAL_KEY_MAILBOX"INBOX", 0, NULL },
		{ REFERRAL_KEY_SHARES"imap3:143", 1, "imap://imap3:143/" },
		{ REFERRAL_KEY_SHARES"IMAP3", 1, "imap://imap3:143/" },
		{ REFERRAL_KEY_SHARES"imap9", 0, NULL },
		{ REFERRAL_KEY_SERVER"imap3:993", 1, "drain imap://imap2/" },
		{ REFERRAL_KEY_SERVER"imap9", 0, NULL },
		/* not of the contract */
		{ REFERRAL_KEY_MAILBOX"Shared/sales", -1, NULL },
		{ REFERRAL_KEY_MAILBOX, -1, NULL },
		{ REFERRAL_KEY_HOME, -1, NULL },
		{ "shared/imap-referral/", -1, NULL },
		{ "shared/other", -1, NULL },
		{ REFERRAL_KEY_HOME"a\xff", -1, NULL },
		{ REFERRAL_KEY_HOME"a\nb", -1, NULL },
	};
	struct test_lookup lookup;
	unsigned int i;

	test_dict_begin("dict referral-ldap: lookup");
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_lookup_start(&lookup, tests[i].key);
		unit_wait(lookup.callback_count == 1);
		test_assert_idx(lookup.ret == tests[i].ret, i);
		test_assert_strcmp_idx(lookup.value, tests[i].value, i);
		test_lookup_free(&lookup);
	}
	test_expect_no_more_errors();
	test_dict_end();
}

/* What is asked of the driver itself. */
static void test_dict_referral_ldap_words(void)
{
	struct test_lookup lookup;

	test_dict_begin("dict referral-ldap: status and flush");
	test_lookup_start(&lookup, REFERRAL_KEY_STATUS);
	/* at once, and without asking anybody */
	test_assert(lookup.callback_count == 1 && lookup.ret == 1);
	test_assert_strcmp(lookup.value, t_strdup_printf("server=%s "
		"state=disconnected requests=0 hits=0 misses=0 stale=0 "
		"failures=0 homes=0 homes_mode=timed searches=0 "
		"mailboxes=- mailboxes_mode=- mailboxes_age=- "
		"servers=- servers_mode=- servers_age=- servers_server=%s "
		"servers_state=disconnected",
		test_server->uri, test_server->uri));
	test_lookup_free(&lookup);
	test_lookup_start(&lookup, REFERRAL_KEY_FLUSH);
	test_assert(lookup.callback_count == 1 && lookup.ret == 1);
	test_assert_strcmp(lookup.value, "homes=0 mailboxes=- servers=-");
	test_lookup_free(&lookup);
	unit_run_msecs(10);
	test_assert(test_server->conn_count == 0);

	test_hold_loads = TRUE;
	test_lookup_start(&lookup, REFERRAL_KEY_HOME"bob");
	unit_wait(lookup.callback_count == 1);
	test_lookup_free(&lookup);
	unit_wait(test_load != NULL);
	/* while it hangs */
	test_lookup_start(&lookup, REFERRAL_KEY_STATUS);
	test_assert(lookup.callback_count == 1);
	test_assert(strstr(lookup.value, " state=connected requests=1 hits=0 "
			   "misses=1 stale=0 failures=0 homes=1 "
			   "homes_mode=timed searches=1 mailboxes=- ") != NULL);
	test_lookup_free(&lookup);

	/* not what is on its way, but all of it once more */
	test_lookup_start(&lookup, REFERRAL_KEY_FLUSH);
	test_assert(lookup.callback_count == 1);
	test_assert_strcmp(lookup.value, "homes=1 mailboxes=reload servers=-");
	test_lookup_free(&lookup);
	test_lookup_start(&lookup, REFERRAL_KEY_MAILBOX"Shared\\|sales");
	test_hold_loads = FALSE;
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	load_answer(test_load);
	unit_wait(lookup.callback_count == 1);
	test_expect_no_more_errors();
	test_assert(lookup.ret == 1);
	test_lookup_free(&lookup);
	test_lookup_start(&lookup, REFERRAL_KEY_STATUS);
	test_assert(strstr(lookup.value, " mailboxes=4 mailboxes_mode=timed "
			   "mailboxes_age=") != NULL);
	test_lookup_free(&lookup);
	test_dict_end();
}

/* The dict process closes dicts that nobody uses: the directory stays, with
   its cache and its connection. */
static void test_dict_referral_ldap_reopen(void)
{
	struct test_lookup lookup;
	unsigned int i, searches = 0;

	test_dict_begin("dict referral-ldap: reopened");
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	for (i = 0; i < 3; i++) {
		test_lookup_start(&lookup, REFERRAL_KEY_HOME"bob");
		unit_wait(lookup.callback_count == 1);
		test_assert_strcmp_idx(lookup.value, "imap://imap2/", i);
		test_lookup_free(&lookup);
		unit_wait(test_load != NULL);
		if (i == 0)
			searches = test_server->search_count;
		dict_deinit(&test_dict);
		test_dict = test_dict_create(
			dict_referral_ldap_find_directory("config"));
	}
	test_assert(test_server->search_count == searches);
	test_assert(test_server->conn_count == 1);
	unit_run_msecs(10);
	test_expect_no_more_errors();
	test_dict_end();
}

static void test_dict_referral_ldap_deinit(void)
{
	struct test_lookup lookups[3];
	unsigned int i;

	test_dict_begin("dict referral-ldap: deinit with lookups in flight");
	test_server->ignore_binds = TRUE;
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_lookup_start(&lookups[i], i == 0 ?
				  REFERRAL_KEY_HOME"bob" :
				  REFERRAL_KEY_MAILBOX"Shared");
	}
	unit_wait(test_server->bind_count == 1);
	dict_deinit(&test_dict);
	dict_referral_ldap_deinit_directories();
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_assert_idx(lookups[i].callback_count == 1, i);
		test_assert_idx(lookups[i].ret == -1, i);
		test_lookup_free(&lookups[i]);
	}
	test_dict_end();
}

/*
 * Iteration
 */

struct test_iter {
	struct dict_iterate_context *ctx;
	unsigned int callback_count;
	bool finished;
	/* "<key>=<value>; .." */
	string_t *rows;
};

static void test_iter_more(struct test_iter *iter)
{
	const char *key, *value = NULL;

	while (dict_iterate(iter->ctx, &key, &value)) {
		if (str_len(iter->rows) > 0)
			str_append(iter->rows, "; ");
		str_printfa(iter->rows, "%s=%s", key,
			    value == NULL ? "" : value);
	}
	iter->finished = !dict_iterate_has_more(iter->ctx);
}

static void test_iter_callback(struct test_iter *iter)
{
	iter->callback_count++;
	test_iter_more(iter);
}

static void
test_iter_start(struct test_iter *iter_r, const char *path,
		enum dict_iterate_flags flags)
{
	static const struct dict_op_settings set = { .username = "joe" };

	i_zero(iter_r);
	iter_r->rows = t_str_new(256);
	iter_r->ctx = dict_iterate_init(test_dict, &set, path,
					flags | DICT_ITERATE_FLAG_ASYNC);
	dict_iterate_set_async_callback(iter_r->ctx, test_iter_callback,
					iter_r);
	test_iter_more(iter_r);
}

#define BUERO_ROW \
	REFERRAL_KEY_MAILBOX"B\xc3\xbcro & co=imap://imap3/B%C3%BCro%20%26%20co"
#define SALES_ROW \
	REFERRAL_KEY_MAILBOX"Shared\\|sales=" \
	"imap://imap2/Shared/sales imap://imap3/Shared/sales"
#define BACKSLASH_ROW \
	REFERRAL_KEY_MAILBOX"a\\\\b\\|c=imap://imap3/a%5Cb/c"
#define ALL_ROWS BUERO_ROW"; "SALES_ROW"; "BACKSLASH_ROW

static void test_dict_referral_ldap_iterate(void)
{
	struct test_iter iter;
	const char *error = "";

	test_dict_begin("dict referral-ldap: iterate");
	/* before the mailboxes are there */
	test_hold_loads = TRUE;
	test_iter_start(&iter, REFERRAL_KEY_MAILBOX, 0);
	test_assert(!iter.finished);
	unit_wait(test_load != NULL);
	test_assert(!iter.finished && iter.callback_count == 0);
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	load_answer(test_load);
	unit_wait(iter.finished);
	test_expect_no_more_errors();
	test_assert(iter.callback_count == 1);
	/* each in its key's form; the broken one cannot be shown */
	test_assert_strcmp(str_c(iter.rows), ALL_ROWS);
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == 0);
	test_assert_strcmp(error, "");

	/* at once */
	test_iter_start(&iter, REFERRAL_KEY_MAILBOX,
			DICT_ITERATE_FLAG_RECURSE);
	test_assert(iter.finished && iter.callback_count == 0);
	test_assert_strcmp(str_c(iter.rows), ALL_ROWS);
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == 0);

	test_iter_start(&iter, REFERRAL_KEY_MAILBOX,
			DICT_ITERATE_FLAG_NO_VALUE);
	test_assert(iter.finished);
	test_assert(strstr(str_c(iter.rows), "imap://") == NULL &&
		    strstr(str_c(iter.rows), "sales=") != NULL);
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == 0);
	test_dict_end();
}

static void test_dict_referral_ldap_iterate_fails(void)
{
	static const char *const paths[] = {
		"shared/", "shared/imap-referral/", REFERRAL_KEY_HOME,
		REFERRAL_KEY_MAILBOX"Shared", "shared/imap-referral/mailbox"
	};
	struct test_iter iter;
	const char *error;
	unsigned int i;

	test_dict_begin("dict referral-ldap: iterate, failures");
	test_hold_loads = TRUE;
	for (i = 0; i < N_ELEMENTS(paths); i++) {
		test_iter_start(&iter, paths[i], 0);
		test_assert_idx(iter.finished, i);
		test_assert_strcmp_idx(str_c(iter.rows), "", i);
		error = NULL;
		test_assert_idx(dict_iterate_deinit(&iter.ctx, &error) == -1,
				i);
		test_assert_idx(error != NULL, i);
	}

	test_iter_start(&iter, REFERRAL_KEY_MAILBOX, 0);
	unit_wait(test_load != NULL);
	test_expect_error_string("Loading the mailboxes failed: ");
	fake_ldap_send_result(test_load, LDAP_INSUFFICIENT_ACCESS, NULL);
	unit_wait(iter.finished);
	test_expect_no_more_errors();
	test_assert_strcmp(str_c(iter.rows), "");
	error = NULL;
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == -1);
	test_assert(error != NULL &&
		    strstr(error, "Insufficient access") != NULL);
	test_dict_end();
}

/* The client is gone before the mailboxes are there. */
static void test_dict_referral_ldap_iterate_abort(void)
{
	struct test_iter iter, iter2;
	const char *error;

	test_dict_begin("dict referral-ldap: iterate, aborted");
	test_hold_loads = TRUE;
	test_iter_start(&iter, REFERRAL_KEY_MAILBOX, 0);
	test_iter_start(&iter2, REFERRAL_KEY_MAILBOX, 0);
	unit_wait(test_load != NULL);
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == 0);
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	load_answer(test_load);
	unit_wait(iter2.finished);
	test_expect_no_more_errors();
	test_assert(iter.callback_count == 0);
	test_assert_strcmp(str_c(iter2.rows), ALL_ROWS);
	test_assert(dict_iterate_deinit(&iter2.ctx, &error) == 0);
	test_dict_end();

	/* and the directory after it */
	test_dict_begin("dict referral-ldap: iterate, aborted by deinit");
	test_hold_loads = TRUE;
	test_iter_start(&iter, REFERRAL_KEY_MAILBOX, 0);
	unit_wait(test_load != NULL);
	test_assert(dict_iterate_deinit(&iter.ctx, &error) == 0);
	dict_deinit(&test_dict);
	dict_referral_ldap_deinit_directories();
	test_assert(iter.callback_count == 0);
	test_dict_end();
}

/* In the middle, while the mailboxes are loaded again: the rest comes from the
   same map. */
static void test_dict_referral_ldap_iterate_keeps_map(void)
{
	static const struct dict_op_settings set = { .username = "joe" };
	struct dict_iterate_context *ctx;
	const char *key, *value, *error;
	unsigned int count = 0;

	test_dict_begin("dict referral-ldap: iterate, the directory goes");
	test_expect_error_string("cn=broken,dc=test: Skipping ");
	ctx = dict_iterate_init(test_dict, &set, REFERRAL_KEY_MAILBOX,
				DICT_ITERATE_FLAG_ASYNC);
	unit_wait(!dict_iterate_has_more(ctx));
	test_expect_no_more_errors();
	test_assert(dict_iterate(ctx, &key, &value));
	dict_referral_ldap_deinit_directories();
	do {
		test_assert(strncmp(key, REFERRAL_KEY_MAILBOX,
				    strlen(REFERRAL_KEY_MAILBOX)) == 0);
		test_assert(strncmp(value, "imap://", 7) == 0);
		count++;
	} while (dict_iterate(ctx, &key, &value));
	test_assert(count == 3);
	test_assert(dict_iterate_deinit(&ctx, &error) == 0);
	test_dict_end();
}

/*
 * Transactions
 */

static void test_commit_callback(const struct dict_commit_result *result,
				 unsigned int *count)
{
	test_assert(result->ret == DICT_COMMIT_RET_FAILED);
	test_assert(result->error != NULL);
	*count += 1;
}

static void test_dict_referral_ldap_transaction(void)
{
	static const struct dict_op_settings set = { .username = "joe" };
	struct dict_transaction_context *trans;
	unsigned int count = 0;
	const char *error = NULL;

	test_dict_begin("dict referral-ldap: writing fails");
	trans = dict_transaction_begin(test_dict, &set);
	dict_set(trans, REFERRAL_KEY_HOME"bob", "imap://evil.example/");
	dict_unset(trans, REFERRAL_KEY_HOME"bob");
	dict_atomic_inc(trans, REFERRAL_KEY_HOME"bob", 1);
	test_assert(dict_transaction_commit(&trans, &error) < 0);
	test_assert(error != NULL);

	trans = dict_transaction_begin(test_dict, &set);
	dict_set(trans, REFERRAL_KEY_HOME"bob", "imap://evil.example/");
	dict_transaction_commit_async(&trans, test_commit_callback, &count);
	unit_wait(count == 1);

	trans = dict_transaction_begin(test_dict, &set);
	dict_set(trans, REFERRAL_KEY_HOME"bob", "imap://evil.example/");
	dict_transaction_rollback(&trans);
	test_dict_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_dict_referral_ldap_directories,
		test_dict_referral_ldap_lookup,
		test_dict_referral_ldap_words,
		test_dict_referral_ldap_reopen,
		test_dict_referral_ldap_deinit,
		test_dict_referral_ldap_iterate,
		test_dict_referral_ldap_iterate_fails,
		test_dict_referral_ldap_iterate_abort,
		test_dict_referral_ldap_iterate_keeps_map,
		test_dict_referral_ldap_transaction,
		NULL
	};
	return unit_run(test_functions);
}
