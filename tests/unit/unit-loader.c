/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-loader.h"
#include "referral-map.h"
#include "referral-value-log.h"
#include "unit-loader.h"

static void
unit_loader_callback(struct referral_map *map, const char *error,
		     struct unit_loader *test)
{
	test_assert((map == NULL) == (error != NULL));
	test->callback_count++;
	referral_map_unref(&test->map);
	test->map = map;
	i_free(test->error);
	test->error = i_strdup(error);
}

void unit_loader_begin(struct unit_loader *test,
		       void (*load_get)(const struct referral_ldap_settings *,
					struct referral_load *),
		       const char *page_size, const char *limit)
{
	struct referral_ldap_settings *set;
	struct referral_load load;

	i_zero(test);
	test->ioloop = io_loop_create();
	test->pool = pool_alloconly_create("test loader", 1024);
	test->server = fake_ldap_init("ldap");
	test->event = event_create(NULL);
	set = unit_ldap_settings(test->pool, "uris", test->server->uri,
				 "mailbox_page_size", page_size,
				 "mailbox_limit", limit,
				 "server_limit", limit,
				 "default_port", "10143",
				 "timeout", "20s", NULL);
	test->conn = referral_ldap_connection_init(set, unit_dir(),
						   test->event);
	test->log = referral_value_log_init(test->event);
	load_get(set, &load);
	test->loader = referral_loader_init(test->conn, set, &load, test->log,
					    unit_loader_callback, test);
}

void unit_loader_end(struct unit_loader *test)
{
	if (test->conn != NULL)
		referral_ldap_connection_deinit(&test->conn);
	referral_loader_deinit(&test->loader);
	test_assert(test->loader == NULL);
	referral_value_log_deinit(&test->log);
	referral_map_unref(&test->map);
	i_free(test->error);
	event_unref(&test->event);
	fake_ldap_deinit(&test->server);
	/* logs leaks, which are errors */
	io_loop_destroy(&test->ioloop);
	pool_unref(&test->pool);
}
