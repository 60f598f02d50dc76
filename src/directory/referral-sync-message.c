/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "buffer.h"
#include "referral-sync-message.h"

/* Tags (RFC 4533, with the modules' implicit tagging) */
#define TAG_BOOLEAN 0x01
#define TAG_OCTET_STRING 0x04
#define TAG_ENUMERATED 0x0a
#define TAG_SEQUENCE 0x30
#define TAG_SET 0x31
#define TAG_NEW_COOKIE 0x80
#define TAG_REFRESH_DELETE 0xa1
#define TAG_REFRESH_PRESENT 0xa2
#define TAG_ID_SET 0xa3

#define MODE_REFRESH_AND_PERSIST 3

/* What an element with a 4 byte length needs at most before its contents */
#define MAX_HEADER_SIZE 6

/*
 * Elements (RFC 4511 section 5.1: always with a definite length)
 */

/* Take the next element, whatever it is. */
static bool
element_take(struct referral_sync_bytes *from, unsigned char *tag_r,
	     struct referral_sync_bytes *contents_r)
{
	const unsigned char *data = from->data;
	size_t left = from->size, size;
	unsigned int count;

	if (left < 2)
		return FALSE;
	*tag_r = data[0];
	size = data[1];
	data += 2;
	left -= 2;
	if (size > 0x80) {
		count = size - 0x80;
		if (count > 4 || count > left)
			return FALSE;
		left -= count;
		for (size = 0; count > 0; count--)
			size = size << 8 | *data++;
	} else if (size == 0x80) {
		/* indefinite */
		return FALSE;
	}
	if (size > left)
		return FALSE;
	contents_r->data = data;
	contents_r->size = size;
	from->data = data + size;
	from->size = left - size;
	return TRUE;
}

static bool
element_next_is(const struct referral_sync_bytes *from, unsigned char tag)
{
	return from->size > 0 && from->data[0] == tag;
}

static bool
element_take_tag(struct referral_sync_bytes *from, unsigned char expected,
		 struct referral_sync_bytes *contents_r)
{
	unsigned char tag;

	return element_next_is(from, expected) &&
		element_take(from, &tag, contents_r);
}

/* There is nothing else. */
static bool
element_take_only(struct referral_sync_bytes *from, unsigned char expected,
		  struct referral_sync_bytes *contents_r)
{
	return element_take_tag(from, expected, contents_r) && from->size == 0;
}

/*
 * What they are made of. Each returns what was expected, or NULL if it is
 * there.
 */

static const char *
take_cookie(struct referral_sync_bytes *from, struct referral_sync_bytes *cookie_r)
{
	if (!element_next_is(from, TAG_OCTET_STRING))
		return NULL;
	if (!element_take_tag(from, TAG_OCTET_STRING, cookie_r) ||
	    cookie_r->size > REFERRAL_SYNC_MAX_COOKIE_SIZE)
		return "expected a cookie of at most 4096 bytes";
	return NULL;
}

static const char *take_bool(struct referral_sync_bytes *from, bool *value)
{
	struct referral_sync_bytes contents;

	if (!element_next_is(from, TAG_BOOLEAN))
		return NULL;
	if (!element_take_tag(from, TAG_BOOLEAN, &contents) ||
	    contents.size != 1)
		return "expected a boolean";
	*value = contents.data[0] != 0;
	return NULL;
}

static const char *
take_uuid(struct referral_sync_bytes *from, guid_128_t uuid_r)
{
	struct referral_sync_bytes contents;

	if (!element_take_tag(from, TAG_OCTET_STRING, &contents) ||
	    contents.size != GUID_128_SIZE)
		return "expected an entryUUID of 16 bytes";
	memcpy(uuid_r, contents.data, GUID_128_SIZE);
	return NULL;
}

static const char *expect_end(const struct referral_sync_bytes *from)
{
	return from->size == 0 ? NULL : "expected nothing more";
}

/*
 * Messages
 */

static const char *
entry_parse(struct referral_sync_bytes *message,
	    struct referral_sync_entry *entry_r)
{
	struct referral_sync_bytes sequence, contents;
	const char *error;

	if (!element_take_only(message, TAG_SEQUENCE, &sequence))
		return "expected one sequence";
	if (!element_take_tag(&sequence, TAG_ENUMERATED, &contents) ||
	    contents.size != 1 ||
	    contents.data[0] > REFERRAL_SYNC_STATE_DELETE)
		return "expected a state from 0 to 3";
	entry_r->state = contents.data[0];
	if ((error = take_uuid(&sequence, entry_r->uuid)) != NULL ||
	    (error = take_cookie(&sequence, &entry_r->cookie)) != NULL)
		return error;
	return expect_end(&sequence);
}

int referral_sync_entry_parse(const unsigned char *data, size_t size,
			      struct referral_sync_entry *entry_r,
			      const char **error_r)
{
	struct referral_sync_bytes message = { .data = data, .size = size };

	i_zero(entry_r);
	*error_r = entry_parse(&message, entry_r);
	return *error_r == NULL ? 0 : -1;
}

