/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "referral-mailbox.h"
#include "referral-reader.h"

struct referral_mailbox *referral_mailbox_new(const char *name)
{
	struct referral_mailbox *mailbox;
	size_t size = strlen(name) + 1;

	mailbox = i_malloc(MALLOC_ADD(sizeof(*mailbox), size));
	mailbox->refcount = 1;
	memcpy(mailbox->name, name, size);
	return mailbox;
}

struct referral_mailbox_location *
referral_mailbox_add_location(struct referral_mailbox *mailbox,
			      struct referral_mailbox_server *server,
			      unsigned int preference, const char *remote_name,
			      struct referral_readers *readers)
{
	struct referral_mailbox_location *location;
	size_t size;

	if (remote_name == NULL || strcmp(remote_name, mailbox->name) == 0)
		remote_name = "";
	size = strlen(remote_name) + 1;
	location = i_malloc(MALLOC_ADD(sizeof(*location), size));
	location->mailbox = mailbox;
	location->server = server;
	location->preference = preference;
	location->readers = readers;
	if (readers != NULL)
		referral_readers_ref(readers);
	memcpy(location->remote_name, remote_name, size);
	location->next = mailbox->locations;
	mailbox->locations = location;
	return location;
}

void referral_mailbox_location_free(
	struct referral_mailbox_location *location)
{
	referral_readers_unref(&location->readers);
	i_free(location);
}

void referral_mailbox_remove_location(
	struct referral_mailbox_location *location)
{
	struct referral_mailbox_location **p = &location->mailbox->locations;

	while (*p != location)
		p = &(*p)->next;
	*p = location->next;
	referral_mailbox_location_free(location);
}

static const char *
location_get_name(const struct referral_mailbox_location *location)
{
	return *location->remote_name != '\0' ? location->remote_name :
		location->mailbox->name;
}

/* By place only. */
static int
location_cmp_place(const struct referral_mailbox_location *l1,
		   const struct referral_mailbox_location *l2)
{
	const struct referral_url *url1 = &l1->server->url;
	const struct referral_url *url2 = &l2->server->url;
	int ret;

	if (l1->server != l2->server) {
		if ((ret = strcmp(url1->host, url2->host)) != 0)
			return ret;
		return url1->port < url2->port ? -1 : 1;
	}
	return strcmp(location_get_name(l1), location_get_name(l2));
}

static int
location_cmp(const struct referral_mailbox_location *l1,
	     const struct referral_mailbox_location *l2)
{
	if (l1->preference != l2->preference)
		return l1->preference < l2->preference ? -1 : 1;
	return location_cmp_place(l1, l2);
}

struct best_locations {
	const struct referral_mailbox_location *list[REFERRAL_MAX_URLS];
	unsigned int count;
};

/* Put it where it belongs, if it is one of the best. */
static void
best_locations_add(struct best_locations *best,
		   const struct referral_mailbox_location *location)
{
	unsigned int i, pos;

	/* soon the rule if there are a great many */
	if (best->count == REFERRAL_MAX_URLS &&
	    location_cmp(best->list[best->count - 1], location) <= 0)
		return;
	for (i = 0; i < best->count; i++) {
		if (location_cmp_place(best->list[i], location) != 0)
			continue;
		/* twice the same place: the better one counts */
		if (best->list[i]->preference <= location->preference)
			return;
		best->count--;
		memmove(&best->list[i], &best->list[i + 1],
			(best->count - i) * sizeof(best->list[0]));
		break;
	}
	for (pos = best->count; pos > 0; pos--) {
		if (location_cmp(best->list[pos - 1], location) <= 0)
			break;
	}
	if (best->count < REFERRAL_MAX_URLS)
		best->count++;
	memmove(&best->list[pos + 1], &best->list[pos],
		(best->count - 1 - pos) * sizeof(best->list[0]));
	best->list[pos] = location;
}

static enum referral_reader_match
location_match(const struct referral_mailbox_location *location,
	       const struct referral_reader *reader)
{
	return reader == NULL ? REFERRAL_READER_YES :
		referral_reader_match(reader, location->readers);
}

bool referral_mailbox_needs_dns(const struct referral_mailbox *mailbox,
				const struct referral_reader *reader)
{
	const struct referral_mailbox_location *location;

	for (location = mailbox->locations; location != NULL;
	     location = location->next) {
		if (location_match(location, reader) ==
		    REFERRAL_READER_UNKNOWN)
			return TRUE;
	}
	return FALSE;
}

int referral_mailbox_get_value(const struct referral_mailbox *mailbox,
			       const struct referral_reader *reader,
			       const char *inferior, const char **value_r)
{
	const struct referral_mailbox_location *location;
	struct best_locations best;
	struct referral_url url;
	string_t *str;
	bool visible = FALSE;
	unsigned int i;

	best.count = 0;
	for (location = mailbox->locations; location != NULL;
	     location = location->next) {
		if (location_match(location, reader) != REFERRAL_READER_YES)
			continue;
		visible = TRUE;
		if (location->server != NULL)
			best_locations_add(&best, location);
	}
	if (best.count == 0)
		return visible ? -1 : 0;

	str = t_str_new(128);
	for (i = 0; i < best.count; i++) {
		if (i > 0)
			str_append_c(str, ' ');
		url = best.list[i]->server->url;
		url.mailbox = location_get_name(best.list[i]);
		referral_url_append(str, &url, NULL);
		if (inferior != NULL) {
			str_append_c(str, '/');
			referral_url_append_mailbox(str, inferior);
		}
	}
	*value_r = str_c(str);
	return 1;
}
