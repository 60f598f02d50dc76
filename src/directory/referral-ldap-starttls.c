/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "str-sanitize.h"
#include "referral-ldap-starttls.h"

#include <lber.h>
#include <ldap.h>

/* An answer is about 14 bytes, and the server's text. */
#define STARTTLS_RESPONSE_MAX_SIZE 4096

/* ID 1, ExtendedRequest, the name 1.3.6.1.4.1.1466.20037 */
static const unsigned char starttls_request[] =
	"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" LDAP_EXOP_START_TLS;

void referral_ldap_starttls_request(const unsigned char **data_r,
				    size_t *size_r)
{
	*data_r = starttls_request;
	*size_r = sizeof(starttls_request) - 1;
}

/* Size of the message that begins here. Returns as
   referral_ldap_starttls_response(). */
static int
starttls_message_size(const unsigned char *data, size_t size, size_t *size_r)
{
	unsigned int i, count;
	size_t length = 0;

	if (size < 2)
		return size == 1 && data[0] != LBER_SEQUENCE ? -1 : 0;
	if (data[0] != LBER_SEQUENCE)
		return -1;
	if (data[1] < 0x80) {
		*size_r = 2 + data[1];
		return 1;
	}
	count = data[1] & 0x7f;
	if (count == 0 || count > 4)
		return -1;
	if (size < 2 + count)
		return 0;
	for (i = 0; i < count; i++)
		length = (length << 8) | data[2 + i];
	*size_r = 2 + count + length;
	return *size_r > STARTTLS_RESPONSE_MAX_SIZE ? -1 : 1;
}

static int
starttls_parse(const unsigned char *data, size_t size, const char **error_r)
{
	struct berval bytes = {
		.bv_val = (char *)data,
		.bv_len = size,
	};
	struct berval matched, text;
	ber_int_t msgid, code;
	ber_tag_t tag;
	BerElement *ber;
	int ret = -1;

	ber = ber_init(&bytes);
	if (ber == NULL)
		i_fatal_status(FATAL_OUTOFMEM, "ber_init() failed");
	if (ber_scanf(ber, "{it{emm", &msgid, &tag, &code, &matched,
		      &text) == LBER_ERROR ||
	    msgid != 1 || tag != LDAP_RES_EXTENDED)
		*error_r = "Broken answer to StartTLS";
	else if (code != LDAP_SUCCESS) {
		*error_r = t_strdup_printf("StartTLS failed: %s%s%s%s",
			ldap_err2string(code), text.bv_len == 0 ? "" : " (",
			str_sanitize(t_strndup(text.bv_val, text.bv_len), 200),
			text.bv_len == 0 ? "" : ")");
	} else
		ret = 1;
	ber_free(ber, 1);
	return ret;
}

int referral_ldap_starttls_response(const unsigned char *data, size_t size,
				    const char **error_r)
{
	size_t message_size = 0;
	int ret;

	ret = starttls_message_size(data, size, &message_size);
	if (ret < 0)
		*error_r = "Broken answer to StartTLS";
	if (ret <= 0)
		return ret;
	if (size < message_size)
		return 0;
	if (size > message_size) {
		*error_r = "Data behind the answer to StartTLS: somebody in "
			"between may have put it there";
		return -1;
	}
	return starttls_parse(data, size, error_r);
}
