#ifndef REFERRAL_LDAP_PASSWORD_H
#define REFERRAL_LDAP_PASSWORD_H

/* Read the first line of a password file, allocated from the data stack.
   Returns 0, or -1 with error_r. An empty password is an error: LDAP servers
   would take it for an anonymous bind (RFC 4513 section 5.1.2). */
int referral_ldap_password_read(const char *path, const char **password_r,
				const char **error_r);

#endif
