/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str.h"
#include "referral-status.h"

static void
status_write_map(string_t *str, const char *what,
		 const struct referral_map_status *map)
{
	long long age;

	if (!map->loaded) {
		str_printfa(str, " %s=- %s_mode=- %s_age=-", what, what, what);
		return;
	}
	/* the clock may have been set back */
	age = (long long)ioloop_time - map->synced.tv_sec;
	str_printfa(str, " %s=%u %s_mode=%s %s_age=%lld", what, map->count,
		    what, map->stale ? "stale" : map->live ? "live" : "timed",
		    what, I_MAX(age, 0));
}

const char *referral_status_write(const struct referral_status *status)
{
	const struct referral_directory_counters *counters = &status->counters;
	string_t *str = t_str_new(256);

	str_printfa(str, "server=%s state=%s requests=%ju hits=%ju misses=%ju "
		    "stale=%ju failures=%ju", status->server, status->state,
		    status->requests, counters->hits, counters->misses,
		    counters->stale, counters->failures);
	str_printfa(str, " homes=%u homes_mode=%s searches=%ju", status->homes,
		    status->homes_live ? "live" : "timed", status->searches);
	status_write_map(str, "mailboxes", &status->mailboxes);
	status_write_map(str, "servers", &status->servers);
	str_printfa(str, " servers_server=%s servers_state=%s",
		    status->servers_server, status->servers_state);
	return str_c(str);
}
