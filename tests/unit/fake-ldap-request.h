#ifndef FAKE_LDAP_REQUEST_H
#define FAKE_LDAP_REQUEST_H

#include "fake-ldap.h"

/* Decode a message from its ID on. Panics if it is not LDAP: then libldap or
   the test is broken. */
struct fake_ldap_request *
fake_ldap_request_decode(pool_t pool, BerElement *ber);

#endif
