/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "imap-utf7.h"
#include "ostream-private.h"
#include "referral-compat.h"
#include "referral-response.h"
#include "imap-referral-output.h"

#define LIST_PREFIX "* LIST ("
#define ATTRIBUTE_REMOTE "\\Remote"

struct imap_referral_ostream {
	struct ostream_private ostream;

	/* NULL if nothing is to be marked */
	imap_referral_is_remote_callback_t *is_remote;
	void *context;
};

/* What is unknown of a mailbox that is elsewhere. */
static const char *const local_attributes[] = {
	"\\NonExistent", "\\Noselect", "\\NoInferiors", "\\HasNoChildren",
	"\\Marked", "\\UnMarked", NULL
};

static bool is_dropped(const char *line)
{
	return str_begins_with(line, "* NO ") &&
		referral_response_is(line + strlen("* NO "));
}

/* An astring: an atom, a quoted string or a literal. */
static const char *parse_astring(const char *p)
{
	string_t *str = t_str_new(64);

	if (*p == '{')
		return (p = strchr(p, '\n')) == NULL ? NULL : p + 1;
	if (*p != '"')
		return t_strcut(p, ' ');
	for (p++; *p != '"'; p++) {
		if (*p == '\\')
			p++;
		if (*p == '\0')
			return NULL;
		str_append_c(str, *p);
	}
	return str_c(str);
}

/* * LIST (\HasNoChildren) "/" INBOX
   Returns FALSE if the line is not such a one. */
static bool
parse_list_line(const char *line, const char **attributes_r,
		const char **rest_r, const char **vname_r)
{
	string_t *str = t_str_new(64);
	const char *p, *name;

	if (!str_begins_with(line, LIST_PREFIX) ||
	    (p = strchr(line, ')')) == NULL)
		return FALSE;
	*attributes_r = t_strdup_until(line + strlen(LIST_PREFIX), p);
	*rest_r = p;
	/* the separator: a quoted character, possibly escaped */
	if (!str_begins_with(p, ") \"") ||
	    (p = strchr(p + (p[3] == '\\' ? 5 : 4), ' ')) == NULL ||
	    (name = parse_astring(p + 1)) == NULL)
		return FALSE;
	/* with UTF8=ACCEPT it is not encoded */
	*vname_r = imap_utf7_to_utf8(name, str) == 0 ? str_c(str) : name;
	return TRUE;
}

static const char *
line_mark_remote(struct imap_referral_ostream *stream, const char *line)
{
	const char *attributes, *rest, *vname, *const *attribute;
	string_t *str;
	bool inbox;

	if (!parse_list_line(line, &attributes, &rest, &vname) ||
	    !stream->is_remote(vname, stream->context))
		return line;
	/* Dovecot lists INBOX by itself, with the children that it has here. */
	inbox = strcasecmp(vname, "INBOX") == 0;
	str = t_str_new(256);
	str_append(str, LIST_PREFIX ATTRIBUTE_REMOTE);
	for (attribute = t_strsplit_spaces(attributes, " ");
	     *attribute != NULL; attribute++) {
		if (str_array_icase_find(local_attributes, *attribute) ||
		    (inbox && strcasecmp(*attribute, "\\HasChildren") == 0))
			continue;
		str_printfa(str, " %s", *attribute);
	}
	str_append(str, rest);
	return str_c(str);
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
	ssize_t ret;

	for (i = 0; i < iov_count; i++)
		size += iov[i].iov_len;
	/* client_send_line() sends the line and its end */
	if (iov_count == 2 && iov[1].iov_len == 2) {
		line = t_strndup(iov[0].iov_base, iov[0].iov_len);
		if (is_dropped(line))
			return size;
		if (rstream->is_remote != NULL) {
			line = line_mark_remote(rstream, line);
			new_iov[0].iov_base = line;
			new_iov[0].iov_len = strlen(line);
			new_iov[1] = iov[1];
			iov = new_iov;
		}
	}
	if ((ret = o_stream_sendv(stream->parent, iov, iov_count)) < 0) {
		o_stream_copy_error_from_parent(stream);
		return -1;
	}
	/* the command's statistics count it */
	stream->ostream.offset = stream->parent->offset;
	/* A client's output takes all; what was changed has no part to go on
	   with. */
	return iov == new_iov ? (ssize_t)size : ret;
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

void imap_referral_output_mark_remote(struct ostream *output,
				      imap_referral_is_remote_callback_t *callback,
				      void *context)
{
	struct imap_referral_ostream *stream =
		container_of(output->real_stream, struct imap_referral_ostream,
			     ostream);

	stream->is_remote = callback;
	stream->context = context;
}
