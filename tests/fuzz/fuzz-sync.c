/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-sync-message.h"
#include "fuzz.h"

#include <lber.h>
#include <stdlib.h>

/* RFC 4533 */
#define TAG_NEW_COOKIE 0x80U
#define TAG_REFRESH_DELETE 0xa1U
#define TAG_REFRESH_PRESENT 0xa2U
#define TAG_ID_SET 0xa3U

static void
check_cookie(const struct referral_sync_bytes *cookie,
	     const struct berval *expected)
{
	fuzz_check((cookie->data == NULL) == (expected->bv_val == NULL));
	if (cookie->data == NULL)
		return;
	fuzz_check(cookie->size <= REFERRAL_SYNC_MAX_COOKIE_SIZE);
	fuzz_check(cookie->size == expected->bv_len);
	fuzz_check(cookie->size == 0 ||
		   memcmp(cookie->data, expected->bv_val, cookie->size) == 0);
	/* it can be sent back */
	fuzz_check(referral_sync_request_create(cookie).size > cookie->size);
}

/* Take a cookie and a boolean if they are there, as all messages have them. */
static void
take_cookie_and_bool(BerElement *ber, struct berval *cookie_r,
		     ber_int_t *value)
{
	ber_len_t size;

	i_zero(cookie_r);
	if (ber_peek_tag(ber, &size) == LBER_OCTETSTRING)
		fuzz_check(ber_scanf(ber, "m", cookie_r) != LBER_ERROR);
	if (ber_peek_tag(ber, &size) == LBER_BOOLEAN)
		fuzz_check(ber_scanf(ber, "b", value) != LBER_ERROR);
}

/* These check that liblber, which servers are written with, reads the same. */

static void
check_entry(BerElement *ber, const struct referral_sync_entry *entry)
{
	struct berval uuid, cookie;
	ber_int_t state, unused;

	fuzz_check(ber_scanf(ber, "{em", &state, &uuid) != LBER_ERROR);
	fuzz_check((ber_int_t)entry->state == state);
	fuzz_check(uuid.bv_len == sizeof(entry->uuid));
	fuzz_check(memcmp(uuid.bv_val, entry->uuid, uuid.bv_len) == 0);
	take_cookie_and_bool(ber, &cookie, &unused);
	check_cookie(&entry->cookie, &cookie);
}

static void check_info(BerElement *ber, struct referral_sync_info *info)
{
	struct berval cookie, uuid;
	ber_int_t value;
	ber_len_t size;
	guid_128_t id;

	switch (info->type) {
	case REFERRAL_SYNC_INFO_NEW_COOKIE:
		fuzz_check(ber_peek_tag(ber, &size) == TAG_NEW_COOKIE);
		fuzz_check(ber_scanf(ber, "m", &cookie) != LBER_ERROR);
		check_cookie(&info->cookie, &cookie);
		break;
	case REFERRAL_SYNC_INFO_REFRESH_DELETE:
	case REFERRAL_SYNC_INFO_REFRESH_PRESENT:
		fuzz_check(ber_peek_tag(ber, &size) ==
			   (info->type == REFERRAL_SYNC_INFO_REFRESH_DELETE ?
			    TAG_REFRESH_DELETE : TAG_REFRESH_PRESENT));
		fuzz_check(ber_scanf(ber, "{") != LBER_ERROR);
		value = 1;
		take_cookie_and_bool(ber, &cookie, &value);
		check_cookie(&info->cookie, &cookie);
		fuzz_check(info->refresh_done == (value != 0));
		break;
	case REFERRAL_SYNC_INFO_ID_SET:
		fuzz_check(ber_peek_tag(ber, &size) == TAG_ID_SET);
		fuzz_check(ber_scanf(ber, "{") != LBER_ERROR);
		value = 0;
		take_cookie_and_bool(ber, &cookie, &value);
		check_cookie(&info->cookie, &cookie);
		fuzz_check(info->refresh_deletes == (value != 0));
		fuzz_check(ber_scanf(ber, "[") != LBER_ERROR);
		while (referral_sync_info_next_id(info, id)) {
			fuzz_check(ber_scanf(ber, "m", &uuid) != LBER_ERROR);
			fuzz_check(uuid.bv_len == sizeof(id) &&
				   memcmp(uuid.bv_val, id, sizeof(id)) == 0);
		}
		break;
	}
}

static void check_done(BerElement *ber, const struct referral_sync_done *done)
{
	struct berval cookie;
	ber_int_t value = 0;

	fuzz_check(ber_scanf(ber, "{") != LBER_ERROR);
	take_cookie_and_bool(ber, &cookie, &value);
	check_cookie(&done->cookie, &cookie);
	fuzz_check(done->refresh_deletes == (value != 0));
}

static BerElement *ber_from(const void *data, size_t size)
{
	struct berval bv = { .bv_val = (char *)data, .bv_len = size };

	return ber_init(&bv);
}

/* Controls and messages of live searches, as a server sends them. */
void fuzz_one(const unsigned char *bytes, size_t size)
{
	struct referral_sync_entry entry;
	struct referral_sync_info info;
	struct referral_sync_done done;
	const char *error;
	BerElement *ber;
	unsigned char *data;

	/* with nothing behind it */
	data = malloc(I_MAX(size, 1));
	if (size > 0)
		memcpy(data, bytes, size);

	error = NULL;
	if (referral_sync_entry_parse(data, size, &entry, &error) == 0) {
		ber = ber_from(data, size);
		check_entry(ber, &entry);
		ber_free(ber, 1);
	} else
		fuzz_check_printable(error);
	error = NULL;
	if (referral_sync_info_parse(data, size, &info, &error) == 0) {
		ber = ber_from(data, size);
		check_info(ber, &info);
		ber_free(ber, 1);
	} else
		fuzz_check_printable(error);
	error = NULL;
	if (referral_sync_done_parse(data, size, &done, &error) == 0) {
		ber = ber_from(data, size);
		check_done(ber, &done);
		ber_free(ber, 1);
	} else
		fuzz_check_printable(error);
	free(data);
}
