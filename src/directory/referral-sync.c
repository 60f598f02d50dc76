/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "str-sanitize.h"
#include "referral-ldap-connection.h"
#include "referral-sync-message.h"
#include "referral-sync.h"

enum referral_sync_phase {
	REFERRAL_SYNC_STOPPED,
	/* Waiting for the connection */
	REFERRAL_SYNC_STARTED,
	/* Sent */
	REFERRAL_SYNC_REFRESH,
	/* All has come; changes may come now. */
	REFERRAL_SYNC_PERSIST,
};

struct referral_sync {
	struct referral_ldap_connection *conn;
	pool_t pool;
	struct referral_ldap_search search;
	unsigned int timeout_msecs;
	struct referral_sync_callbacks callbacks;
	void *context;

	enum referral_sync_phase phase;
	/* Not NULL unless stopped */
	struct referral_ldap_persist *persist;
	/* In STARTED and REFRESH: ends it when nothing comes. */
	struct timeout *to;
	/* The server that it was sent to last */
	char *uri;
	/* This one has told us all that it had at the time of the cookie. */
	char *cookie_uri;
	struct referral_sync_bytes cookie;

	/* Of this refresh: */
	bool everything;
	/* Something was said to be present, or the phase in which that is done
	   has ended. */
	bool only_present;
	/* It was begun once more, without a cookie. */
	bool again;
};

static void sync_send(struct referral_sync *sync);

static void sync_forget_cookie(struct referral_sync *sync)
{
	unsigned char *data = (unsigned char *)sync->cookie.data;

	i_free(data);
	i_zero(&sync->cookie);
	i_free(sync->cookie_uri);
}

/* What the cookie stands for has been handed on completely. */
static void
sync_set_cookie(struct referral_sync *sync,
		const struct referral_sync_bytes *cookie)
{
	unsigned char *data;

	if (cookie->data == NULL)
		return;
	sync_forget_cookie(sync);
	data = i_malloc(I_MAX(cookie->size, 1));
	memcpy(data, cookie->data, cookie->size);
	sync->cookie.data = data;
	sync->cookie.size = cookie->size;
	sync->cookie_uri = i_strdup(sync->uri);
}

static void
sync_end(struct referral_sync *sync, enum referral_sync_end reason,
	 const char *error)
{
	/* what is left of a refresh is worth nothing */
	referral_sync_stop(sync);
	sync->callbacks.end(reason, error, sync->context);
}

static void
sync_garbage(struct referral_sync *sync, const char *what, const char *error)
{
	/* whatever went wrong: not from there on */
	sync_forget_cookie(sync);
	sync_end(sync, REFERRAL_SYNC_END_GARBAGE,
		 t_strdup_printf("%s: Live search below %s: %s: %s", sync->uri,
				 sync->search.base, what, error));
}

static void sync_timeout(struct referral_sync *sync)
{
	sync_end(sync, REFERRAL_SYNC_END_LOST, t_strdup_printf(
		"%s: Live search below %s: Nothing came in %u ms",
		sync->uri == NULL ? "No server" : sync->uri,
		sync->search.base, sync->timeout_msecs));
}

static bool sync_is_stopped(const struct referral_sync *sync)
{
	return sync->phase == REFERRAL_SYNC_STOPPED;
}

static void
sync_refreshed(struct referral_sync *sync,
	       const struct referral_sync_bytes *cookie)
{
	bool only_present = sync->everything || sync->only_present;

	timeout_remove(&sync->to);
	sync->phase = REFERRAL_SYNC_PERSIST;
	sync->again = FALSE;
	/* without a cookie there is no way to go on from here */
	sync_forget_cookie(sync);
	sync_set_cookie(sync, cookie);
	sync->callbacks.refreshed(only_present, sync->context);
}

