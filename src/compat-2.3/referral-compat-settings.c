/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "istream.h"
#include "str.h"
#include "strescape.h"
#include "referral-setting.h"
#include "referral-compat-settings.h"

#define SETTINGS_FILE_MAX_LINE_LENGTH (64*1024)

static const char *t_str_trim_blanks(const char *str)
{
	return t_str_trim(str, " \t\r");
}

static const char *value_unquote(const char *value)
{
	size_t len = strlen(value);

	if (len >= 2 && (value[0] == '"' || value[0] == '\'') &&
	    value[len-1] == value[0])
		return str_unescape(t_strdup_noconst(
			t_strndup(value + 1, len - 2)));
	return value;
}

static const char *line_cut_comment(const char *line)
{
	const char *p;
	char quote = '\0';

	for (p = line; *p != '\0'; p++) {
		if (quote != '\0') {
			if (*p == '\\' && p[1] != '\0')
				p++;
			else if (*p == quote)
				quote = '\0';
		} else if (*p == '"' || *p == '\'')
			quote = *p;
		else if (*p == '#' &&
			 (p == line || p[-1] == ' ' || p[-1] == '\t'))
			return t_strdup_until(line, p);
	}
	return line;
}

static int
line_parse(const struct referral_setting *settings, pool_t pool, void *set,
	   const char *line, const char **error_r)
{
	const char *p, *name, *value;

	line = t_str_trim_blanks(line);
	if (*line == '\0')
		return 0;
	if ((p = strchr(line, '=')) == NULL) {
		*error_r = t_strdup_printf("'%s': expected name = value", line);
		return -1;
	}
	name = t_str_trim_blanks(t_strdup_until(line, p));
	value = value_unquote(t_str_trim_blanks(p + 1));
	return referral_settings_set(settings, pool, set, name, value, error_r);
}

static int
stream_parse(const struct referral_setting *settings, pool_t pool, void *set,
	     struct istream *input, unsigned int *line_num_r,
	     const char **error_r)
{
	string_t *full_line = t_str_new(256);
	const char *line;
	size_t len;

	*line_num_r = 0;
	while ((line = i_stream_read_next_line(input)) != NULL) {
		*line_num_r += 1;
		/* comments do not continue in the next line */
		line = t_str_rtrim(line_cut_comment(line), " \t\r");
		len = strlen(line);
		if (len > 0 && line[len-1] == '\\') {
			str_append_data(full_line, line, len - 1);
			continue;
		}
		str_append(full_line, line);
		if (line_parse(settings, pool, set, str_c(full_line),
			       error_r) < 0)
			return -1;
		str_truncate(full_line, 0);
	}
	if (input->stream_errno != 0) {
		*error_r = i_stream_get_error(input);
		return -1;
	}
	if (str_len(full_line) > 0) {
		*error_r = "expected another line after the \\";
		return -1;
	}
	return 0;
}

int referral_settings_file_read(const struct referral_setting *settings,
				pool_t pool, void *set, const char *path,
				const char **error_r)
{
	struct istream *input;
	const char *error;
	unsigned int line_num;
	int ret;

	input = i_stream_create_file(path, SETTINGS_FILE_MAX_LINE_LENGTH);
	i_stream_set_return_partial_line(input, TRUE);
	ret = stream_parse(settings, pool, set, input, &line_num, &error);
	/* the error belongs to the stream */
	if (ret < 0 && input->stream_errno != 0)
		*error_r = t_strdup_printf("%s: %s", path, error);
	else if (ret < 0)
		*error_r = t_strdup_printf("%s:%u: %s", path, line_num, error);
	i_stream_unref(&input);
	return ret;
}
