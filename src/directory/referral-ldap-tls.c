/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "iostream-ssl.h"
#include "istream.h"
#include "str.h"
#include "str-sanitize.h"
#include "referral-ssl.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-tls.h"

#include <sys/stat.h>

/* Certificates of all authorities of the world are about 250 kB. */
#define TLS_FILE_MAX_SIZE (4*1024*1024)

enum tls_file {
	TLS_FILE_CA,
	TLS_FILE_CERT,
	TLS_FILE_KEY,
	TLS_FILE_COUNT,
};

struct referral_ldap_tls {
	const struct referral_ldap_settings *set;
	/* NULL before the first use, and when it could not be read */
	struct ssl_iostream_context *ctx;
	/* The files that ctx was made of. */
	struct stat files[TLS_FILE_COUNT];
};

/* A name and how a setting is called. */
struct tls_path {
	const char *setting, *path;
};

static void
tls_paths(struct referral_ldap_tls *tls, struct tls_path paths_r[TLS_FILE_COUNT])
{
	paths_r[TLS_FILE_CA].setting = "referral_ldap_tls_ca_file";
	paths_r[TLS_FILE_CA].path = tls->set->tls_ca_file;
	paths_r[TLS_FILE_CERT].setting = "referral_ldap_tls_cert_file";
	paths_r[TLS_FILE_CERT].path = tls->set->tls_cert_file;
	paths_r[TLS_FILE_KEY].setting = "referral_ldap_tls_key_file";
	paths_r[TLS_FILE_KEY].path = tls->set->tls_key_file;
}

static bool tls_stat_equals(const struct stat *st1, const struct stat *st2)
{
	return st1->st_dev == st2->st_dev && st1->st_ino == st2->st_ino &&
		st1->st_size == st2->st_size &&
		st1->st_mtim.tv_sec == st2->st_mtim.tv_sec &&
		st1->st_mtim.tv_nsec == st2->st_mtim.tv_nsec;
}

static int
tls_stat(struct referral_ldap_tls *tls, struct stat files_r[TLS_FILE_COUNT],
	 const char **error_r)
{
	struct tls_path paths[TLS_FILE_COUNT];
	unsigned int i;

	tls_paths(tls, paths);
	memset(files_r, 0, sizeof(*files_r) * TLS_FILE_COUNT);
	for (i = 0; i < TLS_FILE_COUNT; i++) {
		if (*paths[i].path != '\0' &&
		    stat(paths[i].path, &files_r[i]) < 0) {
			*error_r = t_strdup_printf("%s: stat(%s) failed: %m",
				paths[i].setting, paths[i].path);
			return -1;
		}
	}
	return 0;
}

static int
tls_read(const struct tls_path *path, const char **content_r,
	 const char **error_r)
{
	string_t *str;
	struct istream *input;
	const unsigned char *data;
	size_t size;
	int ret = 0;

	*content_r = NULL;
	if (*path->path == '\0')
		return 0;
	str = t_str_new(8192);
	input = i_stream_create_file(path->path, 8192);
	while (i_stream_read_more(input, &data, &size) > 0 &&
	       str_len(str) <= TLS_FILE_MAX_SIZE) {
		str_append_data(str, data, size);
		i_stream_skip(input, size);
	}
	if (input->stream_errno != 0) {
		*error_r = t_strdup_printf("%s: %s", path->setting,
					   i_stream_get_error(input));
		ret = -1;
	} else if (str_len(str) > TLS_FILE_MAX_SIZE) {
		*error_r = t_strdup_printf("%s: %s is too large",
					   path->setting, path->path);
		ret = -1;
	}
	i_stream_unref(&input);
	*content_r = str_c(str);
	return ret;
}

static int
tls_load(struct referral_ldap_tls *tls, const char **error_r)
{
	struct referral_ssl_settings ssl_set;
	struct tls_path paths[TLS_FILE_COUNT];
	const char *error;

	tls_paths(tls, paths);
	i_zero(&ssl_set);
	if (tls_read(&paths[TLS_FILE_CA], &ssl_set.ca, error_r) < 0 ||
	    tls_read(&paths[TLS_FILE_CERT], &ssl_set.cert, error_r) < 0 ||
	    tls_read(&paths[TLS_FILE_KEY], &ssl_set.key, error_r) < 0)
		return -1;
	if (*tls->set->tls_ca_dir != '\0')
		ssl_set.ca_dir = tls->set->tls_ca_dir;
	ssl_set.min_protocol = tls->set->tls_min_protocol;
	ssl_set.verify = tls->set->tls_verify;
	if (referral_ssl_context_init(&ssl_set, &tls->ctx, &error) < 0) {
		*error_r = t_strdup_printf("TLS cannot be set up by the "
			"referral_ldap_tls_* settings: %s", error);
		return -1;
	}
	return 0;
}

static int
tls_get_context(struct referral_ldap_tls *tls, const char **error_r)
{
	struct stat files[TLS_FILE_COUNT];
	unsigned int i;
	bool changed = tls->ctx == NULL;
	int ret = 0;

	if (tls_stat(tls, files, error_r) < 0)
		return -1;
	for (i = 0; i < TLS_FILE_COUNT; i++) {
		if (!tls_stat_equals(&files[i], &tls->files[i]))
			changed = TRUE;
	}
	if (!changed)
		return 0;
	/* certificates are renewed while we run */
	ssl_iostream_context_unref(&tls->ctx);
	memcpy(tls->files, files, sizeof(files));
	T_BEGIN {
		ret = tls_load(tls, error_r);
	} T_END_PASS_STR_IF(ret < 0, error_r);
	return ret;
}

struct referral_ldap_tls *
referral_ldap_tls_init(const struct referral_ldap_settings *set)
{
	struct referral_ldap_tls *tls;

	tls = i_new(struct referral_ldap_tls, 1);
	tls->set = set;
	return tls;
}

void referral_ldap_tls_deinit(struct referral_ldap_tls **_tls)
{
	struct referral_ldap_tls *tls = *_tls;

	*_tls = NULL;
	ssl_iostream_context_unref(&tls->ctx);
	i_free(tls);
}

int referral_ldap_tls_start(struct referral_ldap_tls *tls, const char *host,
			    struct event *event, struct istream **input,
			    struct ostream **output,
			    struct ssl_iostream **ssl_r, const char **error_r)
{
	if (tls_get_context(tls, error_r) < 0)
		return -1;
	return referral_ssl_client_create(tls->ctx, host, tls->set->tls_verify,
					  event, input, output, ssl_r, error_r);
}

int referral_ldap_tls_check(struct referral_ldap_tls *tls,
			    struct ssl_iostream *ssl, const char *host,
			    const char **error_r)
{
	if (!tls->set->tls_verify)
		return 0;
	return ssl_iostream_check_cert_validity(ssl, host, error_r);
}

const char *referral_ldap_tls_error(struct ssl_iostream *ssl)
{
	const char *error = ssl_iostream_get_last_error(ssl);
	const char *hint;

	if (error == NULL)
		return NULL;
	/* It names a setting of Dovecot's. */
	hint = strstr(error, " (check ssl_client_ca");
	if (hint != NULL) {
		error = t_strdup_printf("%s (check referral_ldap_tls_ca_file)",
					t_strdup_until(error, hint));
	}
	return str_sanitize(error, 500);
}
