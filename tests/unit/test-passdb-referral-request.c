/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "auth-common.h"
#include "array.h"
#include "ioloop.h"
#include "str.h"
#include "dict-private.h"
#include "passdb.h"
#include "referral-compat.h"
#include "referral-dict.h"
#include "referral-dns.h"
#include "referral-plugin-settings.h"
#include "passdb-imap-referral.h"
#include "passdb-imap-referral-order.h"
#include "unit-common.h"

/* The passdb between a dict and an auth request that are ours. */

struct event *auth_event;
bool worker = FALSE;

/* Values by parts of keys; what has none is not found. */
static struct {
	const char *key, *value;
	bool hangs;
} answers[4];
static unsigned int waiting_count;

static const char *field_log;
static enum passdb_result finish_result;
static unsigned int finish_count;

/* The lookup that hangs. */
static dict_lookup_callback_t *waiting_callback;
static void *waiting_context;

static void fake_dict_deinit(struct dict *dict ATTR_UNUSED)
{
	struct dict_lookup_result result;

	if (waiting_count > 0) {
		i_zero(&result);
		result.ret = -1;
		result.error = "fake deinit";
		waiting_callback(&result, waiting_context);
	}
}

static void
fake_dict_lookup_async(struct dict *dict ATTR_UNUSED,
		       const struct dict_op_settings *set ATTR_UNUSED,
		       const char *key, dict_lookup_callback_t *callback,
		       void *context)
{
	struct dict_lookup_result result;
	const char *values[2] = { NULL, NULL };
	unsigned int i;

	i_zero(&result);
	for (i = 0; i < N_ELEMENTS(answers); i++) {
		if (answers[i].key == NULL ||
		    strstr(key, answers[i].key) == NULL)
			continue;
		if (answers[i].hangs) {
			waiting_count++;
			waiting_callback = callback;
			waiting_context = context;
			return;
		}
		result.ret = 1;
		result.value = values[0] = answers[i].value;
		result.values = values;
	}
	callback(&result, context);
}

static struct dict fake_dict = {
	.name = "fake",
	.refcount = 1,
	.v = {
		.deinit = fake_dict_deinit,
		.lookup_async = fake_dict_lookup_async,
	},
};

int referral_dict_open(const char *base_dir ATTR_UNUSED,
		       struct event *event_parent, struct dict **dict_r,
		       const char **error_r ATTR_UNUSED)
{
	fake_dict.event = event_create(event_parent);
	fake_dict.refcount = 1;
	*dict_r = &fake_dict;
	return 0;
}

#undef referral_dns_lookup
void referral_dns_lookup(const char *host ATTR_UNUSED,
			 const char *base_dir ATTR_UNUSED,
			 struct event *event_parent ATTR_UNUSED,
			 dns_lookup_callback_t *callback, void *context,
			 struct dns_lookup **lookup_r)
{
	struct dns_lookup_result result;
	struct ip_addr ip;

	*lookup_r = NULL;
	test_assert(net_addr2ip("192.0.2.1", &ip) == 0);
	i_zero(&result);
	result.ips = &ip;
	result.ips_count = 1;
	callback(&result, context);
}

void auth_request_ref(struct auth_request *request)
{
	request->refcount++;
}

void auth_request_unref(struct auth_request **request)
{
	(*request)->refcount--;
	*request = NULL;
}

void auth_request_set_field(struct auth_request *request ATTR_UNUSED,
			    const char *name, const char *value,
			    const char *default_scheme ATTR_UNUSED)
{
	field_log = p_strdup_printf(request->pool, "%s%s=%s ", field_log, name,
				    value);
}

const char *auth_fields_find(struct auth_fields *fields ATTR_UNUSED,
			     const char *key ATTR_UNUSED)
{
	return NULL;
}

void auth_fields_remove(struct auth_fields *fields ATTR_UNUSED,
			const char *key ATTR_UNUSED)
{
}

