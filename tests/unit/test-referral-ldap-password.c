/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-password.h"
#include "unit-common.h"

#include <sys/stat.h>
#include <unistd.h>

static void test_referral_ldap_password_read(void)
{
	static const struct {
		const char *data;
		const char *password;
	} tests[] = {
		{ "secret\n", "secret" },
		{ "secret", "secret" },
		{ "secret\r\n", "secret" },
		{ "secret\nsecond line\n", "secret" },
		/* nothing else is special */
		{ " a # \"b\" \\ \n", " a # \"b\" \\ " },
		{ "p\xc3\xa4ss\n", "p\xc3\xa4ss" },
		{ "\xff\n", "\xff" },
		/* never an empty password */
		{ "", NULL },
		{ "\n", NULL },
		{ "\r\n", NULL },
		{ "\nsecret\n", NULL },
	};
	const char *path, *password, *error;
	unsigned int i;
	int ret;

	test_begin("referral ldap password: read");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		path = unit_file("password", tests[i].data);
		password = error = NULL;
		ret = referral_ldap_password_read(path, &password, &error);
		if (tests[i].password != NULL) {
			test_assert_idx(ret == 0, i);
			test_assert_strcmp_idx(password, tests[i].password, i);
		} else {
			test_assert_idx(ret == -1, i);
			test_assert_idx(error != NULL &&
					strstr(error, path) != NULL, i);
		}
	} T_END;
	test_end();
}

static void test_referral_ldap_password_read_error(void)
{
	const char *path, *password = NULL, *error = NULL;
	char long_line[5000];
	static const char nul[] = "sec\0ret\n";

	test_begin("referral ldap password: errors");
	path = unit_path("missing");
	test_assert(referral_ldap_password_read(path, &password,
						&error) == -1);
	test_assert(error != NULL && strstr(error, path) != NULL &&
		    strstr(error, "No such file") != NULL);

	error = NULL;
	test_assert(referral_ldap_password_read(unit_dir(), &password,
						&error) == -1);
	test_assert(error != NULL && strstr(error, unit_dir()) != NULL);

	/* root reads everything */
	if (geteuid() != 0) {
		path = unit_file("unreadable", "secret\n");
		if (chmod(path, 0) < 0)
			i_fatal("chmod(%s) failed: %m", path);
		error = NULL;
		test_assert(referral_ldap_password_read(path, &password,
							&error) == -1);
		test_assert(error != NULL && strstr(error, path) != NULL);
	}

	/* a file that is something else: better no password than a part of
	   it */
	memset(long_line, 'x', sizeof(long_line));
	path = unit_file_data("long", long_line, sizeof(long_line));
	error = NULL;
	test_assert(referral_ldap_password_read(path, &password,
						&error) == -1);
	test_assert(error != NULL && strstr(error, path) != NULL);
	/* nothing of it is told */
	test_assert(error != NULL && strstr(error, "xxx") == NULL);

	path = unit_file_data("nul", nul, sizeof(nul) - 1);
	error = NULL;
	test_assert(referral_ldap_password_read(path, &password,
						&error) == -1);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_password_read,
		test_referral_ldap_password_read_error,
		NULL
	};
	return unit_run(test_functions);
}
