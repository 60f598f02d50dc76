#ifndef FUZZ_H
#define FUZZ_H

/* What all fuzz targets have: a target is one function that gets any bytes and
   checks what has to be true whatever they are. "run" builds and runs them. */

/* Ends the program, so that the fuzzer keeps the input. */
#define fuzz_check(cond) STMT_START { \
	if (!(cond)) \
		i_panic("%s:%d: not true: %s", __FILE__, __LINE__, #cond); \
	} STMT_END

/* The input as a string, ended before the first NUL byte, in memory of its own:
   what is read behind its end is noticed. Valid until the next call. */
const char *fuzz_string(const unsigned char *data, size_t size);

/* Cut the first line off the input. Returns it as a string, allocated from the
   data stack. */
const char *fuzz_line(const unsigned char **data, size_t *size);

/* Called with each input, in a data stack frame of its own. */
void fuzz_one(const unsigned char *data, size_t size);

struct referral_url;
/* Check that a URL that was parsed is a good one: it is written and read again
   as the same, for the dict and for clients. */
void fuzz_check_url(const struct referral_url *url);

/* Check a text that goes to clients or into a log line. */
void fuzz_check_printable(const char *text);

#endif