void passdb_handle_credentials(enum passdb_result result ATTR_UNUSED,
			       const char *password ATTR_UNUSED,
			       const char *scheme ATTR_UNUSED,
			       lookup_credentials_callback_t *callback
				ATTR_UNUSED,
			       struct auth_request *request ATTR_UNUSED)
{
	i_unreached();
}

void passdb_imap_referral_check_order(void)
{
}

static void test_callback(enum passdb_result result,
			  struct auth_request *request ATTR_UNUSED)
{
	finish_result = result;
	finish_count++;
}

struct test_login {
	struct ioloop *ioloop;
	pool_t pool;
	struct referral_plugin_settings set;
	struct auth_passdb passdb;
	struct auth_request *request;
};

/* bob has proven to be bob. */
static void test_login_begin(struct test_login *login_r, const char *name)
{
	struct auth_request *request;
	struct auth_request_fields *fields;

	test_begin(name);
	i_zero(login_r);
	i_zero(&answers);
	waiting_count = finish_count = 0;
	field_log = "";
	login_r->ioloop = io_loop_create();
	login_r->pool = pool_alloconly_create("test login", 2048);
	auth_event = event_create(NULL);
	referral_settings_init(referral_plugin_setting_defs, login_r->pool,
			       &login_r->set);
	login_r->set.server = "imap1.example.org";
	login_r->set.guests = REFERRAL_GUESTS_AUTO;

	request = login_r->request = p_new(login_r->pool,
					   struct auth_request, 1);
	request->pool = login_r->pool;
	request->passdb = &login_r->passdb;
	request->refcount = 1;
	request->mech_password = p_strdup(login_r->pool, "secret");
	p_array_init(&request->authdb_event, login_r->pool, 1);
	array_push_back(&request->authdb_event, &auth_event);
	/* only auth-request-fields.c may write to them */
	fields = (void *)&request->fields;
	fields->user = p_strdup(login_r->pool, "bob");
	fields->skip_password_check = TRUE;
	fields->mech_name = "PLAIN";
	*(const char **)&auth_request_protocol(request) = "imap";
	test_assert(net_addr2ip("192.0.2.1", &fields->local_ip) == 0);
	fields->local_port = 143;
}

static void test_login_start(struct test_login *login)
{
	const char *error;

	login->passdb.passdb = passdb_imap_referral_create(login->pool,
		&login->set, "/nowhere", &error);
	test_assert(login->passdb.passdb != NULL);
	passdb_imap_referral_init(login->passdb.passdb);
	passdb_imap_referral_verify_plain(login->request, "secret",
					  test_callback);
}

static void test_login_end(struct test_login *login)
{
	passdb_imap_referral_deinit(login->passdb.passdb);
	test_assert(finish_count == 1);
	test_assert(login->request->refcount == 1);
	event_unref(&auth_event);
	io_loop_destroy(&login->ioloop);
	pool_unref(&login->pool);
	test_end();
}

