#ifndef UNIT_LDAP_H
#define UNIT_LDAP_H

#include "unit-common.h"
#include "fake-ldap.h"

struct referral_ldap_connection;
struct referral_ldap_result;

/* Defaults, but with base dc=test and live=no, and pairs of names without referral_ldap_ and
   values, ended by NULL. */
struct referral_ldap_settings *
unit_ldap_settings(pool_t pool, ...) ATTR_SENTINEL;

/* One search, as its callback saw it. */
struct unit_search {
	struct referral_ldap_connection *conn;
	unsigned int callback_count;
	/* NULL if it was successful */
	char *error;
	bool refused, cookie_lost, truncated;
	/* The entries: "<dn>: <cn>,<cn>; <dn>: ..." */
	char *entries;
	char *cookie;

	/* Do that before the entries are read, and afterwards. */
	void (*before)(struct unit_search *search);
	void (*after)(struct unit_search *search);
	void *context;
};

/* Search dc=test for a filter and the attribute cn. */
void unit_search(struct referral_ldap_connection *conn,
		 struct unit_search *search_r, const char *filter);
/* Search with what is set already. */
void unit_search_start(struct unit_search *search, const char *filter,
		       unsigned int size_limit, unsigned int page_size,
		       const char *cookie) ATTR_NULL(5);
/* Forget what the callback saw. */
void unit_search_free(struct unit_search *search);

/* Whether the connection has seen that its server has left. */
bool unit_is_disconnected(struct referral_ldap_connection *conn);

/* Answer a search with one entry, "cn=<cn>,dc=test". */
void unit_answer(struct fake_ldap_request *request, const char *cn);
/* A fake_ldap_handler_t that does it with the filter as the name. */
void unit_answer_handler(struct fake_ldap_request *request, void *context);

#endif
