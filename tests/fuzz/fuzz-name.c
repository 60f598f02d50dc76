/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "unichar.h"
#include "referral-key.h"
#include "referral-url.h"
#include "fuzz.h"

static void check_key(const char *key, const char *name,
		      enum referral_key_type expected_type)
{
	enum referral_key_type type;
	const char *name2;

	fuzz_check(referral_key_parse(key, &type, &name2));
	fuzz_check(type == expected_type);
	fuzz_check(strcmp(name, name2) == 0);
}

/* Names of mailboxes and users, as clients send them. */
void fuzz_one(const unsigned char *data, size_t size)
{
	const char *name = fuzz_string(data, size), *key, *error;
	struct referral_url url;

	error = referral_mailbox_name_error(name);
	key = referral_key_mailbox(name);
	fuzz_check((error == NULL) == (key != NULL));
	if (error == NULL) {
		fuzz_check(uni_utf8_str_is_valid(name));
		fuzz_check_printable(name);
		check_key(key, name, REFERRAL_KEY_TYPE_MAILBOX);
		i_zero(&url);
		url.host = "h";
		url.port = REFERRAL_DEFAULT_PORT;
		url.mailbox = name;
		fuzz_check_url(&url);
	} else
		fuzz_check_printable(error);

	error = referral_user_name_error(name);
	key = referral_key_home(name);
	fuzz_check((error == NULL) == (key != NULL));
	if (error == NULL) {
		fuzz_check(uni_utf8_str_is_valid(name));
		fuzz_check_printable(name);
		check_key(key, name, REFERRAL_KEY_TYPE_HOME);
	} else
		fuzz_check_printable(error);
}
