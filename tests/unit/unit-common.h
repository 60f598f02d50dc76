#ifndef UNIT_COMMON_H
#define UNIT_COMMON_H

#include "test-common.h"

/* What takes longer has failed; nothing ever waits that long when all is well.
   Memory checkers are slow, so it is a lot. */
#define UNIT_DEADLINE_MSECS (30*1000)

/* Run the current ioloop until the condition holds. Fails the test if that
   takes longer than the deadline. */
#define unit_wait(cond) STMT_START { \
	struct unit_wait unit_wait_; \
	unit_wait_begin(&unit_wait_); \
	while (!(cond) && unit_wait_more(&unit_wait_)) ; \
	unit_wait_end(&unit_wait_); \
	test_assert(cond); \
	} STMT_END

struct unit_wait {
	struct timeout *to, *to_stop;
	bool started, expired;
};
void unit_wait_begin(struct unit_wait *wait_r);
bool unit_wait_more(struct unit_wait *wait);
void unit_wait_end(struct unit_wait *wait);

/* Run the current ioloop for a while: for those who ask again and again. */
void unit_run_msecs(unsigned int msecs);

/* The milliseconds since the event loop was at this time. Its timeouts are not
   exact: they may come some milliseconds early. */
unsigned int unit_msecs_since(const struct timeval *start);

/* A folder of this process for sockets and files, with a short name, as those
   of sockets are limited. Created when it is asked for first. */
const char *unit_dir(void);
/* A path in it, allocated from the data stack. */
const char *unit_path(const char *name);
/* Write a file there. Returns its path. */
const char *unit_file(const char *name, const char *data);
const char *unit_file_data(const char *name, const void *data, size_t size);

/* test_run(), and clean up. */
int unit_run(void (*const test_functions[])(void));

#endif
