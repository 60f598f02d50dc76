/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "lib-event.h"
#include "referral-value-log.h"
#include "unit-common.h"

static void test_referral_value_log_skip(void)
{
	struct referral_value_log *log;
	struct event *event;

	test_begin("referral value log: each once");
	event = event_create(NULL);
	event_set_append_log_prefix(event, "prefix: ");
	log = referral_value_log_init(event);

	test_expect_error_string("prefix: cn=a,dc=b: "
				 "Skipping mailHost='h_1': no host");
	referral_value_log_skip(log, "cn=a,dc=b", "mailHost", "h_1",
				"no host");
	test_expect_no_more_errors();
	referral_value_log_skip(log, "cn=a,dc=b", "mailHost", "h_1",
				"no host");

	/* any other one is another one */
	test_expect_error_string("cn=b,dc=b: Skipping mailHost='h_1'");
	referral_value_log_skip(log, "cn=b,dc=b", "mailHost", "h_1",
				"no host");
	test_expect_no_more_errors();
	test_expect_error_string("cn=a,dc=b: Skipping labeledURI='h_1'");
	referral_value_log_skip(log, "cn=a,dc=b", "labeledURI", "h_1",
				"no host");
	test_expect_no_more_errors();
	test_expect_error_string("cn=a,dc=b: Skipping mailHost='h_2'");
	referral_value_log_skip(log, "cn=a,dc=b", "mailHost", "h_2",
				"no host");
	test_expect_no_more_errors();
	referral_value_log_skip(log, "cn=b,dc=b", "mailHost", "h_1",
				"no host");
	referral_value_log_deinit(&log);
	test_assert(log == NULL);
	event_unref(&event);
	test_end();
}

/* DNs and values are foreign data. */
static void test_referral_value_log_sanitize(void)
{
	struct referral_value_log *log;
	struct event *event;
	string_t *str;
	unsigned int i;

	test_begin("referral value log: control characters, long values");
	event = event_create(NULL);
	log = referral_value_log_init(event);
	test_expect_error_string("cn=a?b: Skipping mailHost='h??x?\?': p");
	referral_value_log_skip(log, "cn=a\nb", "mailHost",
				"h\r\nx\x1b\x7f", "p");
	test_expect_no_more_errors();

	/* cut, but the problem is still there */
	str = t_str_new(10000);
	for (i = 0; i < 10000; i++)
		str_append_c(str, 'x');
	test_expect_error_string("xxx...': what is wrong");
	referral_value_log_skip(log, str_c(str), "mailHost", str_c(str),
				"what is wrong");
	test_expect_no_more_errors();
	referral_value_log_deinit(&log);
	event_unref(&event);
	test_end();
}

static unsigned int test_log_line_count;

static void ATTR_FORMAT(2, 0)
test_log_count(const struct failure_context *ctx ATTR_UNUSED,
	       const char *format ATTR_UNUSED, va_list args ATTR_UNUSED)
{
	test_log_line_count++;
}

/* There is a bound for what is remembered. */
static void test_referral_value_log_many(void)
{
	failure_callback_t *fatal_handler, *error_handler;
	failure_callback_t *info_handler, *debug_handler;
	struct referral_value_log *log;
	struct event *event;
	unsigned int i, round;

	test_begin("referral value log: many values");
	event = event_create(NULL);
	log = referral_value_log_init(event);
	i_get_failure_handlers(&fatal_handler, &error_handler,
			       &info_handler, &debug_handler);
	i_set_error_handler(test_log_count);
	for (round = 0; round < 2; round++) {
		for (i = 0; i < 5000; i++) T_BEGIN {
			referral_value_log_skip(log, "cn=a", "mailHost",
				t_strdup_printf("h_%u", i), "p");
		} T_END;
	}
	test_assert(test_log_line_count == 5000);

	ioloop_time = 1000;
	for (i = 5000; i < 50000; i++) T_BEGIN {
		referral_value_log_skip(log, "cn=a", "mailHost",
			t_strdup_printf("h_%u", i), "p");
	} T_END;
	/* and that there are more */
	test_assert(test_log_line_count == 10001);
	ioloop_time += 3599;
	referral_value_log_skip(log, "cn=a", "mailHost", "h_49999", "p");
	test_assert(test_log_line_count == 10001);
	ioloop_time++;
	for (round = 0; round < 2; round++) {
		referral_value_log_skip(log, "cn=a", "mailHost", "h_49999",
					"p");
		/* forgotten meanwhile: logged again */
		referral_value_log_skip(log, "cn=a", "mailHost", "h_0", "p");
	}
	i_set_error_handler(error_handler);
	test_assert(test_log_line_count == 10003);
	referral_value_log_deinit(&log);
	event_unref(&event);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_value_log_skip,
		test_referral_value_log_sanitize,
		test_referral_value_log_many,
		NULL
	};
	return unit_run(test_functions);
}
