#ifndef IMAP_REFERRAL_CLIENT_H
#define IMAP_REFERRAL_CLIENT_H

struct client;

/* Whether this is an imap process: only there are clients. Where mail_plugins
   is global, other programs load the plugin, too. */
bool imap_referral_have_clients(void);

/* Announce mailbox referrals to a client, send their text as it is, and send the
   client's login's OK with a referral if the user is to be offered one. */
void imap_referral_client_created(struct client *client);

#endif
