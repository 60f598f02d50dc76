#ifndef REFERRAL_KEY_H
#define REFERRAL_KEY_H

/* Keys of the dict contract. Names in them are UTF-8 with '/' as the hierarchy
   separator, escaped with dict_escape_string(). Values are words and URLs
   separated by a space:

   home/<user>             [refer|offer] URL...
   mailbox/<mailbox>       URL...
   shares/<host[:port]>    URL
   server/<host[:port]>    drain|down [URL...]

   Without a port it is 143. Two more keys are not about the directory but about
   whoever answers; their values are for administrators:

   status                  one line of name=value words
   flush                   what was forgotten by that */
#define REFERRAL_KEY_PREFIX "shared/imap-referral/"
#define REFERRAL_KEY_HOME REFERRAL_KEY_PREFIX"home/"
#define REFERRAL_KEY_MAILBOX REFERRAL_KEY_PREFIX"mailbox/"
#define REFERRAL_KEY_SHARES REFERRAL_KEY_PREFIX"shares/"
#define REFERRAL_KEY_SERVER REFERRAL_KEY_PREFIX"server/"
#define REFERRAL_KEY_STATUS REFERRAL_KEY_PREFIX"status"
#define REFERRAL_KEY_FLUSH REFERRAL_KEY_PREFIX"flush"

/* What the value of a home may begin with: how the user's login is answered at
   other servers, in place of their setting. */
#define REFERRAL_HOME_REFER "refer"
#define REFERRAL_HOME_OFFER "offer"

/* What the value of a server begins with: it works on for those who are there,
   or it is not to be used at all. */
#define REFERRAL_SERVER_DRAIN "drain"
#define REFERRAL_SERVER_DOWN "down"

struct referral_url;

enum referral_key_type {
	/* user -> home servers, by preference; "refer" or "offer" may come
	   before them */
	REFERRAL_KEY_TYPE_HOME,
	/* mailbox -> its locations */
	REFERRAL_KEY_TYPE_MAILBOX,
	/* host:port -> the server's URL, if there is a shared mailbox on it */
	REFERRAL_KEY_TYPE_SHARES,
	/* host:port -> "drain" or "down", and after spaces the servers that
	   have taken over, by preference; not found if it is in service */
	REFERRAL_KEY_TYPE_SERVER,
	/* How the dict is doing, and forget what is cached: the name is "" */
	REFERRAL_KEY_TYPE_STATUS,
	REFERRAL_KEY_TYPE_FLUSH,
};

/* The key that asks whether there is a shared mailbox on a server, allocated
   from the data stack. */
const char *referral_key_shares(const struct referral_url *server);
/* The key that asks whether a server is out of service. */
const char *referral_key_server(const struct referral_url *server);

/* These return the key of a user's home server or a mailbox, allocated from
   the data stack; NULL if the directory cannot know such a name, and so need
   not be asked: not UTF-8, too long, control characters, an empty level. */
const char *referral_key_home(const char *user);
const char *referral_key_mailbox(const char *mailbox);

/* The reverse. Returns TRUE with the unescaped name, allocated from the data
   stack; FALSE if it is no key of the contract. The name has the guarantees of
   the functions above; a server's is as referral_url_get_server() spells it. */
bool referral_key_parse(const char *key, enum referral_key_type *type_r,
			const char **name_r);

#endif
