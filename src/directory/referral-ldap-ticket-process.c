/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "base64.h"
#include "fd-util.h"
#include "str.h"
#include "str-sanitize.h"
#include "write-full.h"
#include "referral-ldap-ticket-process.h"

#include <dirent.h>
#include <krb5.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

static void ticket_process_say(int fd, const char *line)
{
	/* nobody is there to hear of a failure */
	(void)write_full(fd, line, strlen(line));
}

static void
ticket_process_fail(int fd, krb5_context ctx, krb5_error_code err,
		    const char *what)
{
	const char *text = krb5_get_error_message(ctx, err);

	ticket_process_say(fd, t_strdup_printf("ERROR\t%s: %s\n", what,
					       str_sanitize(text, 300)));
	krb5_free_error_message(ctx, text);
}

static krb5_error_code
ticket_process_login(krb5_context ctx, const char *keytab_name,
		     const char *principal, krb5_ccache *ccache_r,
		     krb5_principal *client_r)
{
	krb5_keytab keytab;
	krb5_creds creds;
	krb5_error_code err;

	if ((err = krb5_parse_name(ctx, principal, client_r)) != 0)
		return err;
	if (*keytab_name == '\0')
		err = krb5_kt_default(ctx, &keytab);
	else
		err = krb5_kt_resolve(ctx, keytab_name, &keytab);
	if (err != 0)
		return err;
	i_zero(&creds);
	err = krb5_get_init_creds_keytab(ctx, &creds, *client_r, keytab, 0,
					 NULL, NULL);
	if (err != 0)
		return err;
	if ((err = krb5_cc_new_unique(ctx, "MEMORY", NULL, ccache_r)) != 0 ||
	    (err = krb5_cc_initialize(ctx, *ccache_r, creds.client)) != 0)
		return err;
	return krb5_cc_store_cred(ctx, *ccache_r, &creds);
}

static krb5_error_code
ticket_process_get(krb5_context ctx, krb5_ccache ccache, krb5_principal client,
		   const char *host, krb5_creds **creds_r, char **service_r)
{
	krb5_creds wanted;
	krb5_error_code err;

	i_zero(&wanted);
	wanted.client = client;
	err = krb5_sname_to_principal(ctx, host, "ldap", KRB5_NT_SRV_HST,
				      &wanted.server);
	if (err == 0)
		err = krb5_get_credentials(ctx, 0, ccache, &wanted, creds_r);
	if (err == 0)
		err = krb5_unparse_name(ctx, (*creds_r)->server, service_r);
	return err;
}

static void
ticket_process_run(int fd, const char *keytab, const char *principal,
		   const char *host)
{
	krb5_context ctx;
	krb5_ccache ccache;
	krb5_principal client;
	krb5_creds *creds;
	krb5_data *data;
	krb5_error_code err;
	char *service;
	string_t *str;

	if (krb5_init_context(&ctx) != 0) {
		ticket_process_say(fd, "ERROR\tKerberos's configuration "
				   "(krb5.conf) cannot be read\n");
		return;
	}
	err = ticket_process_login(ctx, keytab, principal, &ccache, &client);
	if (err != 0) {
		ticket_process_fail(fd, ctx, err, t_strdup_printf(
			"No Kerberos ticket for %s from keytab %s", principal,
			*keytab == '\0' ? "(default)" : keytab));
		return;
	}
	err = ticket_process_get(ctx, ccache, client, host, &creds, &service);
	if (err == 0)
		err = krb5_marshal_credentials(ctx, creds, &data);
	if (err != 0) {
		ticket_process_fail(fd, ctx, err, t_strdup_printf(
			"No Kerberos ticket for the service ldap of host %s",
			host));
		return;
	}
	str = t_str_new(4096);
	str_printfa(str, "OK\t%s\t", service);
	base64_encode(data->data, data->length, str);
	str_append_c(str, '\n');
	ticket_process_say(fd, str_c(str));
}

/* Others shall see the end of connections that are closed meanwhile. */
static void ticket_process_close_fds(int keep_fd)
{
	struct dirent *d;
	DIR *dir;
	int fd;

	dir = opendir("/proc/self/fd");
	if (dir == NULL)
		return;
	while ((d = readdir(dir)) != NULL) {
		if (str_to_int(d->d_name, &fd) == 0 && fd > STDERR_FILENO &&
		    fd != keep_fd && fd != dirfd(dir))
			(void)close(fd);
	}
	(void)closedir(dir);
}

static void ticket_process_set_deadline(unsigned int timeout_msecs)
{
	/* Dovecot's handlers would tell the process that we come from. */
	static const int signals[] = {
		SIGALRM, SIGTERM, SIGINT, SIGHUP, SIGCHLD, SIGPIPE, SIGUSR1
	};
	struct itimerval timer;
	sigset_t none;
	unsigned int i;

	for (i = 0; i < N_ELEMENTS(signals); i++)
		(void)signal(signals[i], SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	i_zero(&timer);
	timer.it_value.tv_sec = timeout_msecs / 1000;
	timer.it_value.tv_usec = (timeout_msecs % 1000) * 1000;
	(void)setitimer(ITIMER_REAL, &timer, NULL);
}

int referral_ldap_ticket_process_start(const char *keytab,
				       const char *principal, const char *host,
				       unsigned int timeout_msecs, int *fd_r,
				       pid_t *pid_r, const char **error_r)
{
	int fds[2];
	pid_t pid;

	if (pipe(fds) < 0) {
		*error_r = t_strdup_printf("pipe() failed: %m");
		return -1;
	}
	pid = fork();
	if (pid == -1) {
		*error_r = t_strdup_printf("fork() failed: %m");
		i_close_fd(&fds[0]);
		i_close_fd(&fds[1]);
		return -1;
	}
	if (pid == 0) {
		ticket_process_set_deadline(timeout_msecs);
		ticket_process_close_fds(fds[1]);
		ticket_process_run(fds[1], keytab, principal, host);
		_exit(0);
	}
	i_close_fd(&fds[1]);
	fd_set_nonblock(fds[0], TRUE);
	fd_close_on_exec(fds[0], TRUE);
	*fd_r = fds[0];
	*pid_r = pid;
	return 0;
}
