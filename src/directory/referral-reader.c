/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "referral-ldap-dn.h"
#include "referral-reader.h"

#define READER_ANYONE "anyone"
/* As long as a DN of many levels. */
#define READER_MAX_LENGTH 4096

struct referral_readers {
	int refcount;
	pool_t pool;
	bool anyone;
	/* Normalized */
	ARRAY_TYPE(const_string) dns;
	ARRAY_TYPE(const_string) users;
};

struct referral_reader {
	int refcount;
	pool_t pool;
	const char *user;
	/* Normalized */
	HASH_TABLE(const char *, const char *) dns;
	bool known;
};

/*
 * Readers of a mailbox
 */

struct referral_readers *referral_readers_init(void)
{
	struct referral_readers *readers;
	pool_t pool;

	pool = pool_alloconly_create("referral readers", 256);
	readers = p_new(pool, struct referral_readers, 1);
	readers->pool = pool;
	readers->refcount = 1;
	p_array_init(&readers->dns, pool, 2);
	p_array_init(&readers->users, pool, 2);
	return readers;
}

void referral_readers_ref(struct referral_readers *readers)
{
	i_assert(readers->refcount > 0);
	readers->refcount++;
}

void referral_readers_unref(struct referral_readers **_readers)
{
	struct referral_readers *readers = *_readers;

	*_readers = NULL;
	if (readers == NULL)
		return;
	i_assert(readers->refcount > 0);
	if (--readers->refcount == 0)
		pool_unref(&readers->pool);
}

bool referral_readers_add(struct referral_readers *readers,
			  const char *data, size_t size, const char **error_r)
{
	const char *dn, *value;

	if (size == 0 || size > READER_MAX_LENGTH ||
	    memchr(data, '\0', size) != NULL) {
		*error_r = "expected a DN, a login name or anyone";
		return FALSE;
	}
	value = t_strndup(data, size);
	if (strcasecmp(value, READER_ANYONE) == 0)
		readers->anyone = TRUE;
	else if (referral_ldap_dn_normalize(value, &dn)) {
		dn = p_strdup(readers->pool, dn);
		array_push_back(&readers->dns, &dn);
	} else {
		value = p_strdup(readers->pool, value);
		array_push_back(&readers->users, &value);
	}
	return TRUE;
}

/*
 * Who asks
 */

struct referral_reader *referral_reader_init(const char *user)
{
	struct referral_reader *reader;
	pool_t pool;

	pool = pool_alloconly_create("referral reader", 512);
	reader = p_new(pool, struct referral_reader, 1);
	reader->pool = pool;
	reader->refcount = 1;
	reader->user = p_strdup(pool, user);
	/* nobody is in no group */
	reader->known = *user == '\0';
	hash_table_create(&reader->dns, pool, 0, str_hash, strcmp);
	return reader;
}

void referral_reader_ref(struct referral_reader *reader)
{
	i_assert(reader->refcount > 0);
	reader->refcount++;
}

void referral_reader_unref(struct referral_reader **_reader)
{
	struct referral_reader *reader = *_reader;

	*_reader = NULL;
	if (reader == NULL)
		return;
	i_assert(reader->refcount > 0);
	if (--reader->refcount > 0)
		return;
	hash_table_destroy(&reader->dns);
	pool_unref(&reader->pool);
}

bool referral_reader_add_dn(struct referral_reader *reader, const char *dn)
{
	const char *normalized;

	i_assert(!reader->known);
	if (!referral_ldap_dn_normalize(dn, &normalized))
		return FALSE;
	if (hash_table_lookup(reader->dns, normalized) == NULL) {
		normalized = p_strdup(reader->pool, normalized);
		hash_table_insert(reader->dns, normalized, normalized);
	}
	return TRUE;
}

void referral_reader_set_known(struct referral_reader *reader)
{
	reader->known = TRUE;
}

const char *referral_reader_get_user(const struct referral_reader *reader)
{
	return reader->user;
}

size_t referral_reader_get_size(const struct referral_reader *reader)
{
	/* what the pool has, and the table's buckets: a hash, key, value and
	   pointer each, and as many again that are empty */
	return pool_alloconly_get_total_alloc_size(reader->pool) +
		hash_table_count(reader->dns) * 8 * sizeof(void *);
}

enum referral_reader_match
referral_reader_match(const struct referral_reader *reader,
		      const struct referral_readers *readers)
{
	const char *value;

	if (readers == NULL || readers->anyone)
		return REFERRAL_READER_YES;
	/* there is no empty name among them */
	array_foreach_elem(&readers->users, value) {
		if (strcmp(value, reader->user) == 0)
			return REFERRAL_READER_YES;
	}
	array_foreach_elem(&readers->dns, value) {
		if (!reader->known)
			return REFERRAL_READER_UNKNOWN;
		if (hash_table_lookup(reader->dns, value) != NULL)
			return REFERRAL_READER_YES;
	}
	return REFERRAL_READER_NO;
}