/* All of them are looked at, so that next_id() has nothing to check. */
static const char *check_ids(struct referral_sync_bytes ids)
{
	guid_128_t uuid;
	const char *error = NULL;

	while (ids.size > 0 && error == NULL)
		error = take_uuid(&ids, uuid);
	return error;
}

static const char *
id_set_parse(struct referral_sync_bytes *sequence,
	     struct referral_sync_info *info_r)
{
	const char *error;

	info_r->refresh_deletes = FALSE;
	if ((error = take_cookie(sequence, &info_r->cookie)) != NULL ||
	    (error = take_bool(sequence, &info_r->refresh_deletes)) != NULL)
		return error;
	if (!element_take_only(sequence, TAG_SET, &info_r->ids))
		return "expected a set of entryUUIDs";
	return check_ids(info_r->ids);
}

static const char *
refresh_parse(struct referral_sync_bytes *sequence,
	      struct referral_sync_info *info_r)
{
	const char *error;

	info_r->refresh_done = TRUE;
	if ((error = take_cookie(sequence, &info_r->cookie)) != NULL ||
	    (error = take_bool(sequence, &info_r->refresh_done)) != NULL)
		return error;
	return expect_end(sequence);
}

static const char *
info_parse(struct referral_sync_bytes *message,
	   struct referral_sync_info *info_r)
{
	struct referral_sync_bytes contents;
	unsigned char tag;

	if (!element_take(message, &tag, &contents) || message->size > 0)
		return "expected one element";
	switch (tag) {
	case TAG_NEW_COOKIE:
		info_r->type = REFERRAL_SYNC_INFO_NEW_COOKIE;
		info_r->cookie = contents;
		return contents.size <= REFERRAL_SYNC_MAX_COOKIE_SIZE ? NULL :
			"expected a cookie of at most 4096 bytes";
	case TAG_REFRESH_DELETE:
		info_r->type = REFERRAL_SYNC_INFO_REFRESH_DELETE;
		return refresh_parse(&contents, info_r);
	case TAG_REFRESH_PRESENT:
		info_r->type = REFERRAL_SYNC_INFO_REFRESH_PRESENT;
		return refresh_parse(&contents, info_r);
	case TAG_ID_SET:
		info_r->type = REFERRAL_SYNC_INFO_ID_SET;
		return id_set_parse(&contents, info_r);
	}
	return "expected a new cookie, the end of a phase, or a set of "
		"entryUUIDs";
}

int referral_sync_info_parse(const unsigned char *data, size_t size,
			     struct referral_sync_info *info_r,
			     const char **error_r)
{
	struct referral_sync_bytes message = { .data = data, .size = size };

	i_zero(info_r);
	*error_r = info_parse(&message, info_r);
	return *error_r == NULL ? 0 : -1;
}

bool referral_sync_info_next_id(struct referral_sync_info *info,
				guid_128_t uuid_r)
{
	if (info->ids.size == 0)
		return FALSE;
	if (take_uuid(&info->ids, uuid_r) != NULL)
		i_unreached();
	return TRUE;
}

static const char *
done_parse(struct referral_sync_bytes *message,
	   struct referral_sync_done *done_r)
{
	struct referral_sync_bytes sequence;
	const char *error;

	if (!element_take_only(message, TAG_SEQUENCE, &sequence))
		return "expected one sequence";
	if ((error = take_cookie(&sequence, &done_r->cookie)) != NULL ||
	    (error = take_bool(&sequence, &done_r->refresh_deletes)) != NULL)
		return error;
	return expect_end(&sequence);
}

int referral_sync_done_parse(const unsigned char *data, size_t size,
			     struct referral_sync_done *done_r,
			     const char **error_r)
{
	struct referral_sync_bytes message = { .data = data, .size = size };

	i_zero(done_r);
	*error_r = done_parse(&message, done_r);
	return *error_r == NULL ? 0 : -1;
}

/*
 * Request
 */

static void append_header(buffer_t *buf, unsigned char tag, size_t size)
{
	buffer_append_c(buf, tag);
	if (size >= 0x80) {
		buffer_append_c(buf, 0x82);
		buffer_append_c(buf, size >> 8);
	}
	buffer_append_c(buf, size & 0xff);
}

struct referral_sync_bytes
referral_sync_request_create(const struct referral_sync_bytes *cookie)
{
	static const unsigned char mode[] = {
		TAG_ENUMERATED, 1, MODE_REFRESH_AND_PERSIST
	};
	struct referral_sync_bytes request;
	buffer_t *contents, *buf;

	i_assert(cookie->size <= REFERRAL_SYNC_MAX_COOKIE_SIZE);
	contents = t_buffer_create(sizeof(mode) + MAX_HEADER_SIZE +
				   cookie->size);
	buffer_append(contents, mode, sizeof(mode));
	if (cookie->data != NULL) {
		append_header(contents, TAG_OCTET_STRING, cookie->size);
		buffer_append(contents, cookie->data, cookie->size);
	}
	buf = t_buffer_create(MAX_HEADER_SIZE + contents->used);
	append_header(buf, TAG_SEQUENCE, contents->used);
	buffer_append(buf, contents->data, contents->used);
	request.data = buf->data;
	request.size = buf->used;
	return request;
}
