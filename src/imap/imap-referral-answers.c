/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "hash.h"
#include "time-util.h"
#include "imap-referral-answers.h"

/* What one client asks about within the TTL. All are forgotten when there are
   more. */
#define IMAP_REFERRAL_ANSWERS_MAX_COUNT 256
/* A lookup that takes that long and then fails says that nobody answers. */
#define IMAP_REFERRAL_ANSWERS_SLOW_MSECS 100

struct imap_referral_answer {
	struct timeval expires;
	int ret;
	const char *value, *error;
};

struct imap_referral_answers {
	struct referral_client *client;
	unsigned int ttl_msecs;

	pool_t pool;
	HASH_TABLE(const char *, struct imap_referral_answer *) hash;
	/* The last slow failure: nothing is asked until then. */
	struct timeval failed_until;
	char *failed_error;
};

struct imap_referral_answers *
imap_referral_answers_init(struct referral_client *client,
			   unsigned int ttl_msecs)
{
	struct imap_referral_answers *answers;

	answers = i_new(struct imap_referral_answers, 1);
	answers->client = client;
	answers->ttl_msecs = ttl_msecs;
	answers->pool = pool_alloconly_create(
		MEMPOOL_GROWING"imap referral answers", 1024);
	hash_table_create(&answers->hash, default_pool, 0, str_hash, strcmp);
	return answers;
}

void imap_referral_answers_deinit(struct imap_referral_answers **_answers)
{
	struct imap_referral_answers *answers = *_answers;

	*_answers = NULL;
	hash_table_destroy(&answers->hash);
	pool_unref(&answers->pool);
	i_free(answers->failed_error);
	i_free(answers);
}

static bool
answers_find(struct imap_referral_answers *answers, const char *key,
	     const struct timeval *now, struct referral_lookup_result *result_r)
{
	const struct imap_referral_answer *answer;

	answer = hash_table_lookup(answers->hash, key);
	if (answer != NULL && timeval_cmp(now, &answer->expires) < 0) {
		result_r->ret = answer->ret;
		result_r->value = answer->value;
		result_r->error = answer->error;
		return TRUE;
	}
	if (timeval_cmp(now, &answers->failed_until) < 0) {
		result_r->ret = -1;
		result_r->error = answers->failed_error;
		return TRUE;
	}
	return FALSE;
}

static void
answers_add(struct imap_referral_answers *answers, const char *key,
	    const struct timeval *expires,
	    const struct referral_lookup_result *result)
{
	struct imap_referral_answer *answer;
	const char *key_dup;

	answer = hash_table_lookup(answers->hash, key);
	if (answer == NULL) {
		answer = p_new(answers->pool, struct imap_referral_answer, 1);
		key_dup = p_strdup(answers->pool, key);
		hash_table_insert(answers->hash, key_dup, answer);
	}
	answer->expires = *expires;
	answer->ret = result->ret;
	answer->value = p_strdup(answers->pool, result->value);
	answer->error = p_strdup(answers->pool, result->error);
}

/* The pool only grows: so does it when one answer is replaced again and again,
   and then there are few in the hash. */
static void answers_limit(struct imap_referral_answers *answers)
{
	if (hash_table_count(answers->hash) < IMAP_REFERRAL_ANSWERS_MAX_COUNT &&
	    pool_alloconly_get_total_used_size(answers->pool) < 1024*1024)
		return;
	hash_table_clear(answers->hash, TRUE);
	p_clear(answers->pool);
}

void imap_referral_answers_failed(struct imap_referral_answers *answers,
				  const struct timeval *start_time,
				  const char *error)
{
	struct timeval now;

	i_gettimeofday(&now);
	if (answers->ttl_msecs == 0 || timeval_diff_msecs(&now, start_time) <
	    IMAP_REFERRAL_ANSWERS_SLOW_MSECS)
		return;
	answers->failed_until = now;
	timeval_add_msecs(&answers->failed_until, answers->ttl_msecs);
	i_free(answers->failed_error);
	answers->failed_error = i_strdup(error);
}

bool imap_referral_answers_have_failed(
	const struct imap_referral_answers *answers)
{
	struct timeval now;

	i_gettimeofday(&now);
	return timeval_cmp(&now, &answers->failed_until) < 0;
}

bool imap_referral_answers_lookup(struct imap_referral_answers *answers,
				  const char *username, const char *key,
				  struct referral_lookup_result *result_r)
{
	struct timeval start, expires;

	i_zero(result_r);
	i_gettimeofday(&start);
	if (answers_find(answers, key, &start, result_r)) {
		/* it may be forgotten while the caller has it */
		result_r->value = t_strdup(result_r->value);
		result_r->error = t_strdup(result_r->error);
		return FALSE;
	}
	referral_client_lookup(answers->client, username, key, result_r);
	if (answers->ttl_msecs == 0)
		return TRUE;

	i_gettimeofday(&expires);
	timeval_add_msecs(&expires, answers->ttl_msecs);
	answers_limit(answers);
	answers_add(answers, key, &expires, result_r);
	if (result_r->ret < 0) {
		imap_referral_answers_failed(answers, &start,
					     result_r->error);
	}
	return TRUE;
}
