/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-compat.h"
#include "referral-url.h"
#include "referral-response.h"

/* The response code, and the space behind it. */
static string_t *
response_code(const struct referral_url *urls, unsigned int count,
	      const char *user)
{
	string_t *str = t_str_new(256);
	unsigned int i;

	str_append(str, REFERRAL_RESPONSE_CODE);
	for (i = 0; i < count; i++) {
		if (i > 0)
			str_append_c(str, ' ');
		referral_url_append(str, &urls[i], user);
	}
	str_append(str, "] ");
	return str;
}

static const char *
referral_response_create(const struct referral_url *urls, unsigned int count,
			 const struct referral_url *server, const char *user)
{
	string_t *str = response_code(urls, count, user);

	str_printfa(str, "This folder is on IMAP server %s.", server->host);
	return str_c(str);
}

const char *referral_response_mailbox(const struct referral_url *urls,
				      unsigned int count, const char *user)
{
	i_assert(count > 0);
	return referral_response_create(urls, count, &urls[0], user);
}

const char *referral_response_rename(const struct referral_url *old_url,
				     const struct referral_url *new_url,
				     const struct referral_url *server,
				     const char *user)
{
	const struct referral_url urls[] = { *old_url, *new_url };

	return referral_response_create(urls, 2, server, user);
}

const char *referral_response_no_visitors(const struct referral_url *server)
{
	return t_strconcat(REFERRAL_RESPONSE_NO_VISITORS_PREFIX,
			   server->host, ".", NULL);
}

const char *referral_response_login_text(const struct referral_url *server)
{
	return t_strdup_printf("Use IMAP server %s for this account.",
			       server->host);
}

const char *referral_response_login(const struct referral_url *server,
				    const char *user)
{
	string_t *str = response_code(server, 1, user);

	str_append(str, referral_response_login_text(server));
	return str_c(str);
}

const char *referral_response_offer(const struct referral_url *home,
				    const char *user)
{
	string_t *str = response_code(home, 1, user);

	str_printfa(str, "Your mailboxes are on IMAP server %s.", home->host);
	return str_c(str);
}

const char *referral_response_closed(const struct referral_url *server)
{
	string_t *str;

	if (server == NULL)
		return "[UNAVAILABLE] This server is closed. Try again later.";
	str = response_code(server, 1, NULL);
	str_printfa(str, "This server is closed. Use IMAP server %s.",
		    server->host);
	return str_c(str);
}

bool referral_response_is(const char *text)
{
	return str_begins_with(text, REFERRAL_RESPONSE_CODE) ||
		str_begins_with(text, REFERRAL_RESPONSE_UNAVAILABLE) ||
		str_begins_with(text, REFERRAL_RESPONSE_NO_VISITORS_PREFIX);
}
