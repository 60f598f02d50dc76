/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "buffer.h"
#include "hex-binary.h"
#include "str.h"
#include "referral-sync-message.h"
#include "unit-common.h"

#define UUID "000102030405060708090a0b0c0d0e0f"
#define UUID2 "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define ID "0410" UUID
#define ID2 "0410" UUID2

/* In a block of its own, so that valgrind sees what is read behind it. */
static unsigned char *from_hex(const char *hex, size_t *size_r)
{
	buffer_t *buf = t_buffer_create(64);
	unsigned char *data;

	if (hex_to_binary(hex, buf) < 0)
		i_panic("not hexadecimal: %s", hex);
	*size_r = buf->used;
	data = i_malloc(I_MAX(buf->used, 1));
	memcpy(data, buf->data, buf->used);
	return data;
}

static const char *cookie_dump(const struct referral_sync_bytes *cookie)
{
	return cookie->data == NULL ? "-" : t_strdup_printf("'%s'",
		t_strndup(cookie->data, cookie->size));
}

static const char *entry_dump(const unsigned char *data, size_t size)
{
	struct referral_sync_entry entry;
	const char *error;

	if (referral_sync_entry_parse(data, size, &entry, &error) < 0)
		return t_strconcat("error: ", error, NULL);
	return t_strdup_printf("%d %s %s", (int)entry.state,
		binary_to_hex(entry.uuid, sizeof(entry.uuid)),
		cookie_dump(&entry.cookie));
}

static const char *info_dump(const unsigned char *data, size_t size)
{
	struct referral_sync_info info;
	string_t *str = t_str_new(128);
	const char *error;
	guid_128_t uuid;

	if (referral_sync_info_parse(data, size, &info, &error) < 0)
		return t_strconcat("error: ", error, NULL);
	str_printfa(str, "%d %s%s%s", (int)info.type, cookie_dump(&info.cookie),
		    info.refresh_done ? " done" : "",
		    info.refresh_deletes ? " deletes" : "");
	while (referral_sync_info_next_id(&info, uuid))
		str_printfa(str, " %s", binary_to_hex(uuid, sizeof(uuid)));
	return str_c(str);
}

static const char *done_dump(const unsigned char *data, size_t size)
{
	struct referral_sync_done done;
	const char *error;

	if (referral_sync_done_parse(data, size, &done, &error) < 0)
		return t_strconcat("error: ", error, NULL);
	return t_strdup_printf("%s%s", cookie_dump(&done.cookie),
			       done.refresh_deletes ? " deletes" : "");
}

struct test_message {
	const char *hex, *dump;
};

/* Whatever is cut off or flipped, nothing else is read; and what is cut off is
   never right. */
static void
check_damaged(const char *(*dump)(const unsigned char *, size_t),
	      const unsigned char *data, size_t size, unsigned int idx)
{
	size_t len, i;
	unsigned int bit;

	for (len = 0; len < size; len++) T_BEGIN {
		unsigned char *cut = i_malloc(I_MAX(len, 1));

		memcpy(cut, data, len);
		test_assert_idx(strncmp(dump(cut, len), "error: ", 7) == 0, idx);
		i_free(cut);
	} T_END;
	for (i = 0; i < size; i++) {
		for (bit = 0; bit < 8; bit++) T_BEGIN {
			unsigned char *copy = i_malloc(size);

			memcpy(copy, data, size);
			copy[i] ^= 1 << bit;
			(void)dump(copy, size);
			i_free(copy);
		} T_END;
	}
}

static void
check_messages(const char *(*dump)(const unsigned char *, size_t),
	       const struct test_message *messages, unsigned int count)
{
	unsigned char *data;
	size_t size;
	unsigned int i;

	for (i = 0; i < count; i++) T_BEGIN {
		data = from_hex(messages[i].hex, &size);
		test_assert_strcmp_idx(dump(data, size), messages[i].dump, i);
		if (strncmp(messages[i].dump, "error", 5) != 0)
			check_damaged(dump, data, size, i);
		i_free(data);
	} T_END;
}

