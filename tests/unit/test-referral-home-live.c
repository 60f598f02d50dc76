/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-home.h"
#include "referral-home-live.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-sync.h"
#include "referral-value-log.h"
#include "unit-ldap.h"

/* The live search is a fake, that a test has say what it wants; the linker
   takes these functions in place of those of referral-sync.c. */

struct referral_sync {
	struct referral_sync_callbacks callbacks;
	void *context;
	char *base, *filter, *attribute;
	int scope;
	bool running, live;
	unsigned int start_count;
};

/* The last one */
static struct referral_sync *test_sync;

struct referral_sync *
referral_sync_init(struct referral_ldap_connection *conn ATTR_UNUSED,
		   const struct referral_ldap_search *search,
		   unsigned int timeout_msecs,
		   const struct referral_sync_callbacks *callbacks,
		   void *context)
{
	struct referral_sync *sync;

	test_assert(timeout_msecs == 20000);
	test_assert(search->attributes[1] == NULL);
	sync = i_new(struct referral_sync, 1);
	sync->callbacks = *callbacks;
	sync->context = context;
	sync->base = i_strdup(search->base);
	sync->filter = i_strdup(search->filter);
	sync->attribute = i_strdup(search->attributes[0]);
	sync->scope = search->scope;
	test_sync = sync;
	return sync;
}

void referral_sync_deinit(struct referral_sync **sync)
{
	test_assert(!(*sync)->running);
	i_free((*sync)->base);
	i_free((*sync)->filter);
	i_free((*sync)->attribute);
	i_free(*sync);
	test_sync = NULL;
}

void referral_sync_start(struct referral_sync *sync)
{
	test_assert(!sync->running);
	sync->running = TRUE;
	sync->start_count++;
}

void referral_sync_stop(struct referral_sync *sync)
{
	sync->running = sync->live = FALSE;
}

void referral_sync_forget(struct referral_sync *sync ATTR_UNUSED)
{
}

bool referral_sync_is_running(const struct referral_sync *sync)
{
	return sync->running;
}

bool referral_sync_is_live(const struct referral_sync *sync)
{
	return sync->live;
}

static void sync_refreshed(void)
{
	test_sync->callbacks.begin(TRUE, test_sync->context);
	test_sync->live = TRUE;
	test_sync->callbacks.refreshed(TRUE, test_sync->context);
}

static void sync_end(enum referral_sync_end reason)
{
	referral_sync_stop(test_sync);
	test_sync->callbacks.end(reason, "ldap://a: wrong",
				 test_sync->context);
}

static struct ioloop *test_ioloop;
static pool_t test_pool;
static struct event *test_event;
static struct fake_ldap *test_server;
static struct referral_ldap_connection *test_conn;
static struct referral_value_log *test_log;
static struct referral_homes *test_homes;
static struct referral_home_live *test_live;

static const guid_128_t test_uuid = { 1 };
static unsigned int test_info_count;

static void ATTR_FORMAT(2, 0)
test_info(const struct failure_context *ctx ATTR_UNUSED,
	  const char *format ATTR_UNUSED, va_list args ATTR_UNUSED)
{
	test_info_count++;
}

static void test_handler(struct fake_ldap_request *request,
			 void *context ATTR_UNUSED)
{
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
}

static void
test_live_begin(const char *name, const char *home_base, const char *base)
{
	struct referral_ldap_settings *set;

	test_begin(name);
	test_ioloop = io_loop_create();
	test_pool = pool_alloconly_create("test live homes", 1024);
	test_event = event_create(NULL);
	test_server = fake_ldap_init("ldap");
	test_server->handler = test_handler;
	set = unit_ldap_settings(test_pool, "uris", test_server->uri,
				 "timeout", "20s", "home_ttl", "1h",
				 "home_negative_ttl", "1h",
				 "home_base", home_base,
				 "home_scope", "onelevel",
				 "mailbox_base", "ou=m", "server_base", "ou=s",
				 "live", "all", NULL);
	/* it need not be set if all others are */
	set->base = base;
	test_conn = referral_ldap_connection_init(set, unit_dir(), test_event);
	test_log = referral_value_log_init(test_event);
	test_homes = referral_homes_init(test_conn, set, test_log, test_event);
	test_live = referral_home_live_init(test_conn, set, test_homes,
					    test_event);
	test_info_count = 0;
}

static void test_live_end(void)
{
	referral_homes_stop(test_homes);
	if (test_live != NULL)
		referral_home_live_stop(test_live);
	referral_ldap_connection_deinit(&test_conn);
	if (test_live != NULL)
		referral_home_live_deinit(&test_live);
	referral_homes_deinit(&test_homes);
	referral_value_log_deinit(&test_log);
	fake_ldap_deinit(&test_server);
	event_unref(&test_event);
	io_loop_destroy(&test_ioloop);
	pool_unref(&test_pool);
	test_end();
}

static void
test_lookup_callback(const struct referral_directory_result *result,
		     unsigned int *count)
{
	test_assert(result->ret == 0);
	*count += 1;
}

/* Put somebody into the cache who has no entry. */
static void lookup(void)
{
	unsigned int count = 0;

	referral_homes_lookup(test_homes, "nobody", test_lookup_callback,
			      &count);
	unit_wait(count == 1);
	test_assert(referral_homes_count(test_homes) == 1);
}

