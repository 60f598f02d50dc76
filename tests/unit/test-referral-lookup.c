/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "dict-private.h"
#include "referral-dict.h"
#include "referral-lookup.h"
#include "unit-common.h"

/* Long enough that nothing else is in the way, and short enough to wait for. */
#define TEST_TIMEOUT_MSECS 150

/*
 * A dict that answers when it is told to
 */

enum fake_dict_mode {
	/* Before dict_lookup_async() returns */
	FAKE_DICT_AT_ONCE,
	/* When the ioloop runs */
	FAKE_DICT_SOON,
	/* By fake_dict_answer_all() */
	FAKE_DICT_LATER,
};

struct fake_dict_lookup {
	struct fake_dict *fake;
	char *key, *username;
	struct timeout *to;
	dict_lookup_callback_t *callback;
	void *context;
};

struct fake_dict {
	struct dict dict;
	ARRAY(struct fake_dict_lookup *) lookups;
};

static enum fake_dict_mode fake_dict_mode;
/* 1: the value is "<user>:<key>" */
static int fake_dict_ret;
static bool fake_dict_open_fails;
/* So many exist, and were opened */
static unsigned int fake_dict_count, fake_dict_open_count;
/* So many callbacks are running */
static unsigned int fake_dict_answering;
static struct fake_dict *fake_dict_last;

static void fake_dict_answer_ret(struct fake_dict_lookup *lookup, int ret)
{
	struct fake_dict *fake = lookup->fake;
	struct fake_dict_lookup *const *lookups;
	struct dict_lookup_result result = { .ret = ret };
	const char *values[] = { NULL, NULL };

	array_foreach(&fake->lookups, lookups) {
		if (*lookups == lookup) {
			array_delete(&fake->lookups, array_foreach_idx(
				&fake->lookups, lookups), 1);
			break;
		}
	}
	timeout_remove(&lookup->to);
	/* What the callback gets is gone when it returns: here by a frame of
	   its own, which is overwritten. */
	T_BEGIN {
		if (result.ret > 0) {
			values[0] = t_strconcat(lookup->username, ":",
						lookup->key, NULL);
			result.value = values[0];
			result.values = values;
		} else if (result.ret < 0)
			result.error = t_strconcat("fake failure", NULL);
		fake_dict_answering++;
		lookup->callback(&result, lookup->context);
		fake_dict_answering--;
	} T_END;
	T_BEGIN {
		memset(t_malloc_no0(256), 'x', 256);
	} T_END;
	i_free(lookup->key);
	i_free(lookup->username);
	i_free(lookup);
}

static void fake_dict_answer(struct fake_dict_lookup *lookup)
{
	fake_dict_answer_ret(lookup, fake_dict_ret);
}

static void fake_dict_answer_all(struct fake_dict *fake)
{
	/* Answering may release it */
	unsigned int count = array_count(&fake->lookups);

	while (count-- > 0)
		fake_dict_answer(array_idx_elem(&fake->lookups, 0));
}

static void
fake_dict_lookup_async(struct dict *dict, const struct dict_op_settings *set,
		       const char *key, dict_lookup_callback_t *callback,
		       void *context)
{
	struct fake_dict *fake = container_of(dict, struct fake_dict, dict);
	struct fake_dict_lookup *lookup;

	/* Dovecot's dict client does not survive that when there are many */
	test_assert(fake_dict_answering == 0);
	lookup = i_new(struct fake_dict_lookup, 1);
	lookup->fake = fake;
	lookup->key = i_strdup(key);
	lookup->username = i_strdup(set->username);
	lookup->callback = callback;
	lookup->context = context;
	array_push_back(&fake->lookups, &lookup);
	switch (fake_dict_mode) {
	case FAKE_DICT_AT_ONCE:
		fake_dict_answer(lookup);
		break;
	case FAKE_DICT_SOON:
		lookup->to = timeout_add_short(1, fake_dict_answer, lookup);
		break;
	case FAKE_DICT_LATER:
		break;
	}
}