static void test_referral_sync_entry(void)
{
#define STATE_ERROR "error: expected a state from 0 to 3"
#define UUID_ERROR "error: expected an entryUUID of 16 bytes"
#define SEQUENCE_ERROR "error: expected one sequence"
	static const struct test_message messages[] = {
		/* 0 */
		{ "3015" "0a0100" ID, "0 "UUID" -" },
		{ "3015" "0a0101" ID, "1 "UUID" -" },
		{ "3019" "0a0102" ID "04026162", "2 "UUID" 'ab'" },
		{ "3017" "0a0103" ID2 "0400", "3 "UUID2" ''" },
		/* 4: longer lengths than needed */
		{ "308115" "0a0101" ID, "1 "UUID" -" },
		{ "3084000000150a0101" ID, "1 "UUID" -" },
		/* 6: errors */
		{ "", SEQUENCE_ERROR },
		{ "30", SEQUENCE_ERROR },
		{ "3080" "0a0101" ID "0000", SEQUENCE_ERROR },
		{ "30850000000015" "0a0101" ID, SEQUENCE_ERROR },
		{ "3115" "0a0101" ID, SEQUENCE_ERROR },
		{ "3015" "0a0101" ID "00", SEQUENCE_ERROR },
		{ "3016" "0a0101" ID, SEQUENCE_ERROR },
		{ "3084ffffffff" "0a0101" ID, SEQUENCE_ERROR },
		/* 14 */
		{ "3000", STATE_ERROR },
		{ "3015" "0a0104" ID, STATE_ERROR },
		{ "3015" "0a01ff" ID, STATE_ERROR },
		{ "3015" "020101" ID, STATE_ERROR },
		{ "3016" "0a020001" ID, STATE_ERROR },
		{ "3014" "0a00" ID, STATE_ERROR },
		/* 20 */
		{ "3003" "0a0101", UUID_ERROR },
		{ "3005" "0a0101" "0400", UUID_ERROR },
		{ "3014" "0a0101" "040f000102030405060708090a0b0c0d0e",
		  UUID_ERROR },
		{ "3016" "0a0101" "0411" UUID "00", UUID_ERROR },
		/* 24 */
		{ "3017" "0a0101" ID "0500", "error: expected nothing more" },
		{ "3019" "0a0101" ID "0400" "0400",
		  "error: expected nothing more" },
		{ "3017" "0a0101" ID "0401",
		  "error: expected a cookie of at most 4096 bytes" },
	};

	test_begin("referral sync message: entry");
	check_messages(entry_dump, messages, N_ELEMENTS(messages));
	test_end();
}

static void test_referral_sync_info(void)
{
#define COOKIE_ERROR "error: expected a cookie of at most 4096 bytes"
#define ELEMENT_ERROR "error: expected one element"
#define SET_ERROR "error: expected a set of entryUUIDs"
	static const struct test_message messages[] = {
		/* 0 */
		{ "8003616263", "0 'abc'" },
		{ "8000", "0 ''" },
		{ "a100", "1 - done" },
		{ "a200", "2 - done" },
		{ "a103" "010100", "1 -" },
		{ "a203" "010100", "2 -" },
		{ "a106" "040161" "0101ff", "1 'a' done" },
		{ "a203" "040161", "2 'a' done" },
		/* 8 */
		{ "a302" "3100", "3 -" },
		{ "a314" "3112" ID, "3 - "UUID },
		{ "a326" "3124" ID ID2, "3 - "UUID" "UUID2 },
		{ "a32c" "040161" "010101" "3124" ID ID2,
		  "3 'a' deletes "UUID" "UUID2 },
		{ "a317" "010100" "3112" ID, "3 - "UUID },
		/* 13: errors */
		{ "", ELEMENT_ERROR },
		{ "80", ELEMENT_ERROR },
		{ "800161" "00", ELEMENT_ERROR },
		{ "8100", "error: expected a new cookie, the end of a phase, "
		  "or a set of entryUUIDs" },
		{ "a400", "error: expected a new cookie, the end of a phase, "
		  "or a set of entryUUIDs" },
		/* 18 */
		{ "a102" "0402", COOKIE_ERROR },
		{ "a102" "0100", "error: expected a boolean" },
		{ "a104" "01020000", "error: expected a boolean" },
		{ "a106" "0101ff" "040161", "error: expected nothing more" },
		{ "a102" "3100", "error: expected nothing more" },
		/* 23 */
		{ "a300", SET_ERROR },
		{ "a302" "3000", SET_ERROR },
		{ "a304" "3100" "3100", SET_ERROR },
		{ "a304" "3102" "0400", UUID_ERROR },
		{ "a325" "3123" ID "040ff0f1f2f3f4f5f6f7f8f9fafbfcfdfe",
		  UUID_ERROR },
	};

	test_begin("referral sync message: info");
	check_messages(info_dump, messages, N_ELEMENTS(messages));
	test_end();
}