static void test_referral_home_live(void)
{
	test_live_begin("referral home live", "ou=people,dc=test", "dc=test");
	test_assert_strcmp(test_sync->base, "ou=people,dc=test");
	test_assert(test_sync->scope == LDAP_SCOPE_ONELEVEL);
	test_assert_strcmp(test_sync->filter, "(mailHost=*)");
	test_assert_strcmp(test_sync->attribute, LDAP_NO_ATTRS);
	test_assert(!test_sync->running);
	referral_home_live_start(test_live);
	referral_home_live_start(test_live);
	test_assert(test_sync->start_count == 1);
	test_assert(!referral_home_live_is_live(test_live));

	lookup();
	/* while it refreshes, nothing is forgotten but at the end */
	test_sync->callbacks.entry(NULL, test_uuid, test_sync->context);
	test_sync->callbacks.present(test_uuid, test_sync->context);
	test_sync->callbacks.gone(test_uuid, test_sync->context);
	test_assert(referral_homes_count(test_homes) == 1);
	sync_refreshed();
	test_assert(referral_home_live_is_live(test_live));
	test_assert(referral_homes_count(test_homes) == 0);

	lookup();
	test_sync->callbacks.entry(NULL, test_uuid, test_sync->context);
	test_assert(referral_homes_count(test_homes) == 0);
	lookup();
	test_sync->callbacks.gone(test_uuid, test_sync->context);
	test_assert(referral_homes_count(test_homes) == 0);
	test_live_end();
}

/* It is begun again, and what was cached meanwhile is not kept. */
static void test_referral_home_live_lost(void)
{
	unsigned int i;

	test_live_begin("referral home live: lost", "dc=test", "dc=test");
	test_assert_strcmp(test_sync->base, "dc=test");
	referral_home_live_start(test_live);
	sync_refreshed();
	for (i = 1; i <= 2; i++) {
		sync_end(REFERRAL_SYNC_END_LOST);
		test_assert_idx(!referral_home_live_is_live(test_live), i);
		lookup();
		test_assert_idx(test_sync->start_count == i, i);
		unit_wait(test_sync->start_count == i + 1);
		test_assert_idx(referral_homes_count(test_homes) == 1, i);
		sync_refreshed();
		test_assert_idx(referral_homes_count(test_homes) == 0, i);
	}
	/* waiting for the next time when it is over */
	sync_end(REFERRAL_SYNC_END_LOST);
	test_live_end();
}

/* Connections are lost now and then; when it is never done, that is said, once,
   and tried ever more seldom. */
static void test_referral_home_live_always_lost(void)
{
	unsigned int i;

	i_set_info_handler(test_info);
	test_live_begin("referral home live: always lost", "dc=test",
			"dc=test");
	referral_home_live_start(test_live);
	for (i = 1; i <= 4; i++) {
		sync_end(REFERRAL_SYNC_END_LOST);
		test_assert_idx(test_info_count == (i < 3 ? 0 : 1), i);
		if (i < 4)
			unit_wait(test_sync->start_count == i + 1);
	}
	/* at least half of 8 s */
	unit_run_msecs(2500);
	test_assert(test_sync->start_count == 4);
	test_live_end();

	/* it begins anew when it has worked */
	test_live_begin("referral home live: lost again", "dc=test",
			"dc=test");
	referral_home_live_start(test_live);
	for (i = 1; i <= 3; i++) {
		sync_refreshed();
		sync_end(REFERRAL_SYNC_END_LOST);
		unit_wait(test_sync->start_count == i + 1);
	}
	test_assert(test_info_count == 0);
	test_live_end();
	i_set_info_handler(default_error_handler);
}

/* Said once, and homes are cached as ever. */
static void test_referral_home_live_fallback(void)
{
	static const enum referral_sync_end reasons[] = {
		REFERRAL_SYNC_END_UNSUPPORTED, REFERRAL_SYNC_END_SIZE_LIMIT,
		REFERRAL_SYNC_END_REFUSED, REFERRAL_SYNC_END_GARBAGE,
	};
	unsigned int i;

	i_set_info_handler(test_info);
	for (i = 0; i < N_ELEMENTS(reasons); i++) {
		test_live_begin("referral home live: fallback", "dc=test",
				"dc=test");
		referral_home_live_start(test_live);
		sync_end(reasons[i]);
		test_assert_idx(test_info_count == 1, i);
		lookup();
		unit_run_msecs(10);
		test_assert_idx(test_sync->start_count == 1, i);
		test_assert_idx(referral_homes_count(test_homes) == 1, i);
		test_live_end();
	}
	i_set_info_handler(default_error_handler);
}

static void test_referral_home_live_base(void)
{
	test_live_begin("referral home live: a base for each domain",
			"dc=%{domain},dc=test", "dc=test");
	test_assert_strcmp(test_sync->base, "dc=test");
	test_assert(test_sync->scope == LDAP_SCOPE_SUBTREE);
	test_live_end();

	test_live_begin("referral home live: variables in the base",
			"dc=%{domain},dc=test", "ou=100%%,dc=test");
	test_assert_strcmp(test_sync->base, "ou=100%,dc=test");
	test_live_end();

	i_set_info_handler(test_info);
	test_live_begin("referral home live: no base", "dc=%{domain},dc=test",
			"");
	test_assert(test_sync == NULL);
	referral_home_live_start(test_live);
	referral_home_live_start(test_live);
	test_assert(test_info_count == 1);
	test_assert(!referral_home_live_is_live(test_live));
	test_live_end();
	i_set_info_handler(default_error_handler);
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_home_live,
		test_referral_home_live_lost,
		test_referral_home_live_always_lost,
		test_referral_home_live_fallback,
		test_referral_home_live_base,
		NULL
	};
	return unit_run(test_functions);
}
