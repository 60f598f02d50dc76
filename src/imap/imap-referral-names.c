/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "array.h"
#include "sort.h"
#include "mail-namespace.h"
#include "referral-key.h"
#include "imap-referral-user.h"
#include "imap-referral-names.h"

/* No directory has that many. */
#define IMAP_REFERRAL_NAMES_MAX_COUNT 1000000

struct imap_referral_row {
	/* With the separator '/' */
	const char *key_name;
	bool remote;
};

struct imap_referral_names {
	pool_t pool;
	struct mail_user *user;

	ARRAY(struct imap_referral_row) rows;
	ARRAY(struct imap_referral_ns_names *) namespaces;
	bool loaded, failed;
};

ARRAY_DEFINE_TYPE(imap_referral_name, struct imap_referral_name);

struct imap_referral_names *
imap_referral_names_init(pool_t pool, struct mail_user *user)
{
	struct imap_referral_names *names;

	names = p_new(pool, struct imap_referral_names, 1);
	names->pool = pool;
	names->user = user;
	p_array_init(&names->namespaces, pool, 4);
	return names;
}

static bool names_row(const char *key, const char *value, void *context)
{
	struct imap_referral_names *names = context;
	struct imap_referral_row *row;
	enum referral_key_type type;
	const char *key_name;

	/* whatever the backend is: no name that has not been checked */
	if (!referral_key_parse(key, &type, &key_name) ||
	    type != REFERRAL_KEY_TYPE_MAILBOX)
		return TRUE;
	row = array_append_space(&names->rows);
	row->key_name = p_strdup(names->pool, key_name);
	row->remote = imap_referral_user_is_remote(names->user, value);
	return array_count(&names->rows) < IMAP_REFERRAL_NAMES_MAX_COUNT;
}

static int names_load(struct imap_referral_names *names)
{
	if (!names->loaded) {
		names->loaded = TRUE;
		p_array_init(&names->rows, names->pool, 64);
		names->failed = imap_referral_user_iterate(names->user,
							   names_row,
							   names) < 0;
	}
	return names->failed ? -1 : 0;
}

static void
names_add(ARRAY_TYPE(imap_referral_name) *array, const char *vname,
	  enum imap_referral_name_flags flags)
{
	struct imap_referral_name *name = array_append_space(array);

	name->vname = vname;
	name->flags = flags;
}

/* Add a mailbox and all that is above it in the namespace. */
static void
names_add_row(struct imap_referral_names *names,
	      const struct mail_namespace *ns,
	      const struct imap_referral_row *row,
	      ARRAY_TYPE(imap_referral_name) *array)
{
	char sep = mail_namespace_get_sep((struct mail_namespace *)ns);
	enum imap_referral_name_flags parent_flags;
	const char *vname, *p;

	vname = imap_referral_mailbox_get_vname(ns, row->key_name);
	if (vname == NULL ||
	    !imap_referral_user_may_refer(names->user, ns, vname))
		return;
	vname = p_strdup(names->pool, vname);
	names_add(array, vname, IMAP_REFERRAL_NAME_LISTED |
		  (row->remote ? IMAP_REFERRAL_NAME_REMOTE : 0));

	parent_flags = IMAP_REFERRAL_NAME_CHILDREN |
		(row->remote ? IMAP_REFERRAL_NAME_REMOTE_CHILDREN : 0);
	while ((p = strrchr(vname, sep)) != NULL &&
	       (size_t)(p - vname) >= ns->prefix_len) {
		vname = p_strdup_until(names->pool, vname, p);
		names_add(array, vname, parent_flags);
	}
}

static int
name_cmp(const struct imap_referral_name *name1,
	 const struct imap_referral_name *name2)
{
	return strcmp(name1->vname, name2->vname);
}

static int name_key_cmp(const char *vname, const struct imap_referral_name *name)
{
	return strcmp(vname, name->vname);
}

/* Make one of those that have the same name. */
static unsigned int names_merge(struct imap_referral_name *names,
				unsigned int count)
{
	unsigned int i, last = 0;

	for (i = 1; i < count; i++) {
		if (strcmp(names[i].vname, names[last].vname) == 0)
			names[last].flags |= names[i].flags;
		else
			names[++last] = names[i];
	}
	return count == 0 ? 0 : last + 1;
}

int imap_referral_names_get(struct imap_referral_names *names,
			    const struct mail_namespace *ns,
			    const struct imap_referral_ns_names **ns_names_r)
{
	ARRAY_TYPE(imap_referral_name) array;
	struct imap_referral_ns_names *ns_names;
	const struct imap_referral_row *row;
	struct imap_referral_name *sorted;
	unsigned int count;

	if (names_load(names) < 0)
		return -1;
	array_foreach_elem(&names->namespaces, ns_names) {
		if (ns_names->ns == ns) {
			*ns_names_r = ns_names;
			return 0;
		}
	}

	p_array_init(&array, names->pool, array_count(&names->rows) + 1);
	array_foreach(&names->rows, row) T_BEGIN {
		names_add_row(names, ns, row, &array);
	} T_END;
	array_sort(&array, name_cmp);

	ns_names = p_new(names->pool, struct imap_referral_ns_names, 1);
	ns_names->ns = ns;
	sorted = array_get_modifiable(&array, &count);
	ns_names->names = sorted;
	ns_names->count = names_merge(sorted, count);
	array_push_back(&names->namespaces, &ns_names);
	*ns_names_r = ns_names;
	return 0;
}

int imap_referral_ns_names_find(const struct imap_referral_ns_names *names,
				const char *vname)
{
	const struct imap_referral_name *name;

	name = i_bsearch(vname, names->names, names->count,
			 sizeof(*names->names), name_key_cmp);
	return name == NULL ? -1 : (int)(name - names->names);
}

bool
imap_referral_ns_names_parent_is_remote(const struct imap_referral_ns_names *names,
					const char *vname)
{
	char sep = mail_namespace_get_sep((struct mail_namespace *)names->ns);
	const char *p;
	int idx;

	while ((p = strrchr(vname, sep)) != NULL) {
		vname = t_strdup_until(vname, p);
		idx = imap_referral_ns_names_find(names, vname);
		if (idx != -1 && (names->names[idx].flags &
				  IMAP_REFERRAL_NAME_LISTED) != 0) {
			return (names->names[idx].flags &
				IMAP_REFERRAL_NAME_REMOTE) != 0;
		}
	}
	return FALSE;
}

bool imap_referral_names_is_remote(struct imap_referral_names *names,
				   const char *vname)
{
	const struct imap_referral_ns_names *ns_names;
	struct imap_referral_location location;
	struct mail_namespace *ns;
	int idx;

	ns = mail_namespace_find(names->user->namespaces, vname);
	if (!imap_referral_user_may_refer(names->user, ns, vname))
		return FALSE;
	if (imap_referral_names_get(names, ns, &ns_names) < 0)
		return FALSE;
	idx = imap_referral_ns_names_find(ns_names, vname);
	if (idx != -1 && (ns_names->names[idx].flags &
			  IMAP_REFERRAL_NAME_LISTED) != 0) {
		return (ns_names->names[idx].flags &
			IMAP_REFERRAL_NAME_REMOTE) != 0;
	}
	if (imap_referral_ns_names_parent_is_remote(ns_names, vname))
		return TRUE;
	/* a guest's, or another user's */
	imap_referral_user_locate_unlisted(names->user, ns, vname, &location);
	return location.place != IMAP_REFERRAL_PLACE_LOCAL;
}

bool imap_referral_names_failed(const struct imap_referral_names *names)
{
	return names->failed;
}
