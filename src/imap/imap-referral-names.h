#ifndef IMAP_REFERRAL_NAMES_H
#define IMAP_REFERRAL_NAMES_H

struct mail_user;
struct mail_namespace;

/* The names of the mailboxes that the directory lists, as one LIST command sees
   them. They are asked for when they are needed first, and only once. */
struct imap_referral_names;

enum imap_referral_name_flags {
	/* The directory lists it, else it is a parent of one that it lists. */
	IMAP_REFERRAL_NAME_LISTED = 0x01,
	/* It is listed, and it is on another server. */
	IMAP_REFERRAL_NAME_REMOTE = 0x02,
	/* There is a listed mailbox below it, and one that is remote. */
	IMAP_REFERRAL_NAME_CHILDREN = 0x04,
	IMAP_REFERRAL_NAME_REMOTE_CHILDREN = 0x08,
};

struct imap_referral_name {
	const char *vname;
	enum imap_referral_name_flags flags;
};

/* The names of one namespace, each once, the namespace's prefix left out. */
struct imap_referral_ns_names {
	const struct mail_namespace *ns;
	const struct imap_referral_name *names;
	unsigned int count;
};

/* Everything is allocated from the pool. */
struct imap_referral_names *
imap_referral_names_init(pool_t pool, struct mail_user *user);
/* Returns 0, or -1 if the directory cannot be asked. Later calls return the
   same. */
int imap_referral_names_get(struct imap_referral_names *names,
			    const struct mail_namespace *ns,
			    const struct imap_referral_ns_names **ns_names_r);

/* Returns the index of a name, or -1. */
int imap_referral_ns_names_find(const struct imap_referral_ns_names *names,
				const char *vname);
/* Returns TRUE if a mailbox above this one is remote, and none between them is
   listed: then this one is there, too. */
bool
imap_referral_ns_names_parent_is_remote(const struct imap_referral_ns_names *names,
					const char *vname);

/* Returns TRUE if a mailbox that a list shows is remote, whether or not the
   directory lists it. */
bool imap_referral_names_is_remote(struct imap_referral_names *names,
				   const char *vname);
/* Returns TRUE if the directory could not be asked. */
bool imap_referral_names_failed(const struct imap_referral_names *names);

#endif
