/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str.h"
#include "imap-url.h"
#include "referral-url.h"
#include "fuzz.h"

#include <stdlib.h>

/* libFuzzer's names */
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static char *fuzz_last_string;

const char *fuzz_string(const unsigned char *data, size_t size)
{
	const unsigned char *end;

	if (size > 0 && (end = memchr(data, '\0', size)) != NULL)
		size = end - data;
	free(fuzz_last_string);
	fuzz_last_string = malloc(size + 1);
	if (size > 0)
		memcpy(fuzz_last_string, data, size);
	fuzz_last_string[size] = '\0';
	return fuzz_last_string;
}

const char *fuzz_line(const unsigned char **data, size_t *size)
{
	const unsigned char *start = *data, *end;
	size_t len;

	if (*size == 0)
		return "";
	end = memchr(start, '\n', *size);
	len = end == NULL ? *size : (size_t)(end - start);
	*data += end == NULL ? len : len + 1;
	*size -= end == NULL ? len : len + 1;
	return t_strndup(start, len);
}

void fuzz_check_printable(const char *text)
{
	fuzz_check(text != NULL);
	for (; *text != '\0'; text++)
		fuzz_check((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static void
check_same_url(const struct referral_url *url, const struct referral_url *url2)
{
	fuzz_check(strcmp(url->host, url2->host) == 0);
	fuzz_check(url->ip.family == url2->ip.family);
	fuzz_check(url->port == url2->port);
	fuzz_check(null_strcmp(url->mailbox, url2->mailbox) == 0);
	fuzz_check(referral_url_same_server(url, url2));
}

void fuzz_check_url(const struct referral_url *url)
{
	/* What has a meaning somewhere: in URLs, in user names, in lines */
	static const char user[] = "joe;AUTH=*@\" ]\r\n/%41";
	struct referral_url url2;
	struct imap_url *imap_url;
	const char *text, *p, *error;

	fuzz_check(url->host != NULL && *url->host != '\0');
	fuzz_check(url->port != 0);
	fuzz_check(url->mailbox == NULL ||
		   referral_mailbox_name_error(url->mailbox) == NULL);

	text = referral_url_create(url, NULL);
	fuzz_check_printable(text);
	fuzz_check(strchr(text, ' ') == NULL);
	fuzz_check(referral_url_parse(pool_datastack_create(), text, &url2,
				      &error) == 0);
	check_same_url(url, &url2);

	/* nothing that ends a response code, a URL or a line */
	text = referral_url_create(url, user);
	fuzz_check_printable(text);
	for (p = text; *p != '\0'; p++) {
		fuzz_check((unsigned char)*p < 0x80 && *p != ' ' && *p != '"');
		fuzz_check(*p != ']' || url->ip.family == AF_INET6);
	}
	fuzz_check(imap_url_parse(text, NULL, 0, &imap_url, &error) == 0);
	fuzz_check(null_strcmp(imap_url->userid, user) == 0);
	fuzz_check(imap_url->auth_type == NULL ||
		   strcmp(imap_url->auth_type, "*") == 0);
	if (url->ip.family == AF_INET6)
		fuzz_check(net_ip_compare(&imap_url->host.ip, &url->ip));
	else
		fuzz_check(strcmp(imap_url->host.name, url->host) == 0);
	fuzz_check(null_strcmp(imap_url->mailbox, url->mailbox) == 0);

	text = referral_url_get_server(url);
	fuzz_check(referral_url_parse_server(pool_datastack_create(), text, 1,
					     &url2, &error) == 0);
	fuzz_check(referral_url_same_server(url, &url2));
}

int LLVMFuzzerInitialize(int *argc ATTR_UNUSED, char ***argv ATTR_UNUSED)
{
	lib_init();
	return 0;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	T_BEGIN {
		fuzz_one(data, size);
	} T_END;
	return 0;
}
