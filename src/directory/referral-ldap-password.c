/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "istream.h"
#include "referral-ldap-password.h"

#define PASSWORD_MAX_SIZE 1024

int referral_ldap_password_read(const char *path, const char **password_r,
				const char **error_r)
{
	struct istream *input;
	const unsigned char *data;
	const char *line, *error = NULL;
	size_t size;

	input = i_stream_create_file(path, PASSWORD_MAX_SIZE);
	i_stream_set_return_partial_line(input, TRUE);
	(void)i_stream_read_more(input, &data, &size);
	if (size > 0 && memchr(data, '\0', size) != NULL)
		error = "has a NUL byte";
	else if ((line = i_stream_read_next_line(input)) != NULL &&
		 *line != '\0')
		*password_r = t_strdup(line);
	else if (input->stream_errno != 0)
		error = i_stream_get_error(input);
	else
		error = "expected the password in the first line";
	if (error != NULL)
		*error_r = t_strdup_printf("%s: %s", path, error);
	i_stream_unref(&input);
	return error == NULL ? 0 : -1;
}
