/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-url.h"
#include "fuzz.h"

/* URLs and servers, as the settings and other kinds of dicts have them. */
void fuzz_one(const unsigned char *data, size_t size)
{
	const char *text = fuzz_string(data, size), *error = NULL;
	struct referral_url url;

	if (referral_url_parse(pool_datastack_create(), text, &url,
			       &error) == 0)
		fuzz_check_url(&url);
	else
		fuzz_check_printable(error);

	error = NULL;
	if (referral_url_parse_server(pool_datastack_create(), text, 993, &url,
				      &error) == 0) {
		fuzz_check(url.mailbox == NULL);
		fuzz_check_url(&url);
	} else
		fuzz_check_printable(error);
}
