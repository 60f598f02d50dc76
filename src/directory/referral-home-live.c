/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-home.h"
#include "referral-sync.h"
#include "referral-home-live.h"

/* When it was lost it is begun again after that time, which doubles each time
   that this fails: each attempt may make the server send everything. */
#define HOME_LIVE_RETRY_MIN_MSECS 1000
/* The longest time. And the administrator may have made possible meanwhile what
   was not. */
#define HOME_LIVE_FALLBACK_RETRY_MSECS (10*60*1000)
/* Connections are lost now and then: that homes are not live is logged when so
   many attempts in a row have ended with that. */
#define HOME_LIVE_MAX_LOST 3

struct referral_home_live {
	struct referral_homes *homes;
	struct event *event;

	/* NULL: there is nothing to search for */
	struct referral_sync *sync;
	struct timeout *to_retry;
	/* 0 = it has worked since */
	unsigned int retry_msecs;
	/* How often it was lost since */
	unsigned int lost_count;

	bool started;
	bool stopped;
	/* That it is not possible was logged. */
	bool fallback;
};

static void home_live_retry(struct referral_home_live *live)
{
	timeout_remove(&live->to_retry);
	referral_sync_start(live->sync);
}

/*
 * What comes
 */

static void
home_live_begin(bool everything ATTR_UNUSED, void *context ATTR_UNUSED)
{
}

static void home_live_changed(const guid_128_t uuid, void *context)
{
	struct referral_home_live *live = context;

	/* in a refresh, all is forgotten at its end */
	if (referral_sync_is_live(live->sync))
		referral_homes_entry_changed(live->homes, uuid);
}

static void
home_live_entry(const struct referral_ldap_entry *entry ATTR_UNUSED,
		const guid_128_t uuid, void *context)
{
	home_live_changed(uuid, context);
}

static void
home_live_present(const guid_128_t uuid ATTR_UNUSED, void *context ATTR_UNUSED)
{
}

static void
home_live_refreshed(bool only_present ATTR_UNUSED, void *context)
{
	struct referral_home_live *live = context;

	live->retry_msecs = 0;
	live->lost_count = 0;
	if (live->fallback) {
		live->fallback = FALSE;
		e_info(live->event, "Homes are live now");
	}
	/* Which of them have changed since nobody told us is not known: who is
	   not listed as present may never have had an entry. */
	(void)referral_homes_flush(live->homes);
}

static const char *home_live_remedy(enum referral_sync_end reason)
{
	switch (reason) {
	case REFERRAL_SYNC_END_UNSUPPORTED:
		return " - the server needs the overlay syncprov for it";
	case REFERRAL_SYNC_END_SIZE_LIMIT:
		return " - the server's size limit for referral_ldap_bind_dn "
			"has to be raised for it";
	case REFERRAL_SYNC_END_REFUSED:
	case REFERRAL_SYNC_END_GARBAGE:
	case REFERRAL_SYNC_END_LOST:
		break;
	}
	return "";
}

static void
home_live_log_end(struct referral_home_live *live,
		  enum referral_sync_end reason, const char *error)
{
	if (live->fallback ||
	    (reason == REFERRAL_SYNC_END_LOST &&
	     live->lost_count < HOME_LIVE_MAX_LOST)) {
		e_debug(live->event, "Homes are not live: %s", error);
		return;
	}
	live->fallback = TRUE;
	e_info(live->event, "Homes cannot be live, so they are cached "
	       "for referral_ldap_home_ttl: %s%s", error,
	       home_live_remedy(reason));
}

static void
home_live_end(enum referral_sync_end reason, const char *error, void *context)
{
	struct referral_home_live *live = context;
	unsigned int msecs = HOME_LIVE_FALLBACK_RETRY_MSECS;

	i_assert(live->to_retry == NULL);
	if (live->stopped)
		return;
	if (reason == REFERRAL_SYNC_END_LOST) {
		live->lost_count++;
		live->retry_msecs = live->retry_msecs == 0 ?
			HOME_LIVE_RETRY_MIN_MSECS :
			I_MIN(live->retry_msecs * 2,
			      HOME_LIVE_FALLBACK_RETRY_MSECS);
		/* those who have lost it together come back one by one */
		msecs = live->retry_msecs / 2 +
			i_rand_limit(live->retry_msecs / 2);
	}
	live->to_retry = timeout_add(msecs, home_live_retry, live);
	home_live_log_end(live, reason, error);
}

/*
 * Start and end
 */

static const struct referral_sync_callbacks home_live_callbacks = {
	.begin = home_live_begin,
	.entry = home_live_entry,
	.present = home_live_present,
	.gone = home_live_changed,
	.refreshed = home_live_refreshed,
	.end = home_live_end,
};

/* All homes, wherever they may be. Returns FALSE if that is not known. */
static bool
home_live_get_search(const struct referral_ldap_settings *set,
		     struct referral_ldap_search *search_r)
{
	static const char *const attributes[] = { LDAP_NO_ATTRS, NULL };
	static const struct referral_ldap_variables no_variables = {
		.user = ""
	};

	i_zero(search_r);
	if ((referral_ldap_template_get_variables(set->home_base) &
	     REFERRAL_LDAP_VARIABLES_OF_USER) == 0) {
		search_r->base = referral_ldap_dn_expand(set->home_base,
							 &no_variables);
		search_r->scope = set->home_scope;
	} else {
		search_r->base = set->base == NULL ? NULL :
			referral_ldap_dn_expand(set->base, &no_variables);
		search_r->scope = LDAP_SCOPE_SUBTREE;
	}
	search_r->filter = t_strdup_printf("(%s=*)", set->home_attribute);
	search_r->attributes = attributes;
	return search_r->base != NULL && *search_r->base != '\0';
}

void referral_home_live_start(struct referral_home_live *live)
{
	if (live->started || live->stopped)
		return;
	live->started = TRUE;
	if (live->sync != NULL)
		referral_sync_start(live->sync);
	else {
		live->fallback = TRUE;
		e_info(live->event, "Homes cannot be live without "
		       "referral_ldap_base, if each user's home base is "
		       "another one");
	}
}

void referral_home_live_stop(struct referral_home_live *live)
{
	live->stopped = TRUE;
	timeout_remove(&live->to_retry);
	if (live->sync != NULL)
		referral_sync_stop(live->sync);
}

bool referral_home_live_is_live(const struct referral_home_live *live)
{
	return live->sync != NULL && referral_sync_is_live(live->sync);
}

struct referral_home_live *
referral_home_live_init(struct referral_ldap_connection *conn,
			const struct referral_ldap_settings *set,
			struct referral_homes *homes, struct event *event)
{
	struct referral_home_live *live;
	struct referral_ldap_search search;

	live = i_new(struct referral_home_live, 1);
	live->homes = homes;
	live->event = event;
	T_BEGIN {
		if (home_live_get_search(set, &search)) {
			live->sync = referral_sync_init(conn, &search,
				set->timeout_msecs, &home_live_callbacks, live);
		}
	} T_END;
	return live;
}

void referral_home_live_deinit(struct referral_home_live **_live)
{
	struct referral_home_live *live = *_live;

	*_live = NULL;
	referral_home_live_stop(live);
	if (live->sync != NULL)
		referral_sync_deinit(&live->sync);
	i_free(live);
}
