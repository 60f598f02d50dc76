#ifndef REFERRAL_LDAP_TICKET_PROCESS_H
#define REFERRAL_LDAP_TICKET_PROCESS_H

/* The process that asks a KDC. It says one line to its pipe: "OK", the service
   and the marshalled ticket in base64, or "ERROR" and why; separated by
   TABs. */

/* Fork it. It ends by itself after timeout_msecs. Returns 0 with the pipe's end
   that is to be read, which is non-blocking, and the pid, which has to be waited
   for; or -1 with error_r. */
int referral_ldap_ticket_process_start(const char *keytab,
				       const char *principal, const char *host,
				       unsigned int timeout_msecs, int *fd_r,
				       pid_t *pid_r, const char **error_r);

#endif
