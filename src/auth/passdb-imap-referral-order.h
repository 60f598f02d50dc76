#ifndef PASSDB_IMAP_REFERRAL_ORDER_H
#define PASSDB_IMAP_REFERRAL_ORDER_H

/* Warn if a passdb before ours accepts users without our being asked, or if
   ours is not where it has to be. */
void passdb_imap_referral_check_order(void);

#endif
