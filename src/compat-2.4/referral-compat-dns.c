/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-dns.h"

#undef referral_dns_lookup
void referral_dns_lookup(const char *host, const char *base_dir ATTR_UNUSED,
			 struct event *event_parent,
			 dns_lookup_callback_t *callback, void *context,
			 struct dns_lookup **lookup_r)
{
#ifdef HAVE_DNS_CLIENT_PARAMETERS
	/* the socket is a setting */
	(void)(dns_lookup)(host, NULL, event_parent, callback, context,
			   lookup_r);
#else
	const struct dns_lookup_settings set = {
		.dns_client_socket_path = t_strconcat(base_dir, "/",
						      DNS_CLIENT_SOCKET_NAME,
						      NULL),
		.event_parent = event_parent,
	};

	(void)(dns_lookup)(host, &set, callback, context, lookup_r);
#endif
}
