/* A client as real ones are: c-client (UW IMAP, Alpine, PHP), which follows
   referrals by itself once it is told what a URL means.

   usage: cclient HOST:PORT USER PASSWORD MAILBOX [LOGIN [ACTION [ARGUMENT]]]

   Does the action with the mailbox, following whatever referrals come, and
   prints a line for each thing that happens:

     referral KIND URL, with both URLs of RENAME
     opened MAILBOX as c-client names it, with the host it ended on
     subject SUBJECT of the first message
     text, and then the text of the first message
     status MESSAGES
     list ATTRIBUTES MAILBOX, lsub ATTRIBUTES MAILBOX
     done, if the action has succeeded

   LOGIN is "command" for the LOGIN command, else it is the best mechanism that
   both sides have. The actions: open (the default), status, create, delete,
   rename NEW-NAME, subscribe, unsubscribe, copy SOURCE (its first message),
   append TEXT; list and lsub, where MAILBOX is a pattern. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <c-client/c-client.h>

/* No client has a limit of its own. */
#define MAX_REFERRALS 5

static const char *user, *password;
static int referrals, failed;

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' :
		c >= 'A' && c <= 'F' ? c - 'A' + 10 :
		c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static char *percent_decoded(const char *text)
{
	char *decoded = malloc(strlen(text) + 1), *out = decoded;

	for (; *text != '\0'; text++) {
		if (*text == '%' && hex(text[1]) >= 0 && hex(text[2]) >= 0) {
			*out++ = (char)(hex(text[1]) * 16 + hex(text[2]));
			text += 2;
		} else {
			*out++ = *text;
		}
	}
	*out = '\0';
	return decoded;
}

/* imap://user;AUTH=*@host:port/mailbox -> {host:port/imap/...}mailbox, the
   mailbox in mUTF-7 as the protocol has it. Returns the length, or 0 if clients
   cannot follow. */
static size_t name_of_url(const char *url, size_t url_length,
			  char *name, size_t size)
{
	char *copy = strndup(url, url_length), *server, *slash, *mailbox;
	unsigned char *mutf7;
	int length = 0;

	/* Strictly what we send. A client would take more. */
	server = strchr(copy, '@');
	if (strncmp(copy, "imap://", 7) != 0 || server == NULL ||
	    (slash = strchr(++server, '/')) == NULL) {
		free(copy);
		return 0;
	}
	mailbox = percent_decoded(slash + 1);
	mutf7 = utf8_to_mutf7((unsigned char *)mailbox);
	length = snprintf(name, size, "{%.*s/imap/notls/user=\"%s\"}%s",
			  (int)(slash - server), server, user,
			  mutf7 != NULL && *mutf7 != '\0' ?
			  (char *)mutf7 : "INBOX");
	free(mailbox);
	free(copy);
	if (mutf7 != NULL)
		fs_give((void **)&mutf7);
	return (size_t)length < size ? (size_t)length : 0;
}

static const char *kind_name(long code)
{
	switch (code) {
	case REFAUTHFAILED: return "login";
	case REFAUTH: return "login-ok";
	case REFSELECT: return "select";
	case REFSTATUS: return "status";
	case REFCREATE: return "create";
	case REFDELETE: return "delete";
	case REFRENAME: return "rename";
	case REFSUBSCRIBE: return "subscribe";
	case REFUNSUBSCRIBE: return "unsubscribe";
	case REFCOPY: return "copy";
	case REFAPPEND: return "append";
	default: return "other";
	}
}

/* Tells c-client where a URL leads. It frees the answer with fs_give(), which
   for RENAME has the second name behind the first one and its NUL. NULL if it
   should not follow. */