static void
sync_persist_entry(const struct referral_ldap_entry *entry,
		   LDAPControl **controls, void *context)
{
	struct referral_sync *sync = context;
	struct referral_sync_entry message;
	LDAPControl *control;
	const char *error = "expected a Sync State control";

	if (sync->to != NULL)
		timeout_reset(sync->to);
	control = controls == NULL ? NULL :
		ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (control == NULL || referral_sync_entry_parse(
			(const unsigned char *)control->ldctl_value.bv_val,
			control->ldctl_value.bv_len, &message, &error) < 0) {
		sync_garbage(sync, str_sanitize(entry->dn, 256), error);
		return;
	}
	switch (message.state) {
	case REFERRAL_SYNC_STATE_PRESENT:
		if (sync->phase == REFERRAL_SYNC_REFRESH) {
			sync->only_present = TRUE;
			sync->callbacks.present(message.uuid, sync->context);
		}
		break;
	case REFERRAL_SYNC_STATE_ADD:
	case REFERRAL_SYNC_STATE_MODIFY:
		sync->callbacks.entry(entry, message.uuid, sync->context);
		break;
	case REFERRAL_SYNC_STATE_DELETE:
		sync->callbacks.gone(message.uuid, sync->context);
		break;
	}
	if (sync->phase == REFERRAL_SYNC_PERSIST)
		sync_set_cookie(sync, &message.cookie);
}

static void
sync_id_set(struct referral_sync *sync, struct referral_sync_info *info)
{
	guid_128_t uuid;

	if (!info->refresh_deletes) {
		/* what is there does not matter later */
		if (sync->phase != REFERRAL_SYNC_REFRESH)
			return;
		sync->only_present = TRUE;
	}
	while (!sync_is_stopped(sync) &&
	       referral_sync_info_next_id(info, uuid)) {
		if (info->refresh_deletes)
			sync->callbacks.gone(uuid, sync->context);
		else
			sync->callbacks.present(uuid, sync->context);
	}
}

static void
sync_persist_info(const char *oid, const struct berval *data, void *context)
{
	struct referral_sync *sync = context;
	struct referral_sync_info info;
	const char *error;

	if (sync->to != NULL)
		timeout_reset(sync->to);
	/* others are none of our business (RFC 4511 section 4.13) */
	if (strcmp(oid, LDAP_SYNC_INFO) != 0)
		return;
	if (referral_sync_info_parse(data == NULL ? NULL :
				     (const unsigned char *)data->bv_val,
				     data == NULL ? 0 : data->bv_len,
				     &info, &error) < 0) {
		sync_garbage(sync, "Sync Info message", error);
		return;
	}
	switch (info.type) {
	case REFERRAL_SYNC_INFO_NEW_COOKIE:
		break;
	case REFERRAL_SYNC_INFO_REFRESH_PRESENT:
		if (sync->phase == REFERRAL_SYNC_REFRESH)
			sync->only_present = TRUE;
		/* fall through */
	case REFERRAL_SYNC_INFO_REFRESH_DELETE:
		if (sync->phase == REFERRAL_SYNC_REFRESH && info.refresh_done) {
			sync_refreshed(sync, &info.cookie);
			return;
		}
		break;
	case REFERRAL_SYNC_INFO_ID_SET:
		sync_id_set(sync, &info);
		break;
	}
	/* in a refresh it may stand for more than has come */
	if (sync->phase == REFERRAL_SYNC_PERSIST)
		sync_set_cookie(sync, &info.cookie);
}

static enum referral_sync_end sync_end_reason(int code)
{
	switch (code) {
	case LDAP_SUCCESS:
		/* as if nothing but a search had been asked for */
	case LDAP_UNAVAILABLE_CRITICAL_EXTENSION:
	case LDAP_SYNC_REFRESH_REQUIRED:
		return REFERRAL_SYNC_END_UNSUPPORTED;
	case LDAP_SIZELIMIT_EXCEEDED:
	case LDAP_ADMINLIMIT_EXCEEDED:
		return REFERRAL_SYNC_END_SIZE_LIMIT;
	default:
		return referral_ldap_is_server_error(code) ?
			REFERRAL_SYNC_END_LOST : REFERRAL_SYNC_END_REFUSED;
	}
}

/* The cookie is of no use (RFC 4533 section 3.2); or the server, which may have
   been set up anew, does not like it for whatever reason. */
static bool sync_is_cookie_bad(const struct referral_sync *sync, int code)
{
	switch (code) {
	case LDAP_SYNC_REFRESH_REQUIRED:
		return TRUE;
	case LDAP_BUSY:
	case LDAP_UNAVAILABLE:
		return FALSE;
	default:
		return code > 0 && sync->phase == REFERRAL_SYNC_REFRESH &&
			!sync->everything;
	}
}

