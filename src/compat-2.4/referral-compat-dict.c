/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "dict.h"
#include "settings.h"
#include "referral-dict.h"

int referral_dict_open(const char *base_dir,
		       struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
{
	/* imap_referral { dict name { .. } } */
	const char *filter = base_dir == NULL ?
		"imap_login_referral" : "imap_referral";
	struct event *event;
	int ret;

	event = event_create(event_parent);
	event_set_ptr(event, SETTINGS_EVENT_FILTER_NAME, (void *)filter);
	ret = dict_init_auto(event, dict_r, error_r);
	event_unref(&event);
	if (ret == 0)
		*error_r = t_strdup_printf("%s: %s", filter, *error_r);
	return ret > 0 ? 0 : -1;
}
