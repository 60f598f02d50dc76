/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "referral-server-load.h"
#include "referral-server-map.h"
#include "unit-loader.h"

#define NAME(value) { "cn", value, 0 }
#define STATE(value) { "imapServerState", value, 0 }
#define HOME(value) { "imapHomeServer", value, 0 }
#define BYTES(attribute, value) { attribute, value, sizeof(value) - 1 }
#define END { NULL, NULL, 0 }

static void
test_loader_begin(struct unit_loader *test, const char *page_size,
		  const char *limit)
{
	unit_loader_begin(test, referral_server_load_get, page_size, limit);
}

/* Returns the value, "none" or "error". */
static const char *map_lookup(struct referral_map *map, const char *name)
{
	const char *value = NULL;
	int ret = referral_server_map_lookup(map, name, &value);

	return ret < 0 ? "error" : ret == 0 ? "none" : value;
}

static void test_referral_server_load_entry(void)
{
	static const struct {
		struct fake_ldap_entry entry;
		/* What is said of imap1:143, and how many names there are. */
		const char *result;
		unsigned int count;
		/* What is logged of the only bad value, after "cn=x,dc=test:
		   Skipping " */
		const char *error;
	} tests[] = {
		/* 0: states */
		{ { "cn=x,dc=test", { NAME("imap1"), END } },
		  "none", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), HOME("a"), END } },
		  "none", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("active"),
		      HOME("a"), END } },
		  "none", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drain"),
		      HOME("a"), END } },
		  "drain imap://a:10143/", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("Down"),
		      HOME("a:143"), END } },
		  "down imap://a/", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("down"), END } },
		  "down", 1, NULL },
		/* 6: of several values, the worst */
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drain"),
		      STATE("down"), STATE("active"), END } },
		  "down", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drain"),
		      STATE("off"), END } },
		  "drain", 1, "imapServerState='off': expected active, drain "
		  "or down" },
		/* 8: unknown */
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drained"),
		      HOME("a"), END } },
		  "error", 1, "imapServerState='drained': expected active" },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE(""), END } },
		  "error", 1, "imapServerState='': expected active" },
		{ { "cn=x,dc=test", { NAME("imap1"),
		      BYTES("imapServerState", "down\0"), END } },
		  "error", 1, "imapServerState='down': expected active" },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("up\r\n* BYE"),
		      END } },
		  "error", 1, "imapServerState='up??* BYE': expected" },
		/* 12: successors */
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drain"),
		      HOME("c 20"), HOME("b:143 10"),
		      HOME("imap://a/Shared/x"), END } },
		  "drain imap://a/ imap://b/ imap://c:10143/", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("drain"),
		      HOME("h_1"), HOME("a"), END } },
		  "drain imap://a:10143/", 1, "imapHomeServer='h_1': " },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("down"),
		      HOME("a/b"), END } },
		  "down", 1, "imapHomeServer='a/b': " },
		{ { "cn=x,dc=test", { NAME("imap1"), STATE("down"),
		      BYTES("imapHomeServer", "a\0b"), END } },
		  "down", 1, "imapHomeServer='a': " },
		/* 16: also where they do not matter yet */
		{ { "cn=x,dc=test", { NAME("imap1"), HOME("a:0"), END } },
		  "none", 1, "imapHomeServer='a:0': the port" },
		/* 17: names */
		{ { "cn=x,dc=test", { NAME("imap2"), NAME("IMAP1."),
		      NAME("imap1:993"), STATE("drain"), END } },
		  "drain", 3, NULL },
		{ { "cn=x,dc=test", { NAME("imap1:143"), STATE("drain"),
		      END } },
		  "drain", 1, NULL },
		{ { "cn=x,dc=test", { NAME("imap1:993"), STATE("drain"),
		      END } },
		  "none", 1, NULL },
		/* 20 */
		{ { "cn=x,dc=test", { NAME("The old one"), NAME("imap1"),
		      STATE("drain"), END } },
		  "drain", 1, "cn='The old one': the host is not a DNS name" },
		{ { "cn=x,dc=test", { BYTES("cn", "imap1\0"), STATE("drain"),
		      END } },
		  "none", 0, "cn='imap1': the name has a NUL byte" },
		{ { "cn=x,dc=test", { NAME("imap1:0"), STATE("drain"),
		      END } },
		  "none", 0, "cn='imap1:0': the port" },
		{ { "cn=x,dc=test", { STATE("drain"), END } },
		  "none", 0, NULL },
		{ { "cn=x,dc=test", { NAME("127.1"), END } },
		  "none", 0, "cn='127.1': the host is not" },
	};
	struct unit_loader test;
	unsigned int i;

	test_begin("referral server load: entries");
	for (i = 0; i < N_ELEMENTS(tests); i++) T_BEGIN {
		test_loader_begin(&test, "500", "100");
		if (tests[i].error != NULL) {
			test_expect_error_string(t_strconcat(
				"cn=x,dc=test: Skipping ", tests[i].error,
				NULL));
		}
		referral_loader_start(test.loader);
		unit_wait(test.server->search_count == 1);
		fake_ldap_send_entry(fake_ldap_search(test.server, 0),
				     &tests[i].entry);
		fake_ldap_send_result(fake_ldap_search(test.server, 0),
				      LDAP_SUCCESS, NULL);
		unit_wait(test.callback_count == 1);
		test_assert_strcmp_idx(test.error, NULL, i);
		if (test.map != NULL) {
			test_assert_strcmp_idx(map_lookup(test.map,
				"imap1:143"), tests[i].result, i);
			test_assert_idx(referral_map_count(test.map) ==
					tests[i].count, i);
		}
		test_expect_no_more_errors();
		unit_loader_end(&test);
	} T_END;
	test_end();
}