static void test_passdb_referral_answers(void)
{
	static const struct {
		const char *name;
		enum referral_fallback fallback;
		/* parts of keys, and their values */
		const char *answers[3][2];
		const char *fields;
	} tests[] = {
		{ "home elsewhere", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "imap://imap2.example.org:1143/" } },
		  "host=imap2.example.org port=1143 nologin= " },
		{ "home here", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "imap://imap1.example.org/" } }, "" },
		{ "offer", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "offer imap://imap2.example.org/" } },
		  "userdb_referral_home=imap://imap2.example.org/ "
		  "userdb_referral_offer=bob " },
		/* a tagged OK is followed: never where the user may come for
		   a mailbox */
		{ "offer where mailboxes are", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "offer imap://imap2.example.org/" },
		    { "/shares/", "imap://imap1.example.org/" } },
		  "userdb_referral_home=imap://imap2.example.org/ " },
		{ "successor, once", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "imap://imap2.example.org/" },
		    { "/server/imap2.example.org",
		      "drain imap://imap3.example.org/" },
		    { "/server/imap3.example.org",
		      "drain imap://imap2.example.org/" } },
		  "host=imap3.example.org nologin= " },
		{ "home here, which is drained", REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "imap://imap1.example.org/" },
		    { "/server/imap1", "drain imap://imap2.example.org/" } },
		  "" },
		{ "home here, which is down by another name",
		  REFERRAL_FALLBACK_NONE,
		  { { "/home/bob", "imap://imap1.example.org/" },
		    { "/server/imap1", "drain imap://imap2.example.org/" },
		    { "/server/192.0.2.1", "down imap://imap3.example.org/" } },
		  "host=imap3.example.org nologin= " },
		/* Dovecot adds the password */
		{ "proxy", REFERRAL_FALLBACK_PROXY,
		  { { "/home/bob", "imap://192.0.2.2:993/" } },
		  "ssl=yes port=993 host=192.0.2.2 proxy=y " },
	};
	struct test_login login;
	unsigned int i, j;

	for (i = 0; i < N_ELEMENTS(tests); i++) {
		test_login_begin(&login, t_strconcat("passdb referral: ",
						     tests[i].name, NULL));
		login.set.fallback = tests[i].fallback;
		for (j = 0; j < N_ELEMENTS(tests[i].answers); j++) {
			answers[j].key = tests[i].answers[j][0];
			answers[j].value = tests[i].answers[j][1];
		}
		test_login_start(&login);
		unit_wait(finish_count > 0);
		test_assert(finish_result == PASSDB_RESULT_OK);
		test_assert_strcmp(field_log, tests[i].fields);
		test_login_end(&login);
	}
}

static void test_passdb_referral_proxy_to_self(void)
{
	struct test_login login;

	test_login_begin(&login, "passdb referral: proxy to this server");
	login.set.fallback = REFERRAL_FALLBACK_PROXY;
	answers[0].key = "/home/bob";
	/* a name that we do not know, of an address that is ours */
	answers[0].value = "imap://other.example.org/";
	test_expect_error_string("add it to imap_referral_aliases");
	test_login_start(&login);
	unit_wait(finish_count > 0);
	test_expect_no_more_errors();
	test_assert(finish_result == PASSDB_RESULT_INTERNAL_FAILURE);
	test_assert_strcmp(field_log, "");
	test_login_end(&login);
}

/* Each of a login's questions in turn has no answer when auth ends. */
static void test_passdb_referral_deinit(void)
{
	static const char *const keys[] = {
		"/home/bob", "/server/imap2", "/shares/", NULL
	};
	struct test_login login;
	unsigned int i;

	for (i = 0; keys[i] != NULL; i++) {
		test_login_begin(&login, t_strdup_printf(
			"passdb referral: ends while %s is asked", keys[i]));
		answers[0].key = "/home/bob";
		answers[0].value = "imap://imap2.example.org/";
		answers[1].key = keys[i];
		answers[1].hangs = TRUE;
		test_login_start(&login);
		unit_wait(waiting_count > 0);
		test_assert(finish_count == 0);
		test_expect_errors(i == 1 ? 2 : 1);
		passdb_imap_referral_deinit(login.passdb.passdb);
		test_expect_no_more_errors();
		test_assert(finish_count == 1);
		/* never a login */
		test_assert(finish_result == PASSDB_RESULT_INTERNAL_FAILURE ||
			    strstr(field_log, "nologin") != NULL);
		event_unref(&auth_event);
		io_loop_destroy(&login.ioloop);
		pool_unref(&login.pool);
		test_end();
	}
}

int main(void)
{
	static void (*const test_functions[])(void) = {
		test_passdb_referral_answers,
		test_passdb_referral_proxy_to_self,
		test_passdb_referral_deinit,
		NULL
	};
	return unit_run(test_functions);
}
