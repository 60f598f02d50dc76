/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "sleep.h"
#include "imap-referral-answers.h"
#include "unit-common.h"

static unsigned int fake_lookups, fake_delay_msecs;
static int fake_ret;

#undef referral_client_lookup
/* In place of the real one */
void referral_client_lookup(struct referral_client *client ATTR_UNUSED,
			    const char *username, const char *key,
			    struct referral_lookup_result *result_r)
{
	fake_lookups++;
	if (fake_delay_msecs > 0)
		i_sleep_msecs(fake_delay_msecs);
	i_zero(result_r);
	result_r->ret = fake_ret;
	if (fake_ret > 0)
		result_r->value = t_strconcat(username, ":", key, NULL);
	else if (fake_ret < 0)
		result_r->error = t_strconcat("fake ", "failure", NULL);
}

static void
test_lookup(struct imap_referral_answers *answers, const char *key, bool asked)
{
	struct referral_lookup_result result;

	T_BEGIN {
		test_assert(imap_referral_answers_lookup(answers, "joe", key,
							 &result) == asked);
		test_assert(result.ret == fake_ret);
		if (fake_ret > 0) {
			test_assert_strcmp(result.value,
					   t_strconcat("joe:", key, NULL));
		} else
			test_assert(result.value == NULL);
		if (fake_ret < 0)
			test_assert_strcmp(result.error, "fake failure");
		else
			test_assert(result.error == NULL);
	} T_END;
}

static void test_answers_begin(const char *name, int ret)
{
	test_begin(name);
	fake_lookups = fake_delay_msecs = 0;
	fake_ret = ret;
}

static void test_imap_referral_answers_once(void)
{
	struct imap_referral_answers *answers;
	int ret;

	for (ret = -1; ret <= 1; ret++) {
		test_answers_begin("imap referral answers: asks once", ret);
		answers = imap_referral_answers_init(NULL, 3600*1000);
		test_lookup(answers, "a", TRUE);
		test_lookup(answers, "b", TRUE);
		test_lookup(answers, "a", FALSE);
		test_lookup(answers, "b", FALSE);
		test_assert(fake_lookups == 2);
		imap_referral_answers_deinit(&answers);
		test_assert(answers == NULL);
		test_end();
	}
}

static void test_imap_referral_answers_ttl(void)
{
	struct imap_referral_answers *answers;

	test_answers_begin("imap referral answers: TTL", 1);
	answers = imap_referral_answers_init(NULL, 50);
	test_lookup(answers, "a", TRUE);
	i_sleep_msecs(60);
	fake_ret = 0;
	test_lookup(answers, "a", TRUE);
	imap_referral_answers_deinit(&answers);
	test_end();
}

static void test_imap_referral_answers_none(void)
{
	struct imap_referral_answers *answers;

	test_answers_begin("imap referral answers: without a TTL", 1);
	answers = imap_referral_answers_init(NULL, 0);
	test_lookup(answers, "a", TRUE);
	test_lookup(answers, "a", TRUE);
	imap_referral_answers_deinit(&answers);
	test_end();
}

/* Nobody waits again for what does not answer. */
static void test_imap_referral_answers_slow(void)
{
	struct imap_referral_answers *answers;

	test_answers_begin("imap referral answers: nobody answers", 1);
	answers = imap_referral_answers_init(NULL, 3600*1000);
	test_lookup(answers, "known", TRUE);
	fake_ret = -1;
	fake_delay_msecs = 120;
	test_lookup(answers, "a", TRUE);
	fake_delay_msecs = 0;
	test_lookup(answers, "b", FALSE);
	/* what is known is known */
	fake_ret = 1;
	test_lookup(answers, "known", FALSE);
	imap_referral_answers_deinit(&answers);
	test_end();
}

static void test_imap_referral_answers_many(void)
{
	struct imap_referral_answers *answers;
	unsigned int i;

	test_answers_begin("imap referral answers: more than are kept", 1);
	answers = imap_referral_answers_init(NULL, 3600*1000);
	for (i = 0; i < 10000; i++) T_BEGIN {
		test_lookup(answers, t_strdup_printf("key%u", i), TRUE);
	} T_END;
	test_lookup(answers, "key9999", FALSE);
	test_lookup(answers, "key0", TRUE);
	imap_referral_answers_deinit(&answers);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_imap_referral_answers_once,
		test_imap_referral_answers_ttl,
		test_imap_referral_answers_none,
		test_imap_referral_answers_slow,
		test_imap_referral_answers_many,
		NULL
	};
	return unit_run(test_functions);
}
