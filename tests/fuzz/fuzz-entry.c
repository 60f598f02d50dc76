/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "str.h"
#include "referral-answer.h"
#include "referral-ldap-connection.h"
#include "referral-ldap-settings.h"
#include "referral-mailbox-load.h"
#include "referral-mailbox-map.h"
#include "referral-server-load.h"
#include "referral-server-map.h"
#include "referral-value-log.h"
#include "fuzz.h"

#include <stdio.h>

/* The linker puts these in the place of those that ask libldap. */
void __wrap_referral_ldap_entry_get_names(
	const struct referral_ldap_entry *entry,
	ARRAY_TYPE(const_string) *names_r);
void __wrap_referral_ldap_entry_get_values(
	const struct referral_ldap_entry *entry, const char *attribute,
	ARRAY_TYPE(referral_ldap_bytes) *values_r);

/* "AVALUE" lines of the entry, where A stands for an attribute. */
static const char *const *entry_lines;
static const struct referral_ldap_settings *entry_set;

static const char *attribute_of(char c)
{
	switch (c) {
	case 'u':
		return entry_set->mailbox_uri_attribute;
	case 'h':
		return entry_set->mailbox_host_attribute;
	case 'n':
		return entry_set->mailbox_name_attribute;
	case 't':
		return entry_set->mailbox_target_attribute;
	case 'r':
		return entry_set->parsed_reader_attributes[0];
	case 's':
		return entry_set->server_state_attribute;
	case 'S':
		return entry_set->server_home_attribute;
	case 'N':
		return entry_set->server_name_attribute;
	}
	return NULL;
}

void __wrap_referral_ldap_entry_get_names(
	const struct referral_ldap_entry *entry ATTR_UNUSED,
	ARRAY_TYPE(const_string) *names_r)
{
	const char *const *line, *name;

	t_array_init(names_r, 4);
	for (line = entry_lines; *line != NULL && **line != '\0'; line++) {
		name = attribute_of(**line);
		if (name == NULL)
			name = "other;range=0-1";
		array_push_back(names_r, &name);
	}
}

void __wrap_referral_ldap_entry_get_values(
	const struct referral_ldap_entry *entry ATTR_UNUSED,
	const char *attribute, ARRAY_TYPE(referral_ldap_bytes) *values_r)
{
	const char *const *line;
	struct referral_ldap_bytes *value;

	t_array_init(values_r, 4);
	for (line = entry_lines; *line != NULL && **line != '\0'; line++) {
		if (null_strcmp(attribute_of(**line), attribute) != 0)
			continue;
		value = array_append_space(values_r);
		value->data = t_strdup(*line + 1);
		value->size = strlen(value->data);
	}
}

/* What is logged has no way to look like another line. */
static void ATTR_FORMAT(2, 0)
check_log(const struct failure_context *ctx ATTR_UNUSED, const char *format,
	  va_list args)
{
	fuzz_check_printable(t_strdup_vprintf(format, args));
}

static const struct referral_ldap_settings *
settings(pool_t pool, const char *preset, bool readers)
{
	struct referral_ldap_settings *set =
		p_new(pool, struct referral_ldap_settings, 1);
	const char *const values[] = {
		"referral_ldap_uris", "ldap://h",
		"referral_ldap_base", "dc=test",
		"referral_ldap_preset", preset,
		"referral_ldap_readers", readers ? "yes" : "no",
		NULL
	};
	const char *const *value, *error;

	referral_settings_init(referral_ldap_setting_defs, pool, set);
	for (value = values; *value != NULL; value += 2) {
		if (referral_settings_set(referral_ldap_setting_defs, pool,
					  set, value[0], value[1],
					  &error) < 0)
			i_fatal("%s", error);
	}
	if (referral_ldap_settings_check(set, pool, &error) < 0)
		i_fatal("%s", error);
	return set;
}

/* The first line chooses the settings. */
static const struct referral_ldap_settings *
settings_get(const char *line)
{
	static const char *const presets[] = {
		"native", "labeleduri", "laser", "kolab", "sun", "zimbra",
		"exchange"
	};
	static const struct referral_ldap_settings
		*made[N_ELEMENTS(presets)][2];
	static pool_t pool;
	unsigned int i = (unsigned char)line[0] % N_ELEMENTS(presets);
	bool readers = line[0] != '\0' && line[1] == 'r';

	if (pool == NULL)
		pool = pool_alloconly_create("fuzz settings", 4096);
	if (made[i][readers] == NULL)
		made[i][readers] = settings(pool, presets[i], readers);
	return made[i][readers];
}

