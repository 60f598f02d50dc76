/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "imap-common.h"
#include "str.h"
#include "ostream-private.h"
#include "referral-compat.h"
#include "imap-referral-offer.h"

struct imap_referral_offer {
	/* NULL if there is no offer under way */
	struct client *client;
	const char *response;

	/* The connection, whose cork() is ours; NULL if it no longer is. */
	struct ostream_private *connection;
	void (*super_cork)(struct ostream_private *stream, bool set);
	/* The outermost stream, whose sendv() is ours; NULL if it is not yet,
	   or no longer. */
	struct ostream_private *output;
	ssize_t (*super_sendv)(struct ostream_private *stream,
			       const struct const_iovec *iov,
			       unsigned int iov_count);
};

/* One is enough: Dovecot creates a client and sends the OK in one go. */
static struct imap_referral_offer current_offer;

static void restore_cork(void)
{
	if (current_offer.connection != NULL)
		current_offer.connection->cork = current_offer.super_cork;
	current_offer.connection = NULL;
}

static void restore_sendv(void)
{
	if (current_offer.output != NULL)
		current_offer.output->sendv = current_offer.super_sendv;
	current_offer.output = NULL;
}

/* Dovecot's is one of
     tag OK [CAPABILITY ...] Logged in
     * CAPABILITY ...
     tag OK Logged in
   Returns NULL if it is something else, as the greeting of a client that has
   logged in before. */
static const char *reply_create(const char *reply)
{
	const char *tag;

	if (str_begins_with(reply, "* CAPABILITY ")) {
		if ((reply = strchr(reply, '\n')) == NULL)
			return NULL;
		reply++;
	}
	tag = t_strcut(reply, ' ');
	if (!str_begins_with(reply + strlen(tag), " OK "))
		return NULL;
	return t_strdup_printf("* CAPABILITY %s\r\n%s OK %s\r\n",
		str_c(current_offer.client->capability_string), tag,
		current_offer.response);
}

static ssize_t
imap_referral_offer_sendv(struct ostream_private *stream,
			  const struct const_iovec *iov,
			  unsigned int iov_count)
{
	struct const_iovec new_iov;
	string_t *str = t_str_new(512);
	const char *reply;
	unsigned int i;

	restore_sendv();
	for (i = 0; i < iov_count; i++)
		str_append_data(str, iov[i].iov_base, iov[i].iov_len);
	if ((reply = reply_create(str_c(str))) == NULL)
		return stream->sendv(stream, iov, iov_count);
	new_iov.iov_base = reply;
	new_iov.iov_len = strlen(reply);
	/* A client's output takes all. */
	return stream->sendv(stream, &new_iov, 1) < 0 ? -1 :
		(ssize_t)str_len(str);
}

/* Dovecot corks the output before it sends the OK. By now a rawlog is in
   front of the connection, if there is one. It has to see what the client
   gets, so the OK is replaced before that. */
static void
imap_referral_offer_cork(struct ostream_private *stream, bool set)
{
	struct ostream_private *output =
		current_offer.client->output->real_stream;

	restore_cork();
	stream->cork(stream, set);
	current_offer.output = output;
	current_offer.super_sendv = output->sendv;
	output->sendv = imap_referral_offer_sendv;
}

void imap_referral_offer_begin(struct client *client, const char *response)
{
	i_assert(current_offer.client == NULL);
	current_offer.client = client;
	current_offer.response = response;
	current_offer.connection = client->output->real_stream;
	current_offer.super_cork = current_offer.connection->cork;
	current_offer.connection->cork = imap_referral_offer_cork;
}

void imap_referral_offer_end(struct client *client)
{
	if (client != current_offer.client)
		return;
	restore_cork();
	restore_sendv();
	i_zero(&current_offer);
}
