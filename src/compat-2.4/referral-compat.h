#ifndef REFERRAL_COMPAT_H
#define REFERRAL_COMPAT_H

/* Dovecot 2.4: what has another name elsewhere. */

#include "str-parse.h"

#define auth_request_protocol(request) ((request)->fields.protocol)

#endif
