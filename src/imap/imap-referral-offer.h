#ifndef IMAP_REFERRAL_OFFER_H
#define IMAP_REFERRAL_OFFER_H

struct client;

/* A login's tagged OK that refers to the home server (RFC 2221 section 4.1).
   Dovecot sends its OK between the creation of a client and client->v.init(),
   and there is nothing that a plugin could replace but the functions of the
   client's output. */

/* Replace the OK that a new client is about to get. With it the client is told
   the capabilities that Dovecot would have put into it. "response" is the
   OK's response code and text, which has to stay valid. */
void imap_referral_offer_begin(struct client *client, const char *response);
/* The OK has been sent, or none is, as when a client wakes from hibernation. To
   be called from client->v.init() and client->v.destroy(). */
void imap_referral_offer_end(struct client *client);

#endif
