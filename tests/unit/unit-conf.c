/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "istream.h"
#include "referral-setting.h"
#include "unit-common.h"
#include "unit-conf.h"

#include <ctype.h>

static bool line_parse(const char *line, const char **name_r,
		       const char **value_r)
{
	const char *p;

	/* "# text", "#name = value" and "name = value" */
	if (line[0] == '#')
		line++;
	if (!i_isalpha(line[0]) || (p = strchr(line, '=')) == NULL)
		return FALSE;
	*name_r = t_str_rtrim(t_strdup_until(line, p), " ");
	*value_r = t_str_ltrim(p + 1, " ");
	return TRUE;
}

static void
setting_check(const struct referral_setting *settings, const char *name,
	      const char *value, const char *const *examples)
{
	for (; settings->name != NULL; settings++) {
		if (strcmp(settings->name, name) == 0)
			break;
	}
	if (settings->name == NULL)
		test_assert_strcmp(name, "a setting");
	else if (!str_array_find(examples, name)) {
		if (strcmp(settings->default_value, value) != 0)
			test_assert_strcmp(name, "");
		test_assert_strcmp(settings->default_value, value);
	}
}

void unit_conf_check(const char *name, const struct referral_setting *settings,
		     const char *const *examples)
{
	const char *path = t_strconcat(UNIT_CONF_DIR"/", name, NULL);
	const char *line, *setting, *value;
	ARRAY_TYPE(const_string) found;
	struct istream *input;

	t_array_init(&found, 32);
	input = i_stream_create_file(path, 4096);
	while ((line = i_stream_read_next_line(input)) != NULL) {
		if (!line_parse(line, &setting, &value))
			continue;
		setting_check(settings, setting, value, examples);
		array_push_back(&found, &setting);
	}
	test_assert(input->stream_errno == 0);
	i_stream_unref(&input);

	array_append_zero(&found);
	for (; settings->name != NULL; settings++) {
		if (!str_array_find(array_front(&found), settings->name))
			test_assert_strcmp(settings->name, "in the file");
	}
}
