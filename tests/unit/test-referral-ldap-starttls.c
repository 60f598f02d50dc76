/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-ldap-starttls.h"
#include "unit-common.h"

#include <lber.h>
#include <ldap.h>

static void test_referral_ldap_starttls_request(void)
{
	const unsigned char *data;
	struct berval bytes, name;
	ber_int_t msgid;
	BerElement *ber;
	size_t size;

	test_begin("referral ldap starttls: request");
	referral_ldap_starttls_request(&data, &size);
	bytes.bv_val = (char *)data;
	bytes.bv_len = size;
	ber = ber_init(&bytes);
	test_assert(ber_scanf(ber, "{i{m}}", &msgid, &name) != LBER_ERROR);
	test_assert(msgid == 1);
	test_assert_strcmp(t_strndup(name.bv_val, name.bv_len),
			   LDAP_EXOP_START_TLS);
	ber_free(ber, 1);
	test_end();
}

#define OK "\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00"
#define TEST(data, ret, error) { data, sizeof(data) - 1, ret, error }

static void test_referral_ldap_starttls_response(void)
{
	static const struct {
		const char *data;
		size_t size;
		int ret;
		const char *error;
	} tests[] = {
		TEST(OK, 1, NULL),
		/* the length in the long form, and a name */
		TEST("\x30\x82\x00\x24\x02\x01\x01\x78\x1f\x0a\x01\x00\x04\x00"
		     "\x04\x00\x8a\x16" LDAP_EXOP_START_TLS, 1, NULL),
		TEST("", 0, NULL),
		TEST("\x30", 0, NULL),
		TEST("\x30\x82\x00", 0, NULL),
		/* refused */
		TEST("\x30\x12\x02\x01\x01\x78\x0d\x0a\x01\x02\x04\x00\x04\x06"
		     "no\x01" "TLS", -1, "Protocol error (no?TLS)"),
		/* one byte more, and a message more */
		TEST(OK "\x30", -1, "behind the answer"),
		TEST(OK OK, -1, "behind the answer"),
		/* another message's ID, another kind of message */
		TEST("\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00",
		     -1, "Broken"),
		TEST("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00",
		     -1, "Broken"),
		/* no LDAP */
		TEST("HTTP/1.1 400 Bad Request\r\n", -1, "Broken"),
		TEST("H", -1, "Broken"),
		TEST("\x30\x80\x00\x00", -1, "Broken"),
		TEST("\x30\x84\xff\xff\xff\xff", -1, "Broken"),
		TEST("\x30\x85\x01\x01\x01\x01\x01", -1, "Broken"),
		TEST("\x30\x00", -1, "Broken"),
		TEST("\x30\x04\x02\x01\x01\x78", -1, "Broken"),
	};
	const char *error;
	unsigned int i;
	size_t size;
	int ret;

	test_begin("referral ldap starttls: response");
	for (i = 0; i < N_ELEMENTS(tests); i++) {
		error = NULL;
		ret = referral_ldap_starttls_response(
			(const void *)tests[i].data, tests[i].size, &error);
		test_assert_idx(ret == tests[i].ret, i);
		test_assert_idx((error == NULL) == (tests[i].error == NULL), i);
		if (error != NULL && tests[i].error != NULL) {
			test_assert_idx(strstr(error, tests[i].error) != NULL,
					i);
		}
	}
	/* however little comes at a time */
	for (size = 0; size < sizeof(OK) - 1; size++) {
		test_assert_idx(referral_ldap_starttls_response(
			(const void *)OK, size, &error) == 0, size);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_ldap_starttls_request,
		test_referral_ldap_starttls_response,
		NULL
	};

	return unit_run(test_functions);
}
