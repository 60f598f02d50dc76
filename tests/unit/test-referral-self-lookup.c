/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-key.h"
#include "referral-self-lookup.h"
#include "unit-common.h"

/* Instead of a client: answers come when the test says so. */
static string_t *asked;
static referral_lookup_callback_t *answer_callback;
static void *answer_context;

#undef referral_client_lookup_async
void referral_client_lookup_async(struct referral_client *client ATTR_UNUSED,
				  const char *username, const char *key,
				  referral_lookup_callback_t *callback,
				  void *context)
{
	test_assert_strcmp(username, "joe");
	str_printfa(asked, "%s ", key + strlen(REFERRAL_KEY_SERVER));
	test_assert(answer_callback == NULL);
	answer_callback = callback;
	answer_context = context;
}

static void answer(int ret)
{
	const struct referral_lookup_result result = {
		.ret = ret, .value = "value", .error = "error"
	};
	referral_lookup_callback_t *callback = answer_callback;

	test_assert(callback != NULL);
	answer_callback = NULL;
	callback(&result, answer_context);
}

struct test_context {
	/* 'f'ound, 'n'ot found, failed: 'e'rror */
	string_t *results;
	bool go_on;
};

static bool test_callback(const struct referral_lookup_result *result,
			  struct test_context *ctx)
{
	str_append_c(ctx->results, result->ret > 0 ? 'f' :
		     result->ret == 0 ? 'n' : 'e');
	return ctx->go_on;
}

static struct referral_self_lookup *
test_begin_lookup(const char *name, bool go_on, struct test_context *ctx)
{
	struct referral_self_lookup *lookup;
	struct referral_self *self;
	const char *error;

	test_begin(name);
	asked = t_str_new(128);
	ctx->results = t_str_new(8);
	ctx->go_on = go_on;
	test_assert(referral_self_init(pool_datastack_create(), "h:1", "g:2",
				       &self, &error) == 0);
	lookup = referral_self_lookup_init(NULL, "joe", self, NULL, 0,
					   referral_key_server, test_callback,
					   ctx);
	referral_self_lookup_start(lookup);
	return lookup;
}

static void test_referral_self_lookup(void)
{
	static const struct {
		/* the answer to each question */
		const char *answers;
		bool go_on;
		const char *asked, *results;
	} tests[] = {
		{ "nn", FALSE, "h:1 g:2 ", "n" },
		{ "f", FALSE, "h:1 ", "f" },
		{ "nf", FALSE, "h:1 g:2 ", "f" },
		{ "e", FALSE, "h:1 ", "e" },
		{ "ne", FALSE, "h:1 g:2 ", "e" },
		{ "ff", TRUE, "h:1 g:2 ", "ffn" },
		{ "fn", TRUE, "h:1 g:2 ", "fn" },
		/* a failure ends it, whatever the callback wants */
		{ "e", TRUE, "h:1 ", "e" },
		{ "fe", TRUE, "h:1 g:2 ", "fe" },
	};
	struct test_context ctx;
	const char *p;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		(void)test_begin_lookup(t_strdup_printf(
			"referral self lookup: %s", tests[i].answers),
			tests[i].go_on, &ctx);
		for (p = tests[i].answers; *p != '\0'; p++)
			answer(*p == 'f' ? 1 : *p == 'n' ? 0 : -1);
		test_assert(answer_callback == NULL);
		test_assert_strcmp(str_c(asked), tests[i].asked);
		test_assert_strcmp(str_c(ctx.results), tests[i].results);
		test_end();
	}
}

static void test_referral_self_lookup_abort(void)
{
	static const int rets[] = { -1, 0, 1 };
	struct referral_self_lookup *lookup;
	struct test_context ctx;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(rets); i++) {
		lookup = test_begin_lookup("referral self lookup: abort",
					   TRUE, &ctx);
		referral_self_lookup_abort(&lookup);
		test_assert(lookup == NULL);
		/* what is under way comes all the same */
		answer(rets[i]);
		test_assert(answer_callback == NULL);
		test_assert_strcmp(str_c(asked), "h:1 ");
		test_assert_strcmp(str_c(ctx.results), "");
		test_end();
	}
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_self_lookup,
		test_referral_self_lookup_abort,
		NULL
	};
	return unit_run(test_functions);
}
