/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "referral-key.h"
#include "referral-directory.h"
#include "referral-mailbox-map.h"
#include "referral-reader.h"
#include "dict-referral-ldap.h"

struct referral_dict {
	struct dict dict;
	struct referral_directory *dir;
};

struct referral_dict_lookup {
	dict_lookup_callback_t *callback;
	void *context;
};

struct referral_dict_iter {
	struct dict_iterate_context ctx;
	/* NULL until it is there */
	struct referral_mailbox_list *list;
	/* Whom it is for, if not all are there for everybody */
	struct referral_reader *reader;
	unsigned int next_idx;
	char *error;
	/* What iterate() returned last. */
	char *key, *value;
	const char *values[2];

	/* The map's callback will come; freed only after that. */
	bool waiting;
	/* Nobody is interested any more. */
	bool closed;
};

struct referral_config {
	char *key;
	pool_t set_pool;
	struct referral_directory *dir;
};
static ARRAY(struct referral_config) referral_configs = ARRAY_INIT;

/*
 * Directories
 */

struct referral_directory *
dict_referral_ldap_find_directory(const char *config_key)
{
	const struct referral_config *config;

	if (!array_is_created(&referral_configs))
		return NULL;
	array_foreach(&referral_configs, config) {
		if (strcmp(config->key, config_key) == 0)
			return config->dir;
	}
	return NULL;
}

struct referral_directory *
dict_referral_ldap_add_directory(const char *config_key,
				 const struct referral_ldap_settings *set,
				 pool_t set_pool, const char *base_dir)
{
	struct referral_config *config;

	if (!array_is_created(&referral_configs))
		i_array_init(&referral_configs, 2);
	config = array_append_space(&referral_configs);
	config->key = i_strdup(config_key);
	config->set_pool = set_pool;
	/* It outlives the dict, and so the dict's event. */
	config->dir = referral_directory_init(set, base_dir, NULL);
	return config->dir;
}

void dict_referral_ldap_deinit_directories(void)
{
	struct referral_config *config;

	if (!array_is_created(&referral_configs))
		return;
	array_foreach_modifiable(&referral_configs, config) {
		referral_directory_deinit(&config->dir);
		pool_unref(&config->set_pool);
		i_free(config->key);
	}
	array_free(&referral_configs);
}

/*
 * Dicts
 */

struct dict *
dict_referral_ldap_create(const struct dict *driver,
			  struct referral_directory *dir)
{
	struct referral_dict *dict;

	dict = i_new(struct referral_dict, 1);
	dict->dict = *driver;
	dict->dir = dir;
	return &dict->dict;
}

void dict_referral_ldap_deinit_dict(struct dict *_dict)
{
	struct referral_dict *dict =
		container_of(_dict, struct referral_dict, dict);

	i_free(dict);
}

void dict_referral_ldap_wait(struct dict *_dict)
{
	struct referral_dict *dict =
		container_of(_dict, struct referral_dict, dict);

	referral_directory_abort(dict->dir);
}

/* The user who asks; "" if nobody has logged in. */
static const char *dict_asker(const struct dict_op_settings *set)
{
	return set->username == NULL ? "" : set->username;
}

static void
lookup_callback(const struct referral_directory_result *result,
		struct referral_dict_lookup *lookup)
{
	struct dict_lookup_result dict_result;
	const char *const values[] = { result->value, NULL };

	i_zero(&dict_result);
	dict_result.ret = result->ret;
	if (result->ret > 0) {
		dict_result.value = values[0];
		dict_result.values = values;
	} else if (result->ret < 0)
		dict_result.error = result->error;
	lookup->callback(&dict_result, lookup->context);
	i_free(lookup);
}

void dict_referral_ldap_lookup_async(struct dict *_dict,
				     const struct dict_op_settings *set,
				     const char *key,
				     dict_lookup_callback_t *callback,
				     void *context)
{
	struct referral_dict *dict =
		container_of(_dict, struct referral_dict, dict);
	struct referral_dict_lookup *lookup;
	enum referral_key_type type;
	const char *name;

	if (!referral_key_parse(key, &type, &name)) {
		const struct dict_lookup_result result = {
			.ret = -1,
			.error = "Not a key of imap-referral: expected "
				REFERRAL_KEY_HOME"<user>, "
				REFERRAL_KEY_MAILBOX"<mailbox>, "
				REFERRAL_KEY_SHARES"<host:port>, "
				REFERRAL_KEY_SERVER"<host:port>, "
				REFERRAL_KEY_STATUS" or "REFERRAL_KEY_FLUSH
		};
		callback(&result, context);
		return;
	}

	lookup = i_new(struct referral_dict_lookup, 1);
	lookup->callback = callback;
	lookup->context = context;
	referral_directory_lookup(dict->dir, dict_asker(set), type, name,
				  lookup_callback, lookup);
}

