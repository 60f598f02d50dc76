/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-url.h"
#include "referral-response.h"

const char *referral_response_mailbox(const struct referral_url *url,
				      const char *user)
{
	string_t *str = t_str_new(256);

	str_append(str, "[REFERRAL ");
	referral_url_append(str, url, user);
	str_printfa(str, "] This folder is on IMAP server %s.", url->host);
	return str_c(str);
}
