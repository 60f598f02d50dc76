/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-directory-result.h"

void referral_directory_result_count(
	const struct referral_directory_result *result,
	struct referral_directory_counters *counters)
{
	if (result->ret < 0)
		counters->failures++;
	else if (result->stale)
		counters->stale++;
	else if (result->cached)
		counters->hits++;
	else
		counters->misses++;
}