/*
 * Iteration
 */

static void referral_dict_iter_free(struct referral_dict_iter *iter)
{
	referral_mailbox_list_unref(&iter->list);
	referral_reader_unref(&iter->reader);
	i_free(iter->error);
	i_free(iter->key);
	i_free(iter->value);
	i_free(iter);
}

static void
iterate_map_callback(struct referral_map *map, struct referral_reader *reader,
		     const char *error, struct referral_dict_iter *iter)
{
	iter->waiting = FALSE;
	iter->ctx.has_more = FALSE;
	if (iter->closed) {
		referral_dict_iter_free(iter);
		return;
	}
	if (map == NULL)
		iter->error = i_strdup(error);
	else {
		iter->list = referral_mailbox_map_get_list(map);
		iter->reader = reader;
		if (reader != NULL)
			referral_reader_ref(reader);
	}
	if (iter->ctx.async_callback != NULL)
		iter->ctx.async_callback(iter->ctx.async_context);
}

struct dict_iterate_context *
dict_referral_ldap_iterate_init(struct dict *_dict,
				const struct dict_op_settings *set,
				const char *path,
				enum dict_iterate_flags flags ATTR_UNUSED)
{
	struct referral_dict *dict =
		container_of(_dict, struct referral_dict, dict);
	struct referral_dict_iter *iter;

	iter = i_new(struct referral_dict_iter, 1);
	iter->ctx.dict = _dict;
	if (strcmp(path, REFERRAL_KEY_MAILBOX) != 0) {
		iter->error = i_strdup(
			"Expected to iterate "REFERRAL_KEY_MAILBOX);
		return &iter->ctx;
	}
	iter->waiting = TRUE;
	iter->ctx.has_more = TRUE;
	referral_directory_get_map(dict->dir, dict_asker(set),
				   iterate_map_callback, iter);
	return &iter->ctx;
}

/* Get the next one that has a location: the others cannot be shown. */
static bool referral_dict_iter_next(struct referral_dict_iter *iter)
{
	const char *name, *value;

	i_free(iter->key);
	i_free(iter->value);
	while (iter->next_idx < referral_mailbox_list_count(iter->list) &&
	       iter->value == NULL) T_BEGIN {
		referral_mailbox_list_get_for(iter->list, iter->next_idx++,
					      iter->reader, &name, &value);
		if (value != NULL) {
			iter->key = i_strconcat(REFERRAL_KEY_MAILBOX,
						dict_escape_string(name), NULL);
			iter->value = i_strdup(value);
		}
	} T_END;
	return iter->value != NULL;
}

bool dict_referral_ldap_iterate(struct dict_iterate_context *ctx,
				const char **key_r,
				const char *const **values_r)
{
	struct referral_dict_iter *iter =
		container_of(ctx, struct referral_dict_iter, ctx);

	if (iter->list == NULL || !referral_dict_iter_next(iter))
		return FALSE;
	iter->values[0] = iter->value;
	*key_r = iter->key;
	*values_r = iter->values;
	return TRUE;
}

int dict_referral_ldap_iterate_deinit(struct dict_iterate_context *ctx,
				      const char **error_r)
{
	struct referral_dict_iter *iter =
		container_of(ctx, struct referral_dict_iter, ctx);
	int ret = 0;

	if (iter->error != NULL) {
		*error_r = t_strdup(iter->error);
		ret = -1;
	}
	iter->closed = TRUE;
	if (!iter->waiting)
		referral_dict_iter_free(iter);
	return ret;
}

/*
 * Transactions
 */

struct dict_transaction_context *
dict_referral_ldap_transaction_init(struct dict *dict)
{
	struct dict_transaction_context *ctx;

	ctx = i_new(struct dict_transaction_context, 1);
	ctx->dict = dict;
	return ctx;
}

void dict_referral_ldap_transaction_commit(
	struct dict_transaction_context *ctx, bool async ATTR_UNUSED,
	dict_transaction_commit_callback_t *callback, void *context)
{
	const struct dict_commit_result result = {
		.ret = DICT_COMMIT_RET_FAILED,
		.error = "The directory is not changed through this dict",
	};

	callback(&result, context);
	i_free(ctx);
}

void dict_referral_ldap_transaction_rollback(
	struct dict_transaction_context *ctx)
{
	i_free(ctx);
}

void dict_referral_ldap_set(struct dict_transaction_context *ctx ATTR_UNUSED,
			    const char *key ATTR_UNUSED,
			    const char *value ATTR_UNUSED)
{
}

void dict_referral_ldap_unset(struct dict_transaction_context *ctx ATTR_UNUSED,
			      const char *key ATTR_UNUSED)
{
}

void dict_referral_ldap_atomic_inc(
	struct dict_transaction_context *ctx ATTR_UNUSED,
	const char *key ATTR_UNUSED, long long diff ATTR_UNUSED)
{
}
