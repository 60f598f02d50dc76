#ifndef FAKE_LDAP_SYNC_H
#define FAKE_LDAP_SYNC_H

#include "fake-ldap.h"

/* What a server sends in a live search (RFC 4533). Entries have UUIDs that
   consist of one character; a cookie that is NULL is left out. */

/* state: LDAP_SYNC_ADD, ... */
void fake_ldap_send_sync_entry(struct fake_ldap_request *request,
			       const struct fake_ldap_entry *entry,
			       int state, char uuid, const char *cookie)
	ATTR_NULL(5);
/* An entry with any bytes as the Sync State control; NULL: none */
void fake_ldap_send_sync_entry_bytes(struct fake_ldap_request *request,
				     const struct fake_ldap_entry *entry,
				     const void *data, size_t size)
	ATTR_NULL(3);
/* The end of a phase of the refresh. tag: LDAP_TAG_SYNC_REFRESH_DELETE or
   _PRESENT */
void fake_ldap_send_sync_phase(struct fake_ldap_request *request, ber_tag_t tag,
			       const char *cookie, bool done) ATTR_NULL(3);
/* Entries that are gone or present: a character for each */
void fake_ldap_send_sync_ids(struct fake_ldap_request *request, bool gone,
			     const char *uuids, const char *cookie) ATTR_NULL(4);
void fake_ldap_send_sync_cookie(struct fake_ldap_request *request,
				const char *cookie);
/* Any bytes as a Sync Info message */
void fake_ldap_send_sync_info_bytes(struct fake_ldap_request *request,
				    const void *data, size_t size);

#endif