static void
sync_persist_end(const struct referral_ldap_persist_end *end, void *context)
{
	struct referral_sync *sync = context;
	const char *error = end->error;

	/* freed by its caller */
	sync->persist = NULL;
	if (!sync->again && sync_is_cookie_bad(sync, end->code)) {
		referral_sync_stop(sync);
		sync_forget_cookie(sync);
		sync->again = TRUE;
		sync_send(sync);
		return;
	}
	if (error == NULL) {
		error = t_strdup_printf("%s: Live search below %s: The server "
					"has ended it", sync->uri,
					sync->search.base);
	}
	sync_end(sync, sync_end_reason(end->code), error);
}

static void
sync_persist_control(const char *uri, LDAPControl *control_r, void *context)
{
	struct referral_sync *sync = context;
	struct referral_sync_bytes request;

	i_free(sync->uri);
	sync->uri = i_strdup(uri);
	if (sync->cookie_uri != NULL && strcmp(sync->cookie_uri, uri) != 0)
		sync_forget_cookie(sync);

	sync->phase = REFERRAL_SYNC_REFRESH;
	sync->everything = sync->cookie_uri == NULL;
	sync->only_present = FALSE;
	timeout_reset(sync->to);
	request = referral_sync_request_create(&sync->cookie);
	control_r->ldctl_oid = t_strdup_noconst(LDAP_CONTROL_SYNC);
	control_r->ldctl_iscritical = 1;
	control_r->ldctl_value.bv_val = (char *)request.data;
	control_r->ldctl_value.bv_len = request.size;
	sync->callbacks.begin(sync->everything, sync->context);
}

static void sync_send(struct referral_sync *sync)
{
	static const struct referral_ldap_persist_callbacks callbacks = {
		.entry = sync_persist_entry,
		.info = sync_persist_info,
		.end = sync_persist_end,
	};

	sync->phase = REFERRAL_SYNC_STARTED;
	sync->to = timeout_add(sync->timeout_msecs, sync_timeout, sync);
	sync->persist = referral_ldap_connection_persist(sync->conn,
		&sync->search, sync_persist_control, &callbacks, sync);
}

void referral_sync_start(struct referral_sync *sync)
{
	if (!sync_is_stopped(sync))
		return;
	sync->again = FALSE;
	sync_send(sync);
}

void referral_sync_stop(struct referral_sync *sync)
{
	timeout_remove(&sync->to);
	if (sync->persist != NULL)
		referral_ldap_persist_cancel(&sync->persist);
	sync->phase = REFERRAL_SYNC_STOPPED;
}

void referral_sync_forget(struct referral_sync *sync)
{
	sync_forget_cookie(sync);
}

bool referral_sync_is_running(const struct referral_sync *sync)
{
	return !sync_is_stopped(sync);
}

bool referral_sync_is_live(const struct referral_sync *sync)
{
	return sync->phase == REFERRAL_SYNC_PERSIST;
}

struct referral_sync *
referral_sync_init(struct referral_ldap_connection *conn,
		   const struct referral_ldap_search *search,
		   unsigned int timeout_msecs,
		   const struct referral_sync_callbacks *callbacks,
		   void *context)
{
	struct referral_sync *sync;
	pool_t pool;

	pool = pool_alloconly_create("referral sync", 512);
	sync = p_new(pool, struct referral_sync, 1);
	sync->pool = pool;
	sync->conn = conn;
	sync->search.base = p_strdup(pool, search->base);
	sync->search.scope = search->scope;
	sync->search.filter = p_strdup(pool, search->filter);
	sync->search.attributes = (void *)p_strarray_dup(pool,
							 search->attributes);
	sync->timeout_msecs = timeout_msecs;
	sync->callbacks = *callbacks;
	sync->context = context;
	return sync;
}

void referral_sync_deinit(struct referral_sync **_sync)
{
	struct referral_sync *sync = *_sync;

	*_sync = NULL;
	/* the connection may be gone; then it has been ended */
	referral_sync_stop(sync);
	sync_forget_cookie(sync);
	i_free(sync->uri);
	pool_unref(&sync->pool);
}