static bool fake_dict_switch_ioloop(struct dict *dict)
{
	struct fake_dict *fake = container_of(dict, struct fake_dict, dict);
	struct fake_dict_lookup *lookup;

	array_foreach_elem(&fake->lookups, lookup) {
		if (lookup->to != NULL)
			lookup->to = io_loop_move_timeout(&lookup->to);
	}
	return array_count(&fake->lookups) > 0;
}

static void fake_dict_deinit(struct dict *dict)
{
	struct fake_dict *fake = container_of(dict, struct fake_dict, dict);

	/* as Dovecot's dict client does, if it gets here in spite of their
	   references */
	while (array_count(&fake->lookups) > 0)
		fake_dict_answer_ret(array_idx_elem(&fake->lookups, 0), -1);
	array_free(&fake->lookups);
	i_free(fake);
	fake_dict_count--;
}

/* In place of compat-*: a dict without driver and configuration. */
int referral_dict_open(const char *base_dir, struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
{
	static const struct dict_vfuncs vfuncs = {
		.deinit = fake_dict_deinit,
		.lookup_async = fake_dict_lookup_async,
		.switch_ioloop = fake_dict_switch_ioloop,
	};
	struct fake_dict *fake;

	test_assert_strcmp(base_dir, "/base/dir");
	if (fake_dict_open_fails) {
		*error_r = "fake dict cannot be opened";
		return -1;
	}
	fake = i_new(struct fake_dict, 1);
	fake->dict.name = "fake";
	fake->dict.v = vfuncs;
	fake->dict.refcount = 1;
	fake->dict.event = event_create(event_parent);
	i_array_init(&fake->lookups, 4);
	fake_dict_count++;
	fake_dict_open_count++;
	fake_dict_last = fake;
	*dict_r = &fake->dict;
	return 0;
}

/*
 * Tests
 */

struct test_lookup {
	unsigned int callback_count;
	int ret;
	char *value, *error;
};

static struct ioloop *test_ioloop;

static struct referral_client *
test_lookup_begin(const char *name, enum fake_dict_mode mode, int ret)
{
	test_begin(name);
	test_ioloop = io_loop_create();
	fake_dict_mode = mode;
	fake_dict_ret = ret;
	fake_dict_open_fails = FALSE;
	fake_dict_open_count = 0;
	fake_dict_last = NULL;
	return referral_client_init("/base/dir", TEST_TIMEOUT_MSECS, NULL);
}

static void test_lookup_end(struct referral_client **client)
{
	if (*client != NULL)
		referral_client_deinit(client);
	test_assert(*client == NULL);
	test_assert(fake_dict_count == 0);
	/* logs leaks of timeouts, which are errors */
	io_loop_destroy(&test_ioloop);
	test_end();
}

static void
test_lookup_callback(const struct referral_lookup_result *result,
		     struct test_lookup *lookup)
{
	test_assert(lookup->callback_count == 0);
	/* what must not be set for this ret is not */
	test_assert((result->ret > 0) == (result->value != NULL));
	test_assert((result->ret < 0) == (result->error != NULL));
	lookup->callback_count++;
	lookup->ret = result->ret;
	lookup->value = i_strdup(result->value);
	lookup->error = i_strdup(result->error);
}

static void test_lookup_free(struct test_lookup *lookup)
{
	i_free(lookup->value);
	i_free(lookup->error);
	i_zero(lookup);
}

static void test_referral_lookup_async(void)
{
	static const enum fake_dict_mode modes[] = {
		FAKE_DICT_AT_ONCE, FAKE_DICT_SOON
	};
	struct referral_client *client;
	struct test_lookup lookup;
	unsigned int i;
	int ret;

	for (i = 0; i < N_ELEMENTS(modes); i++) {
		client = test_lookup_begin(t_strdup_printf(
			"referral lookup: asynchronous, answered %s",
			modes[i] == FAKE_DICT_AT_ONCE ? "at once" : "soon"),
			modes[i], 1);
		for (ret = -1; ret <= 1; ret++) {
			i_zero(&lookup);
			fake_dict_ret = ret;
			referral_client_lookup_async(client, "joe",
				"shared/key", test_lookup_callback, &lookup);
			unit_wait(lookup.callback_count == 1);
			test_assert_idx(lookup.ret == ret, i);
			test_assert_strcmp_idx(lookup.value, ret <= 0 ? NULL :
					       "joe:shared/key", i);
			test_assert_strcmp_idx(lookup.error, ret >= 0 ? NULL :
					       "fake failure", i);
			test_lookup_free(&lookup);
		}
		/* it is opened once */
		test_assert(fake_dict_open_count == 1);
		test_lookup_end(&client);
	}
}

static void test_referral_lookup_async_many(void)
{
	struct referral_client *client;
	struct test_lookup lookups[5];
	unsigned int i;

	client = test_lookup_begin("referral lookup: several at a time",
				   FAKE_DICT_SOON, 1);
	i_zero(&lookups);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		referral_client_lookup_async(client, "joe",
			t_strdup_printf("shared/%u", i),
			test_lookup_callback, &lookups[i]);
	}
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		unit_wait(lookups[i].callback_count == 1);
		test_assert_strcmp_idx(lookups[i].value, t_strdup_printf(
			"joe:shared/%u", i), i);
		test_lookup_free(&lookups[i]);
	}
	test_lookup_end(&client);
}

