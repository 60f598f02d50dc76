/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-template.h"
#include "referral-map.h"
#include "referral-loader.h"

/* A server that loses the connection in each load is of no use. */
#define REFERRAL_LOAD_MAX_ATTEMPTS 4

struct referral_loader {
	struct referral_ldap_connection *conn;
	const struct referral_ldap_settings *set;
	struct referral_load load;
	struct referral_value_log *log;
	referral_loader_callback_t *callback;
	void *context;

	/* Not NULL while it is loading. */
	struct referral_map *map;
	/* How often it was begun */
	unsigned int attempts;
	bool refused;
};

void referral_load_get_search(const struct referral_load *load,
			      struct referral_ldap_search *search_r)
{
	static const struct referral_ldap_variables no_variables;

	i_zero(search_r);
	search_r->base = load->base;
	search_r->scope = load->scope;
	search_r->filter = referral_ldap_filter_expand(load->filter,
						       &no_variables);
	search_r->attributes = load->attributes;
}

const char *referral_load_limit_error(const struct referral_load *load)
{
	return t_strdup_printf("The directory has more than %u %s: "
			       "%s has to be raised", load->limit, load->what,
			       load->limit_setting);
}

#undef referral_loader_init
struct referral_loader *
referral_loader_init(struct referral_ldap_connection *conn,
		     const struct referral_ldap_settings *set,
		     const struct referral_load *load,
		     struct referral_value_log *log,
		     referral_loader_callback_t *callback, void *context)
{
	struct referral_loader *loader;

	loader = i_new(struct referral_loader, 1);
	loader->conn = conn;
	loader->set = set;
	loader->load = *load;
	loader->log = log;
	loader->callback = callback;
	loader->context = context;
	return loader;
}

void referral_loader_deinit(struct referral_loader **_loader)
{
	struct referral_loader *loader = *_loader;

	*_loader = NULL;
	i_assert(loader->map == NULL);
	i_free(loader);
}

static void loader_finish(struct referral_loader *loader, const char *error)
{
	struct referral_map *map = loader->map;

	loader->map = NULL;
	if (error == NULL)
		referral_map_finish(map);
	else
		referral_map_unref(&map);
	loader->callback(map, error, loader->context);
}

static void
loader_search(struct referral_loader *loader, const struct berval *cookie);

static void loader_begin(struct referral_loader *loader)
{
	loader->attempts++;
	loader->map = loader->load.map_init();
	loader_search(loader, NULL);
}

static void
loader_page_callback(struct referral_ldap_result *result,
		     struct referral_loader *loader)
{
	const struct referral_load *load = &loader->load;
	struct referral_ldap_entry entry;
	bool more = result->error == NULL;

	while (more && referral_map_count(loader->map) <= load->limit) T_BEGIN {
		more = referral_ldap_result_next(result, &entry);
		if (more) {
			load->add_entry(loader->map, loader->set, loader->log,
					&entry);
		}
	} T_END;

	if (result->cookie_lost &&
	    loader->attempts < REFERRAL_LOAD_MAX_ATTEMPTS) {
		referral_map_unref(&loader->map);
		loader_begin(loader);
	} else if (result->error != NULL) {
		loader->refused = result->refused;
		loader_finish(loader, result->error);
	} else if (referral_map_count(loader->map) > load->limit) {
		loader->refused = TRUE;
		loader_finish(loader, referral_load_limit_error(load));
	} else if (result->cookie.bv_len > 0)
		loader_search(loader, &result->cookie);
	else
		loader_finish(loader, NULL);
}

static void
loader_search(struct referral_loader *loader, const struct berval *cookie)
{
	struct referral_ldap_search search;

	referral_load_get_search(&loader->load, &search);
	search.page_size = loader->load.page_size;
	search.cookie = cookie;
	referral_ldap_connection_search(loader->conn, &search,
					loader_page_callback, loader);
}

void referral_loader_start(struct referral_loader *loader)
{
	if (loader->map != NULL)
		return;
	loader->attempts = 0;
	loader->refused = FALSE;
	loader_begin(loader);
}

bool referral_loader_is_refused(const struct referral_loader *loader)
{
	return loader->refused;
}

bool referral_loader_is_loading(const struct referral_loader *loader)
{
	return loader->map != NULL;
}
