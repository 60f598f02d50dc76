/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "dict-private.h"
#include "referral-dict.h"
#include "referral-lookup.h"
#include "unit-common.h"

#define TEST_TIMEOUT_MSECS 150

/*
 * A dict that has rows
 */

struct fake_iter {
	struct dict_iterate_context ctx;
	unsigned int row;
	/* Rows before this one are there. */
	unsigned int ready;
	struct timeout *to;
	char key[32];
	const char *values[2];
};

/* So many rows exist; the first of them are there at once; then they come in
   portions of this size, or never if it is 0. */
static unsigned int fake_rows, fake_at_once, fake_portion;
static bool fake_fails;
static unsigned int fake_iter_count;
static char *fake_username;

static void fake_iter_more(struct fake_iter *iter)
{
	timeout_remove(&iter->to);
	iter->ready = I_MIN(iter->ready + fake_portion, fake_rows);
	iter->ctx.async_callback(iter->ctx.async_context);
}

static struct dict_iterate_context *
fake_iterate_init(struct dict *dict, const struct dict_op_settings *set,
		  const char *path, enum dict_iterate_flags flags)
{
	struct fake_iter *iter;

	test_assert_strcmp(path, "shared/path/");
	test_assert((flags & DICT_ITERATE_FLAG_ASYNC) != 0);
	i_free(fake_username);
	fake_username = i_strdup(set->username);
	iter = i_new(struct fake_iter, 1);
	iter->ctx.dict = dict;
	iter->ready = fake_at_once;
	iter->ctx.has_more = TRUE;
	fake_iter_count++;
	return &iter->ctx;
}

static bool
fake_iterate(struct dict_iterate_context *ctx, const char **key_r,
	     const char *const **values_r)
{
	struct fake_iter *iter = container_of(ctx, struct fake_iter, ctx);

	if (iter->row == iter->ready) {
		ctx->has_more = iter->row < fake_rows;
		if (ctx->has_more && fake_portion > 0 && iter->to == NULL)
			iter->to = timeout_add_short(1, fake_iter_more, iter);
		return FALSE;
	}
	i_snprintf(iter->key, sizeof(iter->key), "key%u", iter->row++);
	iter->values[0] = "value";
	*key_r = iter->key;
	*values_r = iter->values;
	return TRUE;
}

static int
fake_iterate_deinit(struct dict_iterate_context *ctx, const char **error_r)
{
	struct fake_iter *iter = container_of(ctx, struct fake_iter, ctx);

	timeout_remove(&iter->to);
	i_free(iter);
	fake_iter_count--;
	if (fake_fails) {
		*error_r = "fake failure";
		return -1;
	}
	return 0;
}

static void fake_dict_deinit(struct dict *dict)
{
	i_free(dict);
}

static bool fake_switch_ioloop(struct dict *dict ATTR_UNUSED)
{
	return FALSE;
}

/* In place of compat-* */
int referral_dict_open(const char *base_dir ATTR_UNUSED,
		       struct event *event_parent,
		       struct dict **dict_r, const char **error_r ATTR_UNUSED)
{
	static const struct dict_vfuncs vfuncs = {
		.deinit = fake_dict_deinit,
		.switch_ioloop = fake_switch_ioloop,
		.iterate_init = fake_iterate_init,
		.iterate = fake_iterate,
		.iterate_deinit = fake_iterate_deinit,
	};
	struct dict *dict;

	dict = i_new(struct dict, 1);
	dict->name = "fake";
	dict->v = vfuncs;
	dict->refcount = 1;
	dict->event = event_create(event_parent);
	*dict_r = dict;
	return 0;
}

/*
 * Tests
 */

struct test_rows {
	unsigned int count, stop_at;
};

static bool
test_row(const char *key, const char *value, struct test_rows *rows)
{
	test_assert_strcmp(key, t_strdup_printf("key%u", rows->count));
	test_assert_strcmp(value, "value");
	return ++rows->count != rows->stop_at;
}

static int
test_iterate(unsigned int stop_at, unsigned int *count_r, const char **error_r)
{
	struct test_rows rows = { .stop_at = stop_at };
	struct referral_client *client;
	int ret;

	client = referral_client_init("/base/dir", TEST_TIMEOUT_MSECS, NULL);
	*error_r = NULL;
	ret = referral_client_iterate(client, "joe", "shared/path/", test_row,
				      &rows, error_r);
	referral_client_deinit(&client);
	*count_r = rows.count;
	test_assert_strcmp(fake_username, "joe");
	test_assert(fake_iter_count == 0);
	return ret;
}

static void test_referral_iterate(void)
{
	static const struct {
		unsigned int rows, at_once, portion, stop_at;
		bool fails;
		int ret;
		unsigned int count;
		const char *error;
	} tests[] = {
		{ 0, 0, 1, 0, FALSE, 0, 0, NULL },
		{ 3, 3, 1, 0, FALSE, 0, 3, NULL },
		{ 7, 0, 2, 0, FALSE, 0, 7, NULL },
		{ 7, 3, 1, 0, FALSE, 0, 7, NULL },
		/* stopped, also in the middle */
		{ 7, 7, 1, 2, FALSE, 0, 2, NULL },
		{ 7, 1, 1, 3, FALSE, 0, 3, NULL },
		{ 7, 7, 1, 7, FALSE, 0, 7, NULL },
		/* failed, at once or in the end: what has come has come */
		{ 0, 0, 1, 0, TRUE, -1, 0, "fake failure" },
		{ 4, 2, 2, 0, TRUE, -1, 4, "fake failure" },
		/* hangs, at once or in the middle */
		{ 5, 0, 0, 0, FALSE, -1, 0,
		  "No answer from the dict in 150 ms" },
		{ 5, 3, 0, 0, FALSE, -1, 3,
		  "No answer from the dict in 150 ms" },
	};
	struct ioloop *ioloop = io_loop_create();
	unsigned int i, count;
	const char *error;

	test_begin("referral iterate");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		fake_rows = tests[i].rows;
		fake_at_once = tests[i].at_once;
		fake_portion = tests[i].portion;
		fake_fails = tests[i].fails;
		test_assert_idx(test_iterate(tests[i].stop_at, &count,
					     &error) == tests[i].ret, i);
		test_assert_idx(count == tests[i].count, i);
		if (tests[i].error != NULL)
			test_assert_strcmp_idx(error, tests[i].error, i);
		test_assert_idx(current_ioloop == ioloop, i);
	} T_END;
	i_free(fake_username);
	/* logs leaks of timeouts, which are errors */
	io_loop_destroy(&ioloop);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_iterate,
		NULL
	};
	return unit_run(test_functions);
}