static void test_referral_lookup_open_fails(void)
{
	struct referral_client *client;
	struct referral_lookup_result result;
	struct test_lookup lookup;

	client = test_lookup_begin("referral lookup: no dict",
				   FAKE_DICT_AT_ONCE, 1);
	fake_dict_open_fails = TRUE;
	i_zero(&lookup);
	referral_client_lookup_async(client, "joe", "shared/key",
				     test_lookup_callback, &lookup);
	test_assert(lookup.callback_count == 1);
	test_assert(lookup.ret == -1);
	test_assert_strcmp(lookup.error, "fake dict cannot be opened");
	test_lookup_free(&lookup);

	referral_client_lookup(client, "joe", "shared/key", &result);
	test_assert(result.ret == -1);
	test_assert_strcmp(result.error, "fake dict cannot be opened");
	test_assert(current_ioloop == test_ioloop);

	/* the next one tries again */
	fake_dict_open_fails = FALSE;
	referral_client_lookup(client, "joe", "shared/key", &result);
	test_assert(result.ret == 1);
	test_lookup_end(&client);
}

static void test_referral_lookup_async_timeout(void)
{
	struct referral_client *client;
	struct test_lookup lookup, lookup2;
	struct timeval start;

	client = test_lookup_begin("referral lookup: timeout, late answer",
				   FAKE_DICT_LATER, 1);
	i_zero(&lookup);
	start = ioloop_timeval;
	referral_client_lookup_async(client, "joe", "shared/key",
				     test_lookup_callback, &lookup);
	unit_wait(lookup.callback_count == 1);
	test_assert(unit_msecs_since(&start) >= TEST_TIMEOUT_MSECS - 50);
	test_assert(lookup.ret == -1);
	test_assert(strstr(lookup.error, "150 ms") != NULL);
	test_lookup_free(&lookup);

	/* it answers all the same: nobody is called back again, but who asked
	   meanwhile is */
	i_zero(&lookup2);
	referral_client_lookup_async(client, "joe", "shared/key2",
				     test_lookup_callback, &lookup2);
	fake_dict_answer_all(fake_dict_last);
	test_assert(lookup.callback_count == 0);
	test_assert(lookup2.callback_count == 1);
	test_assert_strcmp(lookup2.value, "joe:shared/key2");
	test_lookup_free(&lookup2);
	test_lookup_end(&client);
}

