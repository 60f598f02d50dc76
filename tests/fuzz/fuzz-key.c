/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-key.h"
#include "referral-url.h"
#include "fuzz.h"

static const char *key_create(enum referral_key_type type, const char *name)
{
	struct referral_url url;
	const char *error;

	switch (type) {
	case REFERRAL_KEY_TYPE_HOME:
		return referral_key_home(name);
	case REFERRAL_KEY_TYPE_MAILBOX:
		return referral_key_mailbox(name);
	case REFERRAL_KEY_TYPE_SHARES:
	case REFERRAL_KEY_TYPE_SERVER:
		fuzz_check(referral_url_parse_server(pool_datastack_create(),
						     name, 1, &url,
						     &error) == 0);
		fuzz_check(strcmp(referral_url_get_server(&url), name) == 0);
		return type == REFERRAL_KEY_TYPE_SHARES ?
			referral_key_shares(&url) : referral_key_server(&url);
	case REFERRAL_KEY_TYPE_STATUS:
		return REFERRAL_KEY_STATUS;
	case REFERRAL_KEY_TYPE_FLUSH:
		return REFERRAL_KEY_FLUSH;
	}
	i_unreached();
}

/* Keys that whoever may connect to the dict's socket asks for. */
void fuzz_one(const unsigned char *data, size_t size)
{
	const char *key = fuzz_string(data, size), *key2, *name, *name2;
	enum referral_key_type type, type2;

	if (!referral_key_parse(key, &type, &name))
		return;
	key2 = key_create(type, name);
	fuzz_check(key2 != NULL);
	fuzz_check(referral_key_parse(key2, &type2, &name2));
	fuzz_check(type == type2);
	fuzz_check(strcmp(name, name2) == 0);
}
