/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "dict.h"
#include "settings.h"
#include "referral-dict.h"

int referral_dict_open(const char *base_dir ATTR_UNUSED,
		       struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
{
	struct event *event;
	int ret;

	/* imap_referral { dict name { .. } } */
	event = event_create(event_parent);
	event_set_ptr(event, SETTINGS_EVENT_FILTER_NAME, "imap_referral");
	ret = dict_init_auto(event, dict_r, error_r);
	event_unref(&event);
	if (ret == 0)
		*error_r = t_strdup_printf("imap_referral: %s", *error_r);
	return ret > 0 ? 0 : -1;
}