static void test_referral_lookup_deinit(void)
{
	struct referral_client *client;
	struct fake_dict *fake;
	struct test_lookup lookups[3];
	unsigned int i;

	client = test_lookup_begin("referral lookup: deinit with lookups in "
				   "flight", FAKE_DICT_LATER, 1);
	i_zero(&lookups);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		referral_client_lookup_async(client, "joe", "shared/key",
			test_lookup_callback, &lookups[i]);
	}
	fake = fake_dict_last;
	referral_client_deinit(&client);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_assert_idx(lookups[i].callback_count == 1, i);
		test_assert_idx(lookups[i].ret == -1, i);
	}
	/* if there still is a dict, it goes with its last answer, which nobody
	   gets */
	if (fake_dict_count > 0)
		fake_dict_answer_all(fake);
	for (i = 0; i < N_ELEMENTS(lookups); i++) {
		test_assert_idx(lookups[i].callback_count == 1, i);
		test_lookup_free(&lookups[i]);
	}
	test_lookup_end(&client);
}

struct test_again {
	struct referral_client *client;
	struct test_lookup lookup;
	unsigned int left;
};

static void
test_again_callback(const struct referral_lookup_result *result,
		    struct test_again *again)
{
	if (again->left == 0) {
		test_lookup_callback(result, &again->lookup);
		return;
	}
	again->left--;
	referral_client_lookup_async(again->client, "joe",
		t_strdup_printf("shared/%u", again->left),
		test_again_callback, again);
}

static void test_referral_lookup_again(void)
{
	static const enum fake_dict_mode modes[] = {
		FAKE_DICT_AT_ONCE, FAKE_DICT_SOON
	};
	struct test_again again;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(modes); i++) {
		i_zero(&again);
		again.client = test_lookup_begin(
			"referral lookup: by a lookup's callback", modes[i],
			1);
		again.left = 3;
		referral_client_lookup_async(again.client, "joe", "shared/3",
					     test_again_callback, &again);
		unit_wait(again.lookup.callback_count == 1);
		test_assert_strcmp(again.lookup.value, "joe:shared/0");
		test_lookup_free(&again.lookup);
		test_lookup_end(&again.client);
	}
}

static void test_referral_lookup_again_deinit(void)
{
	struct test_again again;
	struct fake_dict *fake;

	i_zero(&again);
	again.client = test_lookup_begin("referral lookup: by a lookup's "
					 "callback, and deinit",
					 FAKE_DICT_LATER, 1);
	again.left = 1;
	referral_client_lookup_async(again.client, "joe", "shared/1",
				     test_again_callback, &again);
	fake = fake_dict_last;
	fake_dict_answer_all(fake);
	test_assert(again.left == 0);
	test_assert(again.lookup.callback_count == 0);
	referral_client_deinit(&again.client);
	test_assert(again.lookup.callback_count == 1);
	test_assert(again.lookup.ret == -1);
	test_lookup_free(&again.lookup);
	test_lookup_end(&again.client);
}

static void test_referral_lookup_sync(void)
{
	static const enum fake_dict_mode modes[] = {
		FAKE_DICT_AT_ONCE, FAKE_DICT_SOON
	};
	struct referral_client *client;
	struct referral_lookup_result result;
	unsigned int i;
	int ret;

	for (i = 0; i < N_ELEMENTS(modes); i++) {
		client = test_lookup_begin(t_strdup_printf(
			"referral lookup: synchronous, answered %s",
			modes[i] == FAKE_DICT_AT_ONCE ? "at once" : "soon"),
			modes[i], 1);
		for (ret = -1; ret <= 1; ret++) {
			fake_dict_ret = ret;
			referral_client_lookup(client, "joe", "shared/key",
					       &result);
			test_assert_idx(result.ret == ret, i);
			test_assert_strcmp_idx(result.value, ret <= 0 ? NULL :
					       "joe:shared/key", i);
			test_assert_strcmp_idx(result.error, ret >= 0 ? NULL :
					       "fake failure", i);
			test_assert_idx(current_ioloop == test_ioloop, i);
		}
		test_lookup_end(&client);
	}
}

