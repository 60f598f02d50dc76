/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-reader.h"
#include "unit-common.h"

#define JOE "uid=joe,ou=people,dc=a"
#define SALES "cn=sales,ou=groups,dc=a"
#define MAX_VALUES 3

static void test_referral_reader_match(void)
{
	static const struct {
		const char *values[MAX_VALUES + 1];
		/* for joe with all DNs, joe of whom they are not known,
		   ann with no DNs, and nobody */
		enum referral_reader_match joe, unknown, ann, nobody;
	} tests[] = {
		/* 0: no readers, but the attribute: for nobody */
		{ { NULL }, REFERRAL_READER_NO, REFERRAL_READER_NO,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { "anyone", NULL }, REFERRAL_READER_YES, REFERRAL_READER_YES,
		  REFERRAL_READER_YES, REFERRAL_READER_YES },
		{ { "ANYONE", NULL }, REFERRAL_READER_YES, REFERRAL_READER_YES,
		  REFERRAL_READER_YES, REFERRAL_READER_YES },
		{ { "joe", NULL }, REFERRAL_READER_YES, REFERRAL_READER_YES,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { "Joe", NULL }, REFERRAL_READER_NO, REFERRAL_READER_NO,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { JOE, NULL }, REFERRAL_READER_YES, REFERRAL_READER_UNKNOWN,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { "UID=JOE, ou=people, dc=a", NULL }, REFERRAL_READER_YES,
		  REFERRAL_READER_UNKNOWN, REFERRAL_READER_NO,
		  REFERRAL_READER_NO },
		{ { SALES, NULL }, REFERRAL_READER_YES,
		  REFERRAL_READER_UNKNOWN, REFERRAL_READER_NO,
		  REFERRAL_READER_NO },
		{ { "cn=other,dc=a", SALES, NULL }, REFERRAL_READER_YES,
		  REFERRAL_READER_UNKNOWN, REFERRAL_READER_NO,
		  REFERRAL_READER_NO },
		{ { "cn=other,dc=a", NULL }, REFERRAL_READER_NO,
		  REFERRAL_READER_UNKNOWN, REFERRAL_READER_NO,
		  REFERRAL_READER_NO },
		/* 10: the name is enough */
		{ { "cn=other,dc=a", "joe", NULL }, REFERRAL_READER_YES,
		  REFERRAL_READER_YES, REFERRAL_READER_NO,
		  REFERRAL_READER_NO },
		{ { "ann", SALES, NULL }, REFERRAL_READER_YES,
		  REFERRAL_READER_UNKNOWN, REFERRAL_READER_YES,
		  REFERRAL_READER_NO },
		/* what is no DN is a name */
		{ { "uid=joe,", NULL }, REFERRAL_READER_NO, REFERRAL_READER_NO,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { "*", NULL }, REFERRAL_READER_NO, REFERRAL_READER_NO,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
		{ { " anyone", NULL }, REFERRAL_READER_NO, REFERRAL_READER_NO,
		  REFERRAL_READER_NO, REFERRAL_READER_NO },
	};
	struct referral_reader *joe = referral_reader_init("joe");
	struct referral_reader *unknown = referral_reader_init("joe");
	struct referral_reader *ann = referral_reader_init("ann");
	struct referral_reader *nobody = referral_reader_init("");
	struct referral_readers *readers;
	const char *error;
	unsigned int i, j;

	test_begin("referral reader: match");
	test_assert(referral_reader_add_dn(joe, JOE));
	test_assert(referral_reader_add_dn(joe, "CN=Sales,OU=groups,DC=a"));
	test_assert(referral_reader_add_dn(joe, SALES));
	test_assert(!referral_reader_add_dn(joe, ""));
	test_assert(!referral_reader_add_dn(joe, "joe"));
	referral_reader_set_known(joe);
	referral_reader_set_known(ann);
	test_assert_strcmp(referral_reader_get_user(joe), "joe");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		readers = referral_readers_init();
		for (j = 0; tests[i].values[j] != NULL; j++) {
			const char *value = tests[i].values[j];

			test_assert_idx(referral_readers_add(readers, value,
				strlen(value), &error), i);
		}
		test_assert_idx(referral_reader_match(joe, readers) ==
				tests[i].joe, i);
		test_assert_idx(referral_reader_match(unknown, readers) ==
				tests[i].unknown, i);
		test_assert_idx(referral_reader_match(ann, readers) ==
				tests[i].ann, i);
		test_assert_idx(referral_reader_match(nobody, readers) ==
				tests[i].nobody, i);
		referral_readers_unref(&readers);
		test_assert(readers == NULL);
	}
	/* there are no rules */
	test_assert(referral_reader_match(nobody, NULL) ==
		    REFERRAL_READER_YES);
	referral_reader_unref(&joe);
	referral_reader_unref(&unknown);
	referral_reader_unref(&ann);
	referral_reader_unref(&nobody);
	referral_reader_unref(&nobody);
	test_end();
}

static void test_referral_reader_bad_values(void)
{
	struct referral_readers *readers = referral_readers_init();
	struct referral_reader *nobody = referral_reader_init("");
	struct referral_reader *joe = referral_reader_init("joe");
	const char *error = NULL;
	string_t *str = t_str_new(8192);

	test_begin("referral reader: bad values");
	test_assert(!referral_readers_add(readers, "", 0, &error));
	test_assert(strstr(error, "expected a DN") == error);
	test_assert(!referral_readers_add(readers, "joe\0x", 5, &error));
	test_assert(!referral_readers_add(readers, "anyone\0", 7, &error));
	while (str_len(str) <= 4096)
		str_append_c(str, 'a');
	test_assert(!referral_readers_add(readers, str_c(str),
					  str_len(str), &error));
	test_assert(referral_reader_match(nobody, readers) ==
		    REFERRAL_READER_NO);
	test_assert(referral_reader_match(joe, readers) == REFERRAL_READER_NO);
	referral_readers_unref(&readers);
	referral_readers_unref(&readers);
	referral_reader_unref(&nobody);
	referral_reader_unref(&joe);
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_reader_match,
		test_referral_reader_bad_values,
		NULL
	};
	return unit_run(test_functions);
}
