/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "hash.h"
#include "ioloop.h"
#include "str-sanitize.h"
#include "referral-value-log.h"

/* When there are more the log starts over, but not often: the same entries may
   be read every minute. */
#define REFERRAL_VALUE_LOG_MAX_COUNT 10000
#define REFERRAL_VALUE_LOG_FULL_SECS 3600
/* What is logged of a DN or a value. In bytes. */
#define REFERRAL_VALUE_LOG_MAX_LENGTH 256

struct referral_value_log {
	struct event *event;
	pool_t pool;
	HASH_TABLE(const char *, const char *) lines;
	/* When there were more than that, or 0 */
	time_t full_since;
};

struct referral_value_log *referral_value_log_init(struct event *event)
{
	struct referral_value_log *log;

	log = i_new(struct referral_value_log, 1);
	log->event = event;
	log->pool = pool_alloconly_create("referral value log", 1024);
	hash_table_create(&log->lines, default_pool, 0, str_hash, strcmp);
	return log;
}

void referral_value_log_deinit(struct referral_value_log **_log)
{
	struct referral_value_log *log = *_log;

	*_log = NULL;
	hash_table_destroy(&log->lines);
	pool_unref(&log->pool);
	i_free(log);
}

/* str_sanitize() lets DEL pass. */
static const char *sanitize(const char *data)
{
	return t_str_replace(str_sanitize(data, REFERRAL_VALUE_LOG_MAX_LENGTH),
			     '\177', '?');
}

static bool value_log_start_over(struct referral_value_log *log)
{
	if (log->full_since == 0) {
		log->full_since = ioloop_time;
		e_error(log->event, "There are more than %u values that have "
			"to be skipped: the others are not logged",
			REFERRAL_VALUE_LOG_MAX_COUNT);
		return FALSE;
	}
	/* the clock may have been set back */
	if (ioloop_time >= log->full_since &&
	    ioloop_time - log->full_since < REFERRAL_VALUE_LOG_FULL_SECS)
		return FALSE;
	log->full_since = 0;
	hash_table_clear(log->lines, TRUE);
	p_clear(log->pool);
	return TRUE;
}

void referral_value_log_skip(struct referral_value_log *log, const char *dn,
			     const char *attribute, const char *value,
			     const char *problem)
{
	const char *line;

	line = t_strdup_printf("%s: Skipping %s='%s': %s",
		sanitize(dn), attribute, sanitize(value), problem);
	if (hash_table_lookup(log->lines, line) != NULL)
		return;
	if (hash_table_count(log->lines) >= REFERRAL_VALUE_LOG_MAX_COUNT &&
	    !value_log_start_over(log))
		return;
	line = p_strdup(log->pool, line);
	hash_table_insert(log->lines, line, line);
	e_error(log->event, "%s", line);
}
