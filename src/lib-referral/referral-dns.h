#ifndef REFERRAL_DNS_H
#define REFERRAL_DNS_H

#include "dns-lookup.h"

/* Look up a host's addresses by the dns-client service in base_dir, as
   dns_lookup() does: when it fails at once, the callback is called before this
   returns. The caller has its own timeout. In compat-*. */
void referral_dns_lookup(const char *host, const char *base_dir,
			 struct event *event_parent,
			 dns_lookup_callback_t *callback, void *context,
			 struct dns_lookup **lookup_r);
#define referral_dns_lookup(host, base_dir, event_parent, \
			    callback, context, lookup_r) \
	referral_dns_lookup(host, base_dir, event_parent, \
		(dns_lookup_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(const struct dns_lookup_result *, \
				 typeof(context))), lookup_r)

#endif
