/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "dict.h"
#include "referral-dict.h"

/* What dict { imap_referral } is, is the administrator's choice. */
#define REFERRAL_DICT_URI "proxy:dict-async:imap_referral"

int referral_dict_open(const char *base_dir, struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
{
	const struct dict_settings set = {
		.base_dir = base_dir,
		.event_parent = event_parent,
	};

	return dict_init(REFERRAL_DICT_URI, &set, dict_r, error_r);
}
