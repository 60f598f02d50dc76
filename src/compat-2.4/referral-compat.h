#ifndef REFERRAL_COMPAT_H
#define REFERRAL_COMPAT_H

/* Dovecot 2.4: what has another name elsewhere. */

#include "str-parse.h"

#define auth_request_protocol(request) ((request)->fields.protocol)
#define auth_settings_passdbs(set) (&(set)->parsed_passdbs)
/* A passdb has a name, and settings in place of arguments. */
#define auth_passdb_args(set) ""
#define auth_passdb_has_pass(set) FALSE

#endif
