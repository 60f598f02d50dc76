/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "fake-ldap-sync.h"

#define UUID_SIZE 16

/* Get what was written, which is the caller's to free with the BerElement. */
static void ber_get(BerElement *ber, struct berval *data_r)
{
	if (ber_flatten2(ber, data_r, 0) < 0)
		i_fatal_status(FATAL_OUTOFMEM, "ber_flatten2() failed");
}

static void send_and_free(struct fake_ldap_request *request, BerElement *ber)
{
	struct berval data;

	ber_get(ber, &data);
	if (request->conn != NULL)
		fake_ldap_send_bytes(request, data.bv_val, data.bv_len);
	ber_free(ber, 1);
}

static const char *uuid_fill(char c)
{
	char *uuid = t_malloc_no0(UUID_SIZE);

	memset(uuid, c, UUID_SIZE);
	return uuid;
}

void fake_ldap_send_sync_entry_bytes(struct fake_ldap_request *request,
				     const struct fake_ldap_entry *entry,
				     const void *data, size_t size)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{");
	fake_ldap_write_entry(ber, request, entry);
	if (data != NULL) {
		(void)ber_printf(ber, "t{{so}}", (ber_tag_t)LDAP_TAG_CONTROLS,
				 LDAP_CONTROL_SYNC_STATE, data,
				 (ber_len_t)size);
	}
	(void)ber_printf(ber, "}");
	send_and_free(request, ber);
}

void fake_ldap_send_sync_entry(struct fake_ldap_request *request,
			       const struct fake_ldap_entry *entry,
			       int state, char uuid, const char *cookie)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);
	struct berval data;

	(void)ber_printf(ber, "{eo", state, uuid_fill(uuid),
			 (ber_len_t)UUID_SIZE);
	if (cookie != NULL)
		(void)ber_printf(ber, "s", cookie);
	(void)ber_printf(ber, "}");
	ber_get(ber, &data);
	fake_ldap_send_sync_entry_bytes(request, entry, data.bv_val,
					data.bv_len);
	ber_free(ber, 1);
}

void fake_ldap_send_sync_info_bytes(struct fake_ldap_request *request,
				    const void *data, size_t size)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "{it{tsto}}", request->msgid,
			 (ber_tag_t)LDAP_RES_INTERMEDIATE,
			 (ber_tag_t)LDAP_TAG_IM_RES_OID, LDAP_SYNC_INFO,
			 (ber_tag_t)LDAP_TAG_IM_RES_VALUE, data,
			 (ber_len_t)size);
	send_and_free(request, ber);
}

/* Sends and frees. */
static void send_info(struct fake_ldap_request *request, BerElement *ber)
{
	struct berval data;

	ber_get(ber, &data);
	fake_ldap_send_sync_info_bytes(request, data.bv_val, data.bv_len);
	ber_free(ber, 1);
}

void fake_ldap_send_sync_phase(struct fake_ldap_request *request, ber_tag_t tag,
			       const char *cookie, bool done)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "t{", tag);
	if (cookie != NULL)
		(void)ber_printf(ber, "s", cookie);
	if (!done)
		(void)ber_printf(ber, "b", 0);
	(void)ber_printf(ber, "}");
	send_info(request, ber);
}

void fake_ldap_send_sync_ids(struct fake_ldap_request *request, bool gone,
			     const char *uuids, const char *cookie)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "t{", (ber_tag_t)LDAP_TAG_SYNC_ID_SET);
	if (cookie != NULL)
		(void)ber_printf(ber, "s", cookie);
	if (gone)
		(void)ber_printf(ber, "b", 1);
	(void)ber_printf(ber, "[");
	for (; *uuids != '\0'; uuids++) {
		(void)ber_printf(ber, "o", uuid_fill(*uuids),
				 (ber_len_t)UUID_SIZE);
	}
	(void)ber_printf(ber, "]}");
	send_info(request, ber);
}

void fake_ldap_send_sync_cookie(struct fake_ldap_request *request,
				const char *cookie)
{
	BerElement *ber = ber_alloc_t(LBER_USE_DER);

	(void)ber_printf(ber, "ts", (ber_tag_t)LDAP_TAG_SYNC_NEW_COOKIE,
			 cookie);
	send_info(request, ber);
}
