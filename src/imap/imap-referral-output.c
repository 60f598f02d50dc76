/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "ostream-private.h"
#include "referral-compat.h"
#include "referral-response.h"
#include "imap-referral-list.h"
#include "imap-referral-output.h"

struct imap_referral_ostream {
	struct ostream_private ostream;
	bool remote_inbox;
};

static const char *const dropped_lines[] = {
	"* NO [REFERRAL ",
	"* NO "REFERRAL_RESPONSE_UNAVAILABLE,
	"* NO "REFERRAL_RESPONSE_NO_VISITORS_PREFIX,
};

static bool is_dropped(const char *line)
{
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(dropped_lines); i++) {
		if (str_begins_with(line, dropped_lines[i]))
			return TRUE;
	}
	return FALSE;
}

static bool line_lists_inbox(const char *line)
{
	size_t len = strlen(line);

	return str_begins_with(line, "* LIST (") && len > 6 &&
		strcasecmp(line + len - 6, " INBOX") == 0;
}

/* * LIST (\HasNoChildren) "/" INBOX */
static const char *line_add_remote(const char *line)
{
	const char *attributes = line + strlen("* LIST (");

	return t_strdup_printf("* LIST ("IMAP_REFERRAL_ATTRIBUTE_REMOTE"%s%s",
			       *attributes == ')' ? "" : " ", attributes);
}

static ssize_t
imap_referral_output_sendv(struct ostream_private *stream,
			   const struct const_iovec *iov,
			   unsigned int iov_count)
{
	struct imap_referral_ostream *rstream =
		container_of(stream, struct imap_referral_ostream, ostream);
	struct const_iovec new_iov[2];
	const char *line;
	size_t size = 0;
	unsigned int i;

	for (i = 0; i < iov_count; i++)
		size += iov[i].iov_len;
	/* client_send_line() sends the line and its end */
	if (iov_count == 2 && iov[1].iov_len == 2) {
		line = t_strndup(iov[0].iov_base, iov[0].iov_len);
		if (is_dropped(line))
			return size;
		if (rstream->remote_inbox && line_lists_inbox(line)) {
			line = line_add_remote(line);
			new_iov[0].iov_base = line;
			new_iov[0].iov_len = strlen(line);
			new_iov[1] = iov[1];
			iov = new_iov;
		}
	}
	if (o_stream_sendv(stream->parent, iov, iov_count) < 0) {
		o_stream_copy_error_from_parent(stream);
		return -1;
	}
	/* the command's statistics count it */
	stream->ostream.offset = stream->parent->offset;
	return size;
}

struct ostream *imap_referral_output_create(struct ostream *output)
{
	struct imap_referral_ostream *stream;

	stream = i_new(struct imap_referral_ostream, 1);
	stream->ostream.sendv = imap_referral_output_sendv;
	stream->ostream.ostream.offset = output->offset;
	return o_stream_create(&stream->ostream, output,
			       o_stream_get_fd(output));
}

void imap_referral_output_set_remote_inbox(struct ostream *output)
{
	struct imap_referral_ostream *stream =
		container_of(output->real_stream, struct imap_referral_ostream,
			     ostream);

	stream->remote_inbox = TRUE;
}
