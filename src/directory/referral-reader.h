#ifndef REFERRAL_READER_H
#define REFERRAL_READER_H

/* Whom the directory names as readers of a mailbox, and who asks. */

/* What an entry has in its reader attributes. */
struct referral_readers;

/* Nobody, yet. */
struct referral_readers *referral_readers_init(void);
void referral_readers_ref(struct referral_readers *readers);
/* Does nothing if there are none. */
void referral_readers_unref(struct referral_readers **readers);
/* Add a value: the DN of a user or a group, a login name, or the word
   "anyone". Returns FALSE with error_r if it is none of these. */
bool referral_readers_add(struct referral_readers *readers,
			  const char *data, size_t size, const char **error_r);

/* Who asks, with the DNs of the user's entry and groups: these may not be
   known. */
struct referral_reader;

/* A user about whom no more is known than the login name; "" is nobody. */
struct referral_reader *referral_reader_init(const char *user);
void referral_reader_ref(struct referral_reader *reader);
/* Does nothing if there is none. */
void referral_reader_unref(struct referral_reader **reader);
/* Add the DN of the user's entry or of a group. Returns FALSE if it is no
   DN. */
bool referral_reader_add_dn(struct referral_reader *reader, const char *dn);
/* There are no others. */
void referral_reader_set_known(struct referral_reader *reader);
const char *referral_reader_get_user(const struct referral_reader *reader);
/* How many bytes of memory it takes, about. */
size_t referral_reader_get_size(const struct referral_reader *reader);

enum referral_reader_match {
	REFERRAL_READER_NO,
	REFERRAL_READER_YES,
	/* It depends on DNs that are not known. */
	REFERRAL_READER_UNKNOWN,
};

/* Whether the reader is one of the readers. Everybody is if these are NULL. */
enum referral_reader_match
referral_reader_match(const struct referral_reader *reader,
		      const struct referral_readers *readers) ATTR_NULL(2);

#endif
