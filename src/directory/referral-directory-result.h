#ifndef REFERRAL_DIRECTORY_RESULT_H
#define REFERRAL_DIRECTORY_RESULT_H

/* The answer to a lookup of the dict contract, and where it is from. */
struct referral_directory_result {
	/* 1 = found, 0 = the directory names no place or the server is in
	   service, -1 = it cannot be asked or what it names cannot be used */
	int ret;
	/* ret > 0: as in the dict contract */
	const char *value;
	/* ret < 0 */
	const char *error;

	/* ret >= 0: Known already, nobody had to wait for the directory. */
	bool cached;
	/* ret >= 0: The directory cannot be asked, that is what it said last
	   (referral-stale.h). */
	bool stale;
};

/* The result is valid only while it runs. */
typedef void
referral_directory_callback_t(const struct referral_directory_result *result,
			      void *context);

/* How many lookups were finished in which way: each is in one of these. */
struct referral_directory_counters {
	/* cached, and not stale */
	uintmax_t hits;
	/* neither */
	uintmax_t misses;
	uintmax_t stale;
	uintmax_t failures;
};

void referral_directory_result_count(
	const struct referral_directory_result *result,
	struct referral_directory_counters *counters);

#endif
