#ifndef REFERRAL_SYNC_MESSAGE_H
#define REFERRAL_SYNC_MESSAGE_H

#include "guid.h"

/* The messages of RFC 4533 (sections 2.2 to 2.5 and 3.1), which are foreign
   data: what is not exactly as it is specified there is refused. All pointers
   point into what was parsed. */

/* A server's cookie says what is known. Longer ones are refused. In bytes. */
#define REFERRAL_SYNC_MAX_COOKIE_SIZE 4096

struct referral_sync_bytes {
	const unsigned char *data;
	size_t size;
};

/* A request for refreshAndPersist with this cookie (data is NULL: none),
   allocated from the data stack. */
struct referral_sync_bytes
referral_sync_request_create(const struct referral_sync_bytes *cookie);

enum referral_sync_state {
	REFERRAL_SYNC_STATE_PRESENT = 0,
	REFERRAL_SYNC_STATE_ADD = 1,
	REFERRAL_SYNC_STATE_MODIFY = 2,
	REFERRAL_SYNC_STATE_DELETE = 3,
};

/* The control with each entry. */
struct referral_sync_entry {
	enum referral_sync_state state;
	guid_128_t uuid;
	/* data is NULL: none */
	struct referral_sync_bytes cookie;
};

/* Returns 0, or -1 with what was expected. */
int referral_sync_entry_parse(const unsigned char *data, size_t size,
			      struct referral_sync_entry *entry_r,
			      const char **error_r);

enum referral_sync_info_type {
	REFERRAL_SYNC_INFO_NEW_COOKIE = 0,
	REFERRAL_SYNC_INFO_REFRESH_DELETE = 1,
	REFERRAL_SYNC_INFO_REFRESH_PRESENT = 2,
	REFERRAL_SYNC_INFO_ID_SET = 3,
};

/* A message between entries. */
struct referral_sync_info {
	enum referral_sync_info_type type;
	/* data is NULL: none */
	struct referral_sync_bytes cookie;
	/* REFRESH_*: the refresh is over. */
	bool refresh_done;
	/* ID_SET: these entries are gone; if not, they are present. */
	bool refresh_deletes;
	/* The IDs that are left */
	struct referral_sync_bytes ids;
};

int referral_sync_info_parse(const unsigned char *data, size_t size,
			     struct referral_sync_info *info_r,
			     const char **error_r);
/* Returns FALSE when there are no more. */
bool referral_sync_info_next_id(struct referral_sync_info *info,
				guid_128_t uuid_r);

/* The control with the result. */
struct referral_sync_done {
	/* data is NULL: none */
	struct referral_sync_bytes cookie;
	bool refresh_deletes;
};

int referral_sync_done_parse(const unsigned char *data, size_t size,
			     struct referral_sync_done *done_r,
			     const char **error_r);

#endif
