/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "dict.h"
#include "referral-dict.h"

/* What dict { imap_referral } is, is the administrator's choice. */
#define REFERRAL_DICT_NAME ":imap_referral"
#define REFERRAL_DICT_URI "proxy:dict-async"REFERRAL_DICT_NAME
/* in login/, where login processes are locked up */
#define REFERRAL_LOGIN_DICT_URI "proxy:imap-referral"REFERRAL_DICT_NAME

int referral_dict_open(const char *base_dir, struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
{
	const struct dict_settings set = {
		.base_dir = base_dir == NULL ? "." : base_dir,
		.event_parent = event_parent,
	};

	return dict_init(base_dir == NULL ? REFERRAL_LOGIN_DICT_URI :
			 REFERRAL_DICT_URI, &set, dict_r, error_r);
}
