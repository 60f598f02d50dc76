/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "istream.h"
#include "referral-ldap-password.h"

#define PASSWORD_MAX_SIZE 1024

int referral_ldap_password_read(const char *path, const char **password_r,
				const char **error_r)
{
	struct istream *input;
	const char *line;
	int ret = -1;

	input = i_stream_create_file(path, PASSWORD_MAX_SIZE);
	i_stream_set_return_partial_line(input, TRUE);
	line = i_stream_read_next_line(input);
	if (line != NULL && *line != '\0') {
		*password_r = t_strdup(line);
		ret = 0;
	} else if (input->stream_errno != 0)
		*error_r = i_stream_get_error(input);
	else {
		*error_r = t_strdup_printf(
			"%s: expected the password in the first line", path);
	}
	if (ret < 0)
		*error_r = t_strdup(*error_r);
	i_stream_unref(&input);
	return ret;
}
