/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "time-util.h"
#include "unlink-directory.h"
#include "write-full.h"
#include "unit-common.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char unit_dir_path[PATH_MAX];

static void unit_wait_timeout(struct unit_wait *wait)
{
	wait->expired = TRUE;
}

void unit_wait_begin(struct unit_wait *wait_r)
{
	i_zero(wait_r);
	wait_r->to = timeout_add(UNIT_DEADLINE_MSECS, unit_wait_timeout,
				 wait_r);
}

static void unit_wait_stop(struct unit_wait *wait)
{
	timeout_remove(&wait->to_stop);
	io_loop_stop(current_ioloop);
}

bool unit_wait_more(struct unit_wait *wait)
{
	if (wait->expired)
		return FALSE;
	if (!wait->started) {
		/* only io_loop_run() prepares an ioloop */
		wait->started = TRUE;
		wait->to_stop = timeout_add_short(0, unit_wait_stop, wait);
		io_loop_run(current_ioloop);
	} else {
		io_loop_set_running(current_ioloop);
		io_loop_handler_run(current_ioloop);
	}
	return TRUE;
}

void unit_wait_end(struct unit_wait *wait)
{
	timeout_remove(&wait->to);
}

static void unit_run_timeout(bool *done)
{
	*done = TRUE;
}

void unit_run_msecs(unsigned int msecs)
{
	struct timeout *to;
	bool done = FALSE;

	to = timeout_add_short(msecs, unit_run_timeout, &done);
	unit_wait(done);
	timeout_remove(&to);
}

unsigned int unit_msecs_since(const struct timeval *start)
{
	int msecs = timeval_diff_msecs(&ioloop_timeval, start);

	return msecs < 0 ? 0 : msecs;
}

const char *unit_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (unit_dir_path[0] == '\0') {
		i_snprintf(unit_dir_path, sizeof(unit_dir_path),
			   "%s/referral-XXXXXX", tmp != NULL ? tmp : "/tmp");
		if (mkdtemp(unit_dir_path) == NULL)
			i_fatal("mkdtemp(%s) failed: %m", unit_dir_path);
	}
	return unit_dir_path;
}

const char *unit_path(const char *name)
{
	return t_strconcat(unit_dir(), "/", name, NULL);
}

const char *unit_file_data(const char *name, const void *data, size_t size)
{
	const char *path = unit_path(name);
	int fd;

	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (fd == -1)
		i_fatal("open(%s) failed: %m", path);
	if (write_full(fd, data, size) < 0)
		i_fatal("write(%s) failed: %m", path);
	i_close_fd(&fd);
	return path;
}

const char *unit_file(const char *name, const char *data)
{
	return unit_file_data(name, data, strlen(data));
}

int unit_run(void (*const test_functions[])(void))
{
	const char *error;
	int ret;

	/* As in Dovecot's processes: libldap writes to closed sockets. */
	(void)signal(SIGPIPE, SIG_IGN);
	lib_init();
	ret = test_run(test_functions);
	if (unit_dir_path[0] != '\0' &&
	    unlink_directory(unit_dir_path, UNLINK_DIRECTORY_FLAG_RMDIR,
			     &error) < 0)
		i_error("unlink_directory(%s) failed: %s",
			unit_dir_path, error);
	lib_deinit();
	return ret;
}
