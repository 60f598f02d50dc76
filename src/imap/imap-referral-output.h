#ifndef IMAP_REFERRAL_OUTPUT_H
#define IMAP_REFERRAL_OUTPUT_H

struct ostream;

/* Create a stream that passes on the lines of a LIST command. LIST RETURN
   (STATUS) sends an untagged NO for each mailbox that has no status (RFC 5819
   section 2 says that it need not): those that are about referrals are
   dropped. */
struct ostream *imap_referral_output_create(struct ostream *output);

/* Returns TRUE if a mailbox is remote. */
typedef bool imap_referral_is_remote_callback_t(const char *vname,
						void *context);
/* From now on lines that list a remote mailbox get the attribute \Remote (RFC
   5258 section 3) and lose those that are only true here. */
void imap_referral_output_mark_remote(struct ostream *output,
				      imap_referral_is_remote_callback_t *callback,
				      void *context);

#endif