static char *follow(MAILSTREAM *stream, char *url, long code)
{
	char names[MAILTMPLEN * 4], *answer;
	size_t length, used;

	(void)stream;
	printf("referral %s %s\n", kind_name(code), url);
	if (++referrals > MAX_REFERRALS) {
		printf("error too many referrals\n");
		failed = 1;
		return NIL;
	}
	length = code == REFRENAME ? strcspn(url, " ") : strlen(url);
	used = strcspn(url, " ") < length ? 0 :
		name_of_url(url, length, names, sizeof(names));
	if (used > 0)
		used++;
	if (used > 0 && code == REFRENAME) {
		length = url[length] != ' ' ? 0 :
			name_of_url(url + length + 1, strlen(url + length + 1),
				    names + used, sizeof(names) - used);
		used = length == 0 ? 0 : used + length + 1;
	}
	if (used == 0) {
		printf("error not a URL that clients can follow\n");
		failed = 1;
		return NIL;
	}
	answer = fs_get(used);
	memcpy(answer, names, used);
	return answer;
}

static void print_first_message(MAILSTREAM *stream)
{
	ENVELOPE *envelope;
	char *text;
	unsigned long length;

	if (stream->nmsgs == 0) {
		printf("empty\n");
		return;
	}
	envelope = mail_fetch_structure(stream, 1, NIL, NIL);
	printf("subject %s\n", envelope != NULL && envelope->subject != NULL ?
	       envelope->subject : "");
	text = mail_fetch_text(stream, 1, NIL, &length, FT_PEEK);
	printf("text\n%.*s\n", (int)length, text);
}

static long append(char *mailbox, char *message, unsigned long length)
{
	STRING string;

	INIT(&string, mail_string, message, length);
	return mail_append(NIL, mailbox, &string);
}

/* What c-client calls to copy a message to a mailbox that COPY was referred
   to. */
static long copy_by_append(MAILSTREAM *stream, char *sequence, char *mailbox,
			   long options)
{
	unsigned long header_length, text_length;
	char *header, *text, *message;
	long done;

	(void)options;
	if (strcmp(sequence, "1") != 0)
		return NIL;
	header = mail_fetch_header(stream, 1, NIL, NIL, &header_length,
				   FT_PEEK);
	message = malloc(header_length + 1);
	memcpy(message, header, header_length);
	text = mail_fetch_text(stream, 1, NIL, &text_length, FT_PEEK);
	message = realloc(message, header_length + text_length + 1);
	memcpy(message + header_length, text, text_length);
	done = append(mailbox, message, header_length + text_length);
	free(message);
	return done;
}

static long open_mailbox(char *name)
{
	MAILSTREAM *stream = mail_open(NIL, name, OP_READONLY);

	if (stream == NIL || stream->halfopen) {
		printf("error not opened\n");
		return NIL;
	}
	printf("opened %s\n", stream->mailbox);
	print_first_message(stream);
	mail_close_full(stream, NIL);
	return T;
}

static long copy(char *source, char *mailbox)
{
	MAILSTREAM *stream = mail_open(NIL, source, OP_READONLY);
	long done;

	if (stream == NIL || stream->halfopen)
		return NIL;
	/* COPY takes the name alone. */
	done = mail_copy(stream, "1", strchr(mailbox, '}') + 1);
	mail_close_full(stream, NIL);
	return done;
}

static long act(const char *action, char *name, char *name2, char *argument)
{
	if (strcmp(action, "open") == 0)
		return open_mailbox(name);
	if (strcmp(action, "status") == 0)
		return mail_status(NIL, name, SA_MESSAGES);
	if (strcmp(action, "create") == 0)
		return mail_create(NIL, name);
	if (strcmp(action, "delete") == 0)
		return mail_delete(NIL, name);
	if (strcmp(action, "rename") == 0)
		return mail_rename(NIL, name, name2);
	if (strcmp(action, "subscribe") == 0)
		return mail_subscribe(NIL, name);
	if (strcmp(action, "unsubscribe") == 0)
		return mail_unsubscribe(NIL, name);
	if (strcmp(action, "copy") == 0)
		return copy(name2, name);
	if (strcmp(action, "append") == 0)
		return append(name, argument, strlen(argument));
	if (strcmp(action, "list") == 0) {
		mail_list(NIL, NIL, name);
		return T;
	}
	if (strcmp(action, "lsub") == 0) {
		mail_lsub(NIL, NIL, name);
		return T;
	}
	printf("error no such action\n");
	return NIL;
}