static void test_referral_server_load_request(void)
{
	struct fake_ldap_request *request;
	struct unit_loader test;

	test_begin("referral server load: request");
	test_loader_begin(&test, "7", "100");
	referral_loader_start(test.loader);
	unit_wait(test.server->search_count == 1);
	request = fake_ldap_search(test.server, 0);
	test_assert_strcmp(request->dn, "dc=test");
	test_assert(request->scope == LDAP_SCOPE_SUBTREE);
	test_assert_strcmp(request->filter, "(objectClass=imapServer)");
	test_assert_strcmp(request->attributes,
			   "cn imapServerState imapHomeServer");
	test_assert(request->page_size == 7);
	fake_ldap_send_result(request, LDAP_SUCCESS, NULL);
	unit_wait(test.callback_count == 1);
	test_assert(test.map != NULL && referral_map_count(test.map) == 0);
	unit_loader_end(&test);
	test_end();
}

/* "imap<idx>" in pages of one, which is how many there are. */
static void page_handler(struct fake_ldap_request *request, void *context)
{
	const unsigned int *count = context;
	unsigned int idx = 0;

	if (*request->cookie != '\0' &&
	    str_to_uint(request->cookie, &idx) < 0)
		i_unreached();
	const struct fake_ldap_entry entry = {
		t_strdup_printf("cn=%u,dc=test", idx), {
			NAME(t_strdup_printf("imap%u", idx)), STATE("down"),
			END
		}
	};
	fake_ldap_send_entry(request, &entry);
	idx++;
	fake_ldap_send_page(request, idx == *count ? "" : dec2str(idx));
}

static void test_referral_server_load_limit(void)
{
	struct unit_loader test;
	unsigned int count;

	test_begin("referral server load: pages and limit");
	for (count = 9; count <= 12; count++) {
		test_loader_begin(&test, "1", "10");
		test.server->handler = page_handler;
		test.server->context = &count;
		referral_loader_start(test.loader);
		unit_wait(test.callback_count == 1);
		test_assert_idx((test.map != NULL) == (count <= 10), count);
		if (test.map != NULL) {
			test_assert_strcmp_idx(map_lookup(test.map,
				t_strdup_printf("imap%u:143", count - 1)),
				"down", count);
		} else {
			/* a part of them is no answer */
			test_assert_strcmp_idx(test.error, "The directory has "
				"more than 10 servers: "
				"referral_ldap_server_limit has to be raised",
				count);
		}
		unit_loader_end(&test);
	}
	test_end();
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_referral_server_load_request,
		test_referral_server_load_entry,
		test_referral_server_load_limit,
		NULL
	};
	return unit_run(test_functions);
}
