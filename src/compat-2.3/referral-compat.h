#ifndef REFERRAL_COMPAT_H
#define REFERRAL_COMPAT_H

/* Dovecot 2.3: what has another name elsewhere. */

#include "settings-parser.h"

#define str_begins_with(haystack, needle) str_begins(haystack, needle)
#define str_parse_get_interval_msecs settings_get_time_msecs
#define auth_request_protocol(request) ((request)->fields.service)

#endif