int main(int argc, char *argv[])
{
	char name[MAILTMPLEN], name2[MAILTMPLEN];
	char *argument = argc > 7 ? argv[7] : "";

	if (argc < 5) {
		fprintf(stderr, "usage: %s HOST:PORT USER PASSWORD MAILBOX "
			"[LOGIN [ACTION [ARGUMENT]]]\n", argv[0]);
		return 2;
	}
	user = argv[2];
	password = argv[3];

	mail_link(&imapdriver);
	auth_link(&auth_md5);
	auth_link(&auth_pla);
	auth_link(&auth_log);
	if (argc > 5 && strcmp(argv[5], "command") == 0) {
		mail_parameters(NIL, DISABLE_AUTHENTICATOR, "CRAM-MD5");
		mail_parameters(NIL, DISABLE_AUTHENTICATOR, "PLAIN");
		mail_parameters(NIL, DISABLE_AUTHENTICATOR, "LOGIN");
	}
	/* Neither rsh nor ssh. */
	mail_parameters(NIL, SET_RSHTIMEOUT, (void *)0L);
	mail_parameters(NIL, SET_SSHTIMEOUT, (void *)0L);
	mail_parameters(NIL, SET_IMAPREFERRAL, (void *)follow);
	mail_parameters(NIL, SET_MAILPROXYCOPY, (void *)copy_by_append);

	snprintf(name, sizeof(name), "{%s/imap/notls/user=\"%s\"}%s",
		 argv[1], user, argv[4]);
	snprintf(name2, sizeof(name2), "{%s/imap/notls/user=\"%s\"}%s",
		 argv[1], user, argument);
	if (act(argc > 6 ? argv[6] : "open", name, name2, argument) == NIL)
		return 1;
	printf("done\n");
	return failed;
}

/* What c-client wants every program to have */

void mm_login(NETMBX *mb, char *user_r, char *password_r, long trial)
{
	(void)mb;
	printf("password %ld\n", trial);
	strncpy(user_r, user, NETMAXUSER - 1);
	strncpy(password_r, password, NETMAXUSER - 1);
}

void mm_log(char *text, long level)
{
	printf("%s %s\n", level == ERROR ? "error" :
	       level == WARN ? "warning" : "log", text);
}

void mm_notify(MAILSTREAM *stream, char *text, long level)
{
	(void)stream;
	mm_log(text, level);
}

void mm_searched(MAILSTREAM *stream, unsigned long number)
{ (void)stream; (void)number; }
void mm_exists(MAILSTREAM *stream, unsigned long number)
{ (void)stream; (void)number; }
void mm_expunged(MAILSTREAM *stream, unsigned long number)
{ (void)stream; (void)number; }
void mm_flags(MAILSTREAM *stream, unsigned long number)
{ (void)stream; (void)number; }
static void print_name(const char *kind, char *name, long attributes)
{
	char *end = strchr(name, '}');

	printf("%s %s %s\n", kind,
	       (attributes & LATT_NOSELECT) != 0 ? "noselect" : "-",
	       end == NULL ? name : end + 1);
}

void mm_list(MAILSTREAM *stream, int delimiter, char *name, long attributes)
{
	(void)stream;
	(void)delimiter;
	print_name("list", name, attributes);
}

void mm_lsub(MAILSTREAM *stream, int delimiter, char *name, long attributes)
{
	(void)stream;
	(void)delimiter;
	print_name("lsub", name, attributes);
}

void mm_status(MAILSTREAM *stream, char *name, MAILSTATUS *status)
{
	(void)stream;
	(void)name;
	printf("status %lu\n", status->messages);
}

void mm_dlog(char *text)
{ printf("debug %s\n", text); }
void mm_critical(MAILSTREAM *stream)
{ (void)stream; }
void mm_nocritical(MAILSTREAM *stream)
{ (void)stream; }
long mm_diskerror(MAILSTREAM *stream, long code, long serious)
{ (void)stream; (void)code; (void)serious; return NIL; }
void mm_fatal(char *text)
{ printf("error %s\n", text); }