static void test_referral_lookup_sync_timeout(void)
{
	struct referral_client *client;
	struct referral_lookup_result result;
	struct timeval start;

	client = test_lookup_begin("referral lookup: synchronous, timeout",
				   FAKE_DICT_LATER, 1);
	start = ioloop_timeval;
	referral_client_lookup(client, "joe", "shared/key", &result);
	test_assert(unit_msecs_since(&start) >= TEST_TIMEOUT_MSECS - 50);
	test_assert(result.ret == -1);
	test_assert(strstr(result.error, "150 ms") != NULL);
	test_assert(current_ioloop == test_ioloop);

	/* a late answer, and then one in time */
	fake_dict_answer_all(fake_dict_last);
	fake_dict_mode = FAKE_DICT_SOON;
	referral_client_lookup(client, "joe", "shared/key2", &result);
	test_assert(result.ret == 1);
	test_assert_strcmp(result.value, "joe:shared/key2");
	test_lookup_end(&client);
}

struct test_outer {
	struct referral_client *client;
	struct referral_lookup_result result;
	struct timeout *to, *to_other;
	bool done, other_called;
};

static void test_outer_other(struct test_outer *outer)
{
	timeout_remove(&outer->to_other);
	outer->other_called = TRUE;
}

static void test_outer_lookup(struct test_outer *outer)
{
	timeout_remove(&outer->to);
	outer->to_other = timeout_add_short(0, test_outer_other, outer);
	referral_client_lookup(outer->client, "joe", "shared/key",
			       &outer->result);
	test_assert(outer->result.ret == 1);
	test_assert_strcmp(outer->result.value, "joe:shared/key");
	/* the other one waits for its own ioloop */
	test_assert(!outer->other_called);
	test_assert(current_ioloop == test_ioloop);
	outer->done = TRUE;
}

/* As in an imap process: a command's handler looks something up. */
static void test_referral_lookup_sync_in_ioloop(void)
{
	struct test_outer outer;

	i_zero(&outer);
	outer.client = test_lookup_begin(
		"referral lookup: synchronous, in a running ioloop",
		FAKE_DICT_SOON, 1);
	outer.to = timeout_add_short(0, test_outer_lookup, &outer);
	unit_wait(outer.done && outer.other_called);
	test_lookup_end(&outer.client);
}

/* A synchronous lookup while others wait: all get their own answers, and the
   others' timeouts are still there afterwards. */
static void test_referral_lookup_sync_and_async(void)
{
	struct referral_client *client;
	struct referral_lookup_result result;
	struct test_lookup lookup, lookup2;

	client = test_lookup_begin("referral lookup: synchronous with others "
				   "in flight", FAKE_DICT_LATER, 1);
	i_zero(&lookup);
	referral_client_lookup_async(client, "jane", "shared/later",
				     test_lookup_callback, &lookup);
	fake_dict_mode = FAKE_DICT_SOON;
	i_zero(&lookup2);
	referral_client_lookup_async(client, "jane", "shared/soon",
				     test_lookup_callback, &lookup2);
	referral_client_lookup(client, "joe", "shared/key", &result);
	test_assert(result.ret == 1);
	test_assert_strcmp(result.value, "joe:shared/key");

	unit_wait(lookup2.callback_count == 1);
	test_assert_strcmp(lookup2.value, "jane:shared/soon");
	test_lookup_free(&lookup2);
	unit_wait(lookup.callback_count == 1);
	test_assert(lookup.ret == -1);
	test_lookup_free(&lookup);
	fake_dict_answer_all(fake_dict_last);
	test_lookup_end(&client);
}

static void test_referral_lookup_unused(void)
{
	struct referral_client *client;

	client = test_lookup_begin("referral lookup: client without lookups",
				   FAKE_DICT_AT_ONCE, 1);
	referral_client_deinit(&client);
	test_assert(fake_dict_open_count == 0);
	test_lookup_end(&client);
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_lookup_async,
		test_referral_lookup_async_many,
		test_referral_lookup_open_fails,
		test_referral_lookup_async_timeout,
		test_referral_lookup_deinit,
		test_referral_lookup_again,
		test_referral_lookup_again_deinit,
		test_referral_lookup_sync,
		test_referral_lookup_sync_timeout,
		test_referral_lookup_sync_in_ioloop,
		test_referral_lookup_sync_and_async,
		test_referral_lookup_unused,
		NULL
	};
	return unit_run(test_functions);
}
