#ifndef DICT_REFERRAL_LDAP_H
#define DICT_REFERRAL_LDAP_H

#include "dict-private.h"

/* The dict driver "referral-ldap", but for what differs between Dovecot's
   versions: how a dict is initialized. All dicts of a process with the same
   configuration share one directory, which lives until the process ends: a dict
   process destroys dicts that are not used for a while. */

struct referral_ldap_settings;

/* Returns the directory that was opened with this configuration, or NULL. */
struct referral_directory *
dict_referral_ldap_find_directory(const char *config_key);
/* Open a directory for a configuration. The pool with the settings belongs to
   it from then on. */
struct referral_directory *
dict_referral_ldap_add_directory(const char *config_key,
				 const struct referral_ldap_settings *set,
				 pool_t set_pool, const char *base_dir);
/* Close all directories. */
void dict_referral_ldap_deinit_directories(void);

struct dict *
dict_referral_ldap_create(const struct dict *driver,
			  struct referral_directory *dir);

/* struct dict_vfuncs */
void dict_referral_ldap_deinit_dict(struct dict *dict);
/* The dict process waits only when it ends: lookups fail then. */
void dict_referral_ldap_wait(struct dict *dict);
void dict_referral_ldap_lookup_async(struct dict *dict,
				     const struct dict_op_settings *set,
				     const char *key,
				     dict_lookup_callback_t *callback,
				     void *context);
struct dict_iterate_context *
dict_referral_ldap_iterate_init(struct dict *dict,
				const struct dict_op_settings *set,
				const char *path,
				enum dict_iterate_flags flags);
bool dict_referral_ldap_iterate(struct dict_iterate_context *ctx,
				const char **key_r,
				const char *const **values_r);
int dict_referral_ldap_iterate_deinit(struct dict_iterate_context *ctx,
				      const char **error_r);
/* Writing always fails. It needs functions of our own all the same: those that
   Dovecot has for drivers that cannot write end the dict process. */
struct dict_transaction_context *
dict_referral_ldap_transaction_init(struct dict *dict);
void dict_referral_ldap_transaction_commit(
	struct dict_transaction_context *ctx, bool async,
	dict_transaction_commit_callback_t *callback, void *context);
void dict_referral_ldap_transaction_rollback(
	struct dict_transaction_context *ctx);
void dict_referral_ldap_set(struct dict_transaction_context *ctx,
			    const char *key, const char *value);
void dict_referral_ldap_unset(struct dict_transaction_context *ctx,
			      const char *key);
void dict_referral_ldap_atomic_inc(struct dict_transaction_context *ctx,
				   const char *key, long long diff);

#endif
