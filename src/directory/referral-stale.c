/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "referral-stale.h"

/* A directory that can be asked now and then only is logged that often. */
#define REFERRAL_STALE_LOG_INTERVAL_SECS 30

struct referral_stale {
	const char *what;
	unsigned int stale_msecs;
	struct event *event;

	/* Why it cannot be asked since when; NULL while it can. */
	char *error;
	struct timeval failed_since;
	uintmax_t count;
	/* 0 = never */
	time_t last_log;

	/* Stale answers are being given: that was logged. */
	bool logged;
	bool stopped;
};

struct referral_stale *
referral_stale_init(const char *what, unsigned int stale_msecs,
		    struct event *event)
{
	struct referral_stale *stale;

	stale = i_new(struct referral_stale, 1);
	stale->what = what;
	stale->stale_msecs = stale_msecs;
	stale->event = event;
	return stale;
}

void referral_stale_deinit(struct referral_stale **_stale)
{
	struct referral_stale *stale = *_stale;

	*_stale = NULL;
	i_free(stale->error);
	i_free(stale);
}

void referral_stale_failed(struct referral_stale *stale, const char *error)
{
	if (stale->stopped)
		return;
	if (stale->error == NULL)
		stale->failed_since = ioloop_timeval;
	/* it may be given back to us */
	error = t_strdup(error);
	i_free(stale->error);
	stale->error = i_strdup(error);
}

void referral_stale_answered(struct referral_stale *stale)
{
	i_free(stale->error);
	if (stale->logged && !stale->stopped) {
		e_info(stale->event, "The directory can be asked again for %s: "
		       "no more stale answers", stale->what);
	}
	stale->logged = FALSE;
}

void referral_stale_stop(struct referral_stale *stale)
{
	stale->stopped = TRUE;
	i_free(stale->error);
}

bool referral_stale_use(struct referral_stale *stale,
			const struct timeval *known)
{
	long long age_usecs;

	if (stale->error == NULL)
		return FALSE;
	/* usecs, as 2.3's timeval_diff_msecs() is too small for weeks; a time
	   in the future was of a clock that has been set back meanwhile: who
	   knows how old it is */
	age_usecs = timeval_diff_usecs(&ioloop_timeval, known);
	if (age_usecs < 0 || age_usecs / 1000 >= stale->stale_msecs)
		return FALSE;

	stale->count++;
	if (!stale->logged &&
	    (stale->last_log == 0 || stale->last_log > ioloop_time ||
	     ioloop_time - stale->last_log >=
	     REFERRAL_STALE_LOG_INTERVAL_SECS)) {
		stale->logged = TRUE;
		stale->last_log = ioloop_time;
		e_warning(stale->event, "The directory cannot be asked for %s "
			  "since %s: giving stale answers, for at most %u s "
			  "after they were known to be true: %s", stale->what,
			  t_strflocaltime("%Y-%m-%d %H:%M:%S",
					  stale->failed_since.tv_sec),
			  stale->stale_msecs / 1000, stale->error);
	}
	return TRUE;
}

uintmax_t referral_stale_count(const struct referral_stale *stale)
{
	return stale->count;
}
