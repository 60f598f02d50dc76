/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "hash.h"
#include "llist.h"
#include "str.h"
#include "referral-key.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-entry-values.h"
#include "referral-home-cache.h"
#include "referral-home-value.h"
#include "referral-stale.h"
#include "referral-user-entry.h"
#include "referral-value-log.h"
#include "referral-home.h"

/* RFC 4530 */
#define ATTRIBUTE_UUID "entryUUID"

/* Somebody who waits for a search. */
struct referral_home_waiter {
	struct referral_home_waiter *prev, *next;
	referral_directory_callback_t *callback;
	void *context;
};

struct referral_home_search {
	struct referral_home_search *prev, *next;
	struct referral_homes *homes;
	char *user;
	/* In the order in which they came. */
	struct referral_home_waiter *waiters_head, *waiters_tail;
	/* Its answer may be older than what is known by now: it is not cached,
	   and nobody else may wait for it. */
	bool outdated;
};

struct referral_homes {
	const struct referral_ldap_settings *set;
	struct referral_ldap_connection *conn;
	struct referral_value_log *log;
	struct referral_home_cache *cache;
	struct referral_stale *stale;

	/* All that are in flight. */
	struct referral_home_search *searches;
	/* Those of them that are not outdated, by user. */
	HASH_TABLE(char *, struct referral_home_search *) searches_by_user;
	uintmax_t search_count;
};

/*
 * Entries
 */

/* Get the word that an entry has for the answer to logins, or NULL. */
static const char *
home_entry_get_login(struct referral_homes *homes,
		     const struct referral_ldap_entry *entry)
{
	/* If there are both, the last one counts. */
	static const char *const words[] = {
		REFERRAL_HOME_OFFER, REFERRAL_HOME_REFER, NULL
	};
	const char *attribute = homes->set->home_login_attribute;
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;
	int word, found = -1;

	referral_ldap_entry_get_values(entry, attribute, &values);
	array_foreach(&values, value) {
		word = referral_entry_value_find(value, words);
		if (word < 0) {
			referral_value_log_skip(homes->log, entry->dn,
				attribute, value->data,
				"expected refer or offer");
		}
		found = I_MAX(found, word);
	}
	return found < 0 ? NULL : words[found];
}

/* Get the home servers that an entry names. Returns 1 if there are any, 0 if it
   names none, -1 if none of them is usable. */
static int
home_entry_parse(struct referral_homes *homes,
		 const struct referral_ldap_entry *entry, string_t *value_r)
{
	ARRAY_TYPE(referral_ldap_value) servers;
	const char *login;

	if (referral_home_values_get(entry, homes->set, homes->log,
				     &servers) == 0)
		return 0;
	if (array_count(&servers) == 0)
		return -1;
	if ((login = home_entry_get_login(homes, entry)) != NULL)
		str_printfa(value_r, "%s ", login);
	referral_ldap_values_sort(&servers);
	referral_ldap_values_append(value_r, &servers);
	return 1;
}

/* Get what tells us later that the entry has changed; empty if it has none. */
static void
home_entry_get_uuid(const struct referral_ldap_entry *entry, guid_128_t uuid_r)
{
	ARRAY_TYPE(referral_ldap_bytes) values;
	const struct referral_ldap_bytes *value;

	guid_128_empty(uuid_r);
	referral_ldap_entry_get_values(entry, ATTRIBUTE_UUID, &values);
	array_foreach(&values, value) {
		if (guid_128_from_uuid_string(value->data, uuid_r) == 0)
			return;
		guid_128_empty(uuid_r);
	}
}

static void
home_result_parse(struct referral_homes *homes,
		  struct referral_ldap_result *ldap_result,
		  struct referral_directory_result *result, guid_128_t uuid_r)
{
	struct referral_ldap_entry entry;
	string_t *value = t_str_new(128);

	result->ret = referral_user_entry_get(homes->set, ldap_result, &entry,
					      &result->error);
	if (result->ret <= 0)
		return;
	result->ret = home_entry_parse(homes, &entry, value);
	result->value = str_c(value);
	result->error = "The entry names no usable home server";
	home_entry_get_uuid(&entry, uuid_r);
}

/*
 * Searches
 */

/* Answer with what was known, if that may be done. */
static bool
home_search_use_stale(struct referral_home_search *search,
		      struct referral_directory_result *result)
{
	struct referral_homes *homes = search->homes;
	struct timeval added;
	const char *value;

	if (!referral_home_cache_lookup_stale(homes->cache, search->user,
					      &value, &added) ||
	    !referral_stale_use(homes->stale, &added))
		return FALSE;
	result->ret = value != NULL ? 1 : 0;
	/* callbacks may change the cache */
	result->value = t_strdup(value);
	result->stale = TRUE;
	return TRUE;
}

static void
home_search_get_result(struct referral_home_search *search,
		       struct referral_ldap_result *ldap_result,
		       struct referral_directory_result *result_r)
{
	struct referral_homes *homes = search->homes;
	guid_128_t uuid;

	i_zero(result_r);
	guid_128_empty(uuid);
	if (ldap_result->error != NULL && !ldap_result->refused) {
		referral_stale_failed(homes->stale, ldap_result->error);
		if (!home_search_use_stale(search, result_r)) {
			result_r->ret = -1;
			result_r->error = ldap_result->error;
		}
		/* nothing new is known */
		return;
	}
	referral_stale_answered(homes->stale);
	home_result_parse(homes, ldap_result, result_r, uuid);

