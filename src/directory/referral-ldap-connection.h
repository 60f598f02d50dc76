#ifndef REFERRAL_LDAP_CONNECTION_H
#define REFERRAL_LDAP_CONNECTION_H

#include <ldap.h>
#include <openldap.h>

/* The LDAP servers, as one: all searches share a connection to the first one
   that is well. It is opened by the first search and reopened by the next one
   after it was lost. Searches that were in flight when it was lost, or that the
   server could not serve, are sent again, to the next server if this one has
   failed. A server that has failed is tried in the background, and used again
   when it answers a search; while all have failed, searches fail at once. Nothing
   here ever waits: the sockets are ours and non-blocking, and libldap only reads
   and writes them when there is something to do. */

struct referral_ldap_settings;
struct referral_ldap_connection;

struct referral_ldap_search {
	const char *base;
	int scope; /* LDAP_SCOPE_* */
	const char *filter;
	/* Ended by NULL. */
	const char *const *attributes;
	/* Most entries wanted; 0 = no limit */
	unsigned int size_limit;
	/* Use the paged results control (RFC 2696); 0 = do not */
	unsigned int page_size;
	/* The page after this one; NULL = the first page */
	const struct berval *cookie;
};

/* An error result says that the server cannot serve; another one may. All
   others are answers. Negative codes are libldap's, or -1 as below. */
bool referral_ldap_is_server_error(int err);

struct referral_ldap_result {
	/* NULL if the search was successful: then the entries are all there
	   are, or "truncated" is set as there are more than the size_limit.
	   Otherwise there are no entries. Says which server. */
	const char *error;
	/* The directory was asked and said no (no such object, insufficient
	   access, size limit, ...). FALSE: with an error, no server could be
	   asked. */
	bool refused;
	/* The LDAP result code, then. */
	int code;
	/* The DN of the last entry on the way to the base that is there (RFC
	   4511 section 4.1.9), if the base is not; NULL or empty: unknown. */
	const char *matched_dn;
	/* The search was for another page than the first, and the connection
	   that its cookie belongs to is lost: begin with the first page. */
	bool cookie_lost;
	bool truncated;
	/* There are more pages if it is not empty. */
	struct berval cookie;

	/* Private */
	LDAP *ld;
	LDAPMessage *const *entries;
	unsigned int entries_count, next_entry;
};

struct referral_ldap_entry {
	/* As the server sent it: sanitize it before it is logged. */
	const char *dn;

	/* Private */
	LDAP *ld;
	LDAPMessage *msg;
};

/* One value of an attribute. There is a NUL byte after it, and there may be
   others in it. */
struct referral_ldap_bytes {
	const char *data;
	size_t size;
};
ARRAY_DEFINE_TYPE(referral_ldap_bytes, struct referral_ldap_bytes);

typedef void referral_ldap_callback_t(struct referral_ldap_result *result,
				      void *context);

/* The first call of libldap reads its configuration files: make it early. */
void referral_ldap_preload(void);

/* The settings have to exist as long as the connection does. Names are
   resolved by Dovecot's dns-client service in base_dir. */
struct referral_ldap_connection *
referral_ldap_connection_init(const struct referral_ldap_settings *set,
			      const char *base_dir, struct event *event_parent);
/* Searches that are not finished fail: their callbacks are called. So do all
   later ones. */
void referral_ldap_connection_abort(struct referral_ldap_connection *conn);
void referral_ldap_connection_deinit(struct referral_ldap_connection **conn);

/* The callback is called exactly once, at the latest when the settings'
   timeout is over, and possibly before this returns. It may start other
   searches. The result is valid only while it runs. The search is copied. */
void referral_ldap_connection_search(struct referral_ldap_connection *conn,
				     const struct referral_ldap_search *search,
				     referral_ldap_callback_t *callback,
				     void *context);
#define referral_ldap_connection_search(conn, search, callback, context) \
	referral_ldap_connection_search(conn, search, \
		(referral_ldap_callback_t *)(callback), \
		1 ? (context) : CALLBACK_TYPECHECK(callback, \
			void (*)(struct referral_ldap_result *, \
				 typeof(context))))

/* A search that goes on after its first results (RFC 4533
   refreshAndPersist): its messages are handed on one by one as they come. It is
   never sent again: when the connection is lost, it ends. */
struct referral_ldap_persist;

struct referral_ldap_persist_end {
	/* NULL = LDAP_SUCCESS. Says which server. */
	const char *error;
	/* The LDAP result code, or -1: connection lost, no server, hung */
	int code;
};

struct referral_ldap_persist_callbacks {
	/* The entry is valid only in the call. */
	void (*entry)(const struct referral_ldap_entry *entry,
		      LDAPControl **controls, void *context);
	/* An intermediate response (RFC 4511 section 4.13). oid may be "",
	   and data NULL. */
	void (*info)(const char *oid, const struct berval *data,
		     void *context);
	/* The last call; the persist is freed after it. Not called after
	   cancel. */
	void (*end)(const struct referral_ldap_persist_end *end,
		    void *context);
};

/* Called each time just before the search is sent, with the URI of the server
   that it goes to, to get its control, allocated from the data stack: so a
   cookie can be chosen that is that server's. */
typedef void referral_ldap_persist_control_t(const char *uri,
					     LDAPControl *control_r,
					     void *context);

/* The callbacks are never called before this returns. They may cancel it, and
   start searches. There is no deadline: who needs one keeps a timer. The search
   is copied; its pages and size limit are not used. */
struct referral_ldap_persist *
referral_ldap_connection_persist(struct referral_ldap_connection *conn,
	const struct referral_ldap_search *search,
	referral_ldap_persist_control_t *control_cb,
	const struct referral_ldap_persist_callbacks *callbacks,
	void *context);
/* Abandons it; callable from its callbacks. */
void referral_ldap_persist_cancel(struct referral_ldap_persist **persist);

struct referral_ldap_status {
	/* The server that is used, or would be; or the last one that has
	   failed */
	const char *uri;
	/* "connected"; "connecting"; "disconnected": it was not needed, or
	   lost; "failed": no server could be asked */
	const char *state;
};
/* Asks nobody. The strings are valid until something happens. */
void referral_ldap_connection_get_status(
	const struct referral_ldap_connection *conn,
	struct referral_ldap_status *status_r);

/* Returns FALSE when there are no more entries. The strings are allocated from
   the data stack. */
bool referral_ldap_result_next(struct referral_ldap_result *result,
			       struct referral_ldap_entry *entry_r);
/* Get the names of all attributes that the server has sent, with their options
   (RFC 4512 section 2.5), allocated from the data stack. */
void referral_ldap_entry_get_names(const struct referral_ldap_entry *entry,
				   ARRAY_TYPE(const_string) *names_r);
/* An attribute's first values, for whoever has more than anybody needs. */
#define REFERRAL_LDAP_MAX_VALUES 10000
/* Get an attribute's values, allocated from the data stack; at most
   REFERRAL_LDAP_MAX_VALUES. The array is empty if the entry has no such
   attribute. */
void referral_ldap_entry_get_values(const struct referral_ldap_entry *entry,
				    const char *attribute,
				    ARRAY_TYPE(referral_ldap_bytes) *values_r);

#endif