static void load(struct referral_map *map, const struct referral_load *load,
		 struct referral_value_log *log, const char *const *lines)
{
	struct referral_ldap_entry entry;
	guid_128_t uuid;

	i_zero(&entry);
	i_zero(&uuid);
	for (; *lines != NULL; lines++) {
		entry.dn = t_strdup_printf("cn=%u\n,dc=test", uuid[0]);
		entry_lines = lines;
		referral_map_entry_begin(map, uuid);
		load->add_entry(map, entry_set, log, &entry);
		referral_map_entry_end(map);
		uuid[0]++;
		while (*lines[0] != '\0' && lines[1] != NULL)
			lines++;
	}
	referral_map_finish(map);
}

static void remove_all(struct referral_map *map)
{
	guid_128_t uuid;
	unsigned int i;

	i_zero(&uuid);
	for (i = 0; i < 256; i++) {
		uuid[0] = i;
		referral_map_remove_entry(map, uuid);
	}
	fuzz_check(referral_map_count(map) == 0);
}

static void check_mailboxes(struct referral_map *map)
{
	struct referral_mailbox_list *list = referral_mailbox_map_get_list(map);
	ARRAY_TYPE(referral_url) urls;
	const struct referral_url *url;
	const char *name, *value, *value2, *error;
	unsigned int i;
	int ret;

	for (i = 0; i < referral_mailbox_list_count(list); i++) T_BEGIN {
		referral_mailbox_list_get(list, i, &name, &value);
		fuzz_check(referral_mailbox_name_error(name) == NULL);
		ret = referral_mailbox_map_lookup(map, name, &value2);
		fuzz_check(ret == (value == NULL ? -1 : 1));
		if (value != NULL) {
			fuzz_check(strcmp(value, value2) == 0);
			fuzz_check(referral_answer_parse(
				pool_datastack_create(), value, &urls,
				&error) == 0);
			array_foreach(&urls, url) {
				fuzz_check(url->mailbox != NULL);
				fuzz_check_url(url);
				fuzz_check(referral_mailbox_map_has_server(map,
					referral_url_get_server(url)));
			}
		}
		/* those below it are where it is, if they can be */
		name = t_strconcat(name, "/below", NULL);
		if (referral_mailbox_name_error(name) == NULL) {
			ret = referral_mailbox_map_lookup(map, name, &value2);
			fuzz_check(ret != 0);
		}
	} T_END;
	referral_mailbox_list_unref(&list);
}

static void check_servers(struct referral_map *map, const char *const *lines)
{
	ARRAY_TYPE(referral_url) urls;
	enum referral_server_state state;
	struct referral_url url;
	const char *value, *error;

	for (; *lines != NULL; lines++) T_BEGIN {
		if (**lines == 'N' &&
		    referral_url_parse_server(pool_datastack_create(),
					      *lines + 1, 143, &url,
					      &error) == 0 &&
		    referral_server_map_lookup(map,
				referral_url_get_server(&url), &value) > 0) {
			fuzz_check(referral_answer_parse_server(
				pool_datastack_create(), value, &state, &urls,
				&error) == 0);
		}
	} T_END;
}

/* Entries of mailboxes and servers: what is loaded of them is what may be
   answered. A line of the input is a value, an empty one ends an entry. */
void fuzz_one(const unsigned char *data, size_t size)
{
	struct event *event;
	struct referral_value_log *log;
	struct referral_load what;
	struct referral_map *map;
	const char *const *lines;

	/* each entry has another number */
	if (size > 2000)
		return;
	i_set_error_handler(check_log);
	event = event_create(NULL);
	log = referral_value_log_init(event);

	entry_set = settings_get(fuzz_line(&data, &size));
	lines = t_strsplit(fuzz_string(data, size), "\n");

	referral_mailbox_load_get(entry_set, &what);
	map = what.map_init();
	load(map, &what, log, lines);
	check_mailboxes(map);
	remove_all(map);
	referral_map_unref(&map);

	referral_server_load_get(entry_set, &what);
	map = what.map_init();
	load(map, &what, log, lines);
	check_servers(map, lines);
	remove_all(map);
	referral_map_unref(&map);

	referral_value_log_deinit(&log);
	event_unref(&event);
}
