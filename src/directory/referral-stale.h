#ifndef REFERRAL_STALE_H
#define REFERRAL_STALE_H

/* Whether answers that were true once may be given now: only while the
   directory cannot be asked, and for at most referral_ldap_stale_time after
   they were last known to be true. There is one of these for each kind of
   answer. It logs when stale answers begin to be given, and when that is over,
   once each.

   A directory that refuses (struct referral_ldap_result.refused), or that
   answers with what cannot be used, can be asked: that is never a reason to
   give a stale answer. */
struct referral_stale;

/* "what" is the kind of answer, in the plural, for the log. It has to exist as
   long as this does. 0 ms: stale answers are never given. */
struct referral_stale *
referral_stale_init(const char *what, unsigned int stale_msecs,
		    struct event *event);
void referral_stale_deinit(struct referral_stale **stale);

/* The directory could not be asked. */
void referral_stale_failed(struct referral_stale *stale, const char *error);
/* It could be asked, and said something, if only that it refuses. */
void referral_stale_answered(struct referral_stale *stale);
/* Nothing is known any more, and nothing is logged. To be called before the
   lookups fail because the process ends. */
void referral_stale_stop(struct referral_stale *stale);

/* Returns TRUE if an answer that was last known to be true at that time
   (ioloop_timeval's clock) has to be given now, as there is no other. It is
   counted and logged as given. */
bool referral_stale_use(struct referral_stale *stale,
			const struct timeval *known);
/* How many times it had to be. */
uintmax_t referral_stale_count(const struct referral_stale *stale);

#endif
