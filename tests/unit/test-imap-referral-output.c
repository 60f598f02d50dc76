/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "buffer.h"
#include "str.h"
#include "ostream.h"
#include "imap-referral-output.h"
#include "unit-common.h"

static void send_line(struct ostream *output, const char *line)
{
	const struct const_iovec iov[] = {
		{ .iov_base = line, .iov_len = strlen(line) },
		{ .iov_base = "\r\n", .iov_len = 2 },
	};

	test_assert(o_stream_sendv(output, iov, 2) ==
		    (ssize_t)strlen(line) + 2);
}

static bool is_remote(const char *vname, void *context)
{
	test_assert_strcmp((const char *)context, "context");
	return strncmp(vname, "Remote", 6) == 0 ||
		strcmp(vname, "B\xc3\xbcro \"&\\ co") == 0 ||
		strcmp(vname, "INBOX") == 0;
}

static void test_imap_referral_output(void)
{
	static const struct {
		const char *line;
		/* What comes of it, without and with marks; NULL if it is
		   dropped. */
		const char *plain, *marked;
	} tests[] = {
#define SAME(line) { line, line, line }
#define MARK(line, marked) { line, line, marked }
		SAME("* LIST (\\HasNoChildren) \"/\" Shared/x"),
		SAME("* STATUS INBOX (MESSAGES 1)"),
		SAME("a1 OK List completed."),
		SAME("a1 NO [REFERRAL imap://h/] Text"),
		SAME("* NO Something else"),
		SAME("* LSUB () \"/\" INBOX"),
		SAME("* LIST () \"/\" NOINBOX"),
		SAME(""),
		/* no lines of LIST */
		SAME("* LIST ("),
		SAME("* LIST ()"),
		SAME("* LIST () \"/\" \"Remote"),
		SAME("* LIST () \"/\" \"Remote\\"),
		SAME("* LIST () \"/"),
		SAME("* LIST () {9"),
		SAME("* LIST () \"/\" {6}"),
		MARK("* LIST (\\HasNoChildren) \"/\" INBOX",
		     "* LIST (\\Remote) \"/\" INBOX"),
		MARK("* LIST (\\HasChildren) \"/\" INBOX",
		     "* LIST (\\Remote) \"/\" INBOX"),
		MARK("* LIST () \"/\" Remote", "* LIST (\\Remote) \"/\" Remote"),
		MARK("* LIST (\\Subscribed \\NonExistent \\HasNoChildren) \"/\" "
		     "Remote/x (CHILDINFO (\"SUBSCRIBED\"))",
		     "* LIST (\\Remote \\Subscribed) \"/\" Remote/x "
		     "(CHILDINFO (\"SUBSCRIBED\"))"),
		MARK("* LIST (\\HasChildren \\Archive) \"/\" Remote",
		     "* LIST (\\Remote \\HasChildren \\Archive) \"/\" Remote"),
		/* other separators, other kinds of names */
		MARK("* LIST () \"\\\\\" Remote",
		     "* LIST (\\Remote) \"\\\\\" Remote"),
		MARK("* LIST () \"\\\"\" Remote",
		     "* LIST (\\Remote) \"\\\"\" Remote"),
		MARK("* LIST () \" \" Remote",
		     "* LIST (\\Remote) \" \" Remote"),
		MARK("* LIST () \")\" Remote",
		     "* LIST (\\Remote) \")\" Remote"),
		MARK("* LIST () \"/\" \"B&APw-ro \\\"&-\\\\ co\"",
		     "* LIST (\\Remote) \"/\" \"B&APw-ro \\\"&-\\\\ co\""),
		MARK("* LIST () \"/\" \"B\xc3\xbcro \\\"&\\\\ co\"",
		     "* LIST (\\Remote) \"/\" \"B\xc3\xbcro \\\"&\\\\ co\""),
		MARK("* LIST () \"/\" {9}\r\nRemote(x)",
		     "* LIST (\\Remote) \"/\" {9}\r\nRemote(x)"),
		{ "* NO [REFERRAL imap://joe;AUTH=*@h/x] This folder", NULL,
		  NULL },
		{ "* NO [UNAVAILABLE] The location of this folder cannot be "
		  "looked up at the moment. Try again later.", NULL, NULL },
		{ "* NO [NOPERM] This folder is on IMAP server h.", NULL,
		  NULL },
		/* somebody else's */
		SAME("* NO [UNAVAILABLE] Disk"),
	};
	struct ostream *real, *output;
	buffer_t *buffer = buffer_create_dynamic(default_pool, 256);
	const char *expected;
	unsigned int i, j;

	test_begin("imap referral output");
	for (i = 0; i < 2; i++) {
		real = o_stream_create_buffer(buffer);
		o_stream_set_no_error_handling(real, TRUE);
		o_stream_nsend_str(real, "* OK before\r\n");
		buffer_set_used_size(buffer, 0);
		for (j = 0; j < N_ELEMENTS(tests); j++) T_BEGIN {
			output = imap_referral_output_create(real);
			if (i == 1) {
				imap_referral_output_mark_remote(output,
					is_remote, (char []){ "context" });
			}
			buffer_set_used_size(buffer, 0);
			/* it can be used as the real one can */
			test_assert_idx(output->offset == real->offset, j);
			o_stream_cork(output);
			send_line(output, tests[j].line);
			o_stream_uncork(output);
			test_assert_idx(output->offset == real->offset, j);
			o_stream_unref(&output);

			expected = i == 0 ? tests[j].plain : tests[j].marked;
			expected = expected == NULL ? "" :
				t_strconcat(expected, "\r\n", NULL);
			test_assert_strcmp_idx(str_c(buffer), expected, j);
		} T_END;
		o_stream_destroy(&real);
	}
	buffer_free(&buffer);
	test_end();
}

/* What is no line is none of its business. */
static void test_imap_referral_output_data(void)
{
	buffer_t *buffer = buffer_create_dynamic(default_pool, 256);
	struct ostream *real, *output;

	test_begin("imap referral output: data");
	real = o_stream_create_buffer(buffer);
	o_stream_set_no_error_handling(real, TRUE);
	output = imap_referral_output_create(real);
	test_assert(o_stream_send_str(output, "* NO [REFERRAL x] y") == 19);
	test_assert_strcmp(str_c(buffer), "* NO [REFERRAL x] y");
	/* it is gone, and the real one is not */
	o_stream_unref(&output);
	test_assert(o_stream_send_str(real, "z") == 1);
	o_stream_destroy(&real);
	buffer_free(&buffer);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_imap_referral_output,
		test_imap_referral_output_data,
		NULL
	};
	return unit_run(test_functions);
}