static void test_referral_sync_done(void)
{
	static const struct test_message messages[] = {
		{ "3000", "-" },
		{ "3003" "040161", "'a'" },
		{ "3006" "040161" "0101ff", "'a' deletes" },
		{ "3003" "0101ff", "- deletes" },
		{ "3003" "010100", "-" },
		{ "", SEQUENCE_ERROR },
		{ "3006" "0101ff" "040161", "error: expected nothing more" },
		{ "3002" "0100", "error: expected a boolean" },
	};

	test_begin("referral sync message: done");
	check_messages(done_dump, messages, N_ELEMENTS(messages));
	test_end();
}

static void test_referral_sync_request(void)
{
	static const size_t sizes[] = {
		0, 1, 100, 122, 123, 127, 128, 255, 256, 4095, 4096
	};
	static unsigned char data[REFERRAL_SYNC_MAX_COOKIE_SIZE];
	struct referral_sync_bytes cookie = { .data = NULL }, request;
	struct referral_sync_info info;
	buffer_t *buf;
	const char *error;
	unsigned int i;

	test_begin("referral sync message: request");
	request = referral_sync_request_create(&cookie);
	test_assert_strcmp(binary_to_hex(request.data, request.size),
			   "3003" "0a0103");
	cookie.data = (const unsigned char *)"ab";
	cookie.size = 2;
	request = referral_sync_request_create(&cookie);
	test_assert_strcmp(binary_to_hex(request.data, request.size),
			   "3007" "0a0103" "04026162");
	/* lengths: read it as another message that begins with a cookie */
	cookie.data = data;
	for (i = 0; i < N_ELEMENTS(sizes); i++) T_BEGIN {
		cookie.size = sizes[i];
		request = referral_sync_request_create(&cookie);
		buf = t_buffer_create(request.size + 8);
		buffer_append_c(buf, 0xa1);
		buffer_append_c(buf, 0x82);
		/* without the mode, and with its own tag and length */
		size_t header = request.data[1] < 0x80 ? 2 : 4;
		size_t left = request.size - header - 3;
		buffer_append_c(buf, left >> 8);
		buffer_append_c(buf, left & 0xff);
		buffer_append(buf, request.data + header + 3, left);
		test_assert_idx(referral_sync_info_parse(buf->data, buf->used,
			&info, &error) == 0, i);
		test_assert_idx(info.cookie.size == sizes[i], i);
		if (header == 4) {
			test_assert_idx((request.data[2] << 8 |
					 request.data[3]) ==
					(int)(request.size - 4), i);
		} else {
			test_assert_idx(request.data[1] ==
					request.size - 2, i);
		}
	} T_END;
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_sync_entry,
		test_referral_sync_info,
		test_referral_sync_done,
		test_referral_sync_request,
		NULL
	};
	return unit_run(test_functions);
}
