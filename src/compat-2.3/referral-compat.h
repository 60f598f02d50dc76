#ifndef REFERRAL_COMPAT_H
#define REFERRAL_COMPAT_H

/* Dovecot 2.3: what has another name elsewhere. */

#include "settings-parser.h"

#define str_begins_with(haystack, needle) str_begins(haystack, needle)
#define str_parse_get_interval_msecs settings_get_time_msecs
#define auth_request_protocol(request) ((request)->fields.service)
#define auth_settings_passdbs(set) (&(set)->passdbs)
#define auth_passdb_args(set) ((set)->args)
/* An older word for "result_success = continue". */
#define auth_passdb_has_pass(set) ((set)->pass)

#endif