	if (search->outdated)
		return;
	if (result_r->ret < 0) {
		/* whatever it said before is not true any more */
		referral_home_cache_remove(homes->cache, search->user);
	} else {
		referral_home_cache_add(homes->cache, search->user,
			result_r->ret > 0 ? result_r->value : NULL, uuid);
	}
}

static void home_search_detach(struct referral_home_search *search)
{
	if (!search->outdated) {
		hash_table_remove(search->homes->searches_by_user,
				  search->user);
	}
}

static void
home_search_callback(struct referral_ldap_result *ldap_result,
		     struct referral_home_search *search)
{
	struct referral_directory_result result;
	struct referral_home_waiter *waiter;

	home_search_get_result(search, ldap_result, &result);
	/* callbacks may look up the same user again */
	home_search_detach(search);
	DLLIST_REMOVE(&search->homes->searches, search);
	while ((waiter = search->waiters_head) != NULL) {
		DLLIST2_REMOVE(&search->waiters_head, &search->waiters_tail,
			       waiter);
		T_BEGIN {
			waiter->callback(&result, waiter->context);
		} T_END;
		i_free(waiter);
	}
	i_free(search->user);
	i_free(search);
}

static void
home_search_start(struct referral_home_search *search,
		  struct referral_ldap_search *ldap_search)
{
	struct referral_homes *homes = search->homes;
	const struct referral_ldap_settings *set = homes->set;
	const char *const attributes[] = {
		set->home_attribute, set->home_login_attribute,
		/* operational: only those get it who ask for it */
		set->live == REFERRAL_LDAP_LIVE_ALL ? ATTRIBUTE_UUID : NULL,
		NULL
	};

	ldap_search->attributes = attributes;
	homes->search_count++;
	/* it may be finished, and so freed, when that returns */
	referral_ldap_connection_search(homes->conn, ldap_search,
					home_search_callback, search);
}

#undef referral_homes_lookup
void referral_homes_lookup(struct referral_homes *homes, const char *user,
			   referral_directory_callback_t *callback,
			   void *context)
{
	struct referral_directory_result result;
	struct referral_ldap_search ldap_search;
	struct referral_home_search *search;
	struct referral_home_waiter *waiter;
	bool new_search;

	i_zero(&result);
	if (referral_home_cache_lookup(homes->cache, user, &result.value)) {
		result.ret = result.value != NULL ? 1 : 0;
		result.cached = TRUE;
		/* the callback may change the cache */
		result.value = t_strdup(result.value);
		callback(&result, context);
		return;
	}
	if (!referral_user_entry_get_search(homes->set, user, &ldap_search)) {
		result.cached = TRUE;
		callback(&result, context);
		return;
	}

	search = hash_table_lookup(homes->searches_by_user, user);
	new_search = search == NULL;
	if (new_search) {
		search = i_new(struct referral_home_search, 1);
		search->homes = homes;
		search->user = i_strdup(user);
		DLLIST_PREPEND(&homes->searches, search);
		hash_table_insert(homes->searches_by_user, search->user,
				  search);
	}
	waiter = i_new(struct referral_home_waiter, 1);
	waiter->callback = callback;
	waiter->context = context;
	DLLIST2_APPEND(&search->waiters_head, &search->waiters_tail, waiter);
	if (new_search)
		home_search_start(search, &ldap_search);
}

/*
 * Homes
 */

/* Answers that are on their way may be those from before something changed.
   Whose they are is not known yet. */
static void homes_outdate_searches(struct referral_homes *homes)
{
	struct referral_home_search *search;

	for (search = homes->searches; search != NULL; search = search->next) {
		home_search_detach(search);
		search->outdated = TRUE;
	}
}

void referral_homes_entry_changed(struct referral_homes *homes,
				  const guid_128_t uuid)
{
	homes_outdate_searches(homes);
	referral_home_cache_entry_changed(homes->cache, uuid);
}

unsigned int referral_homes_flush(struct referral_homes *homes)
{
	homes_outdate_searches(homes);
	return referral_home_cache_clear(homes->cache);
}

unsigned int referral_homes_count(const struct referral_homes *homes)
{
	return referral_home_cache_count(homes->cache);
}

uintmax_t referral_homes_search_count(const struct referral_homes *homes)
{
	return homes->search_count;
}

struct referral_homes *
referral_homes_init(struct referral_ldap_connection *conn,
		    const struct referral_ldap_settings *set,
		    struct referral_value_log *log, struct event *event)
{
	struct referral_homes *homes;

	homes = i_new(struct referral_homes, 1);
	homes->set = set;
	homes->conn = conn;
	homes->log = log;
	homes->cache = referral_home_cache_init(set->home_cache_size,
						set->home_ttl_msecs,
						set->home_negative_ttl_msecs,
						set->stale_time_msecs);
	homes->stale = referral_stale_init("homes", set->stale_time_msecs,
					   event);
	hash_table_create(&homes->searches_by_user, default_pool, 0,
			  str_hash, strcmp);
	return homes;
}

void referral_homes_stop(struct referral_homes *homes)
{
	referral_stale_stop(homes->stale);
}

void referral_homes_deinit(struct referral_homes **_homes)
{
	struct referral_homes *homes = *_homes;

	*_homes = NULL;
	i_assert(homes->searches == NULL);
	hash_table_destroy(&homes->searches_by_user);
	referral_stale_deinit(&homes->stale);
	referral_home_cache_deinit(&homes->cache);
	i_free(homes);
}
