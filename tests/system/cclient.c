/* A client as real ones are: c-client (UW IMAP, Alpine, PHP), which follows
   referrals by itself once it is told what a URL means.

   usage: cclient HOST:PORT USER PASSWORD MAILBOX [command]

   Opens the mailbox, following whatever referrals come, and prints a line for
   each thing that happens:

     referral KIND URL
     opened MAILBOX as c-client names it, with the host it ended on
     subject SUBJECT of the first message
     text, and then the text of the first message

   With "command" it logs in by the LOGIN command, else by the best mechanism
   that both sides have. */
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
   mailbox in mUTF-7 as the protocol has it. The caller frees it with fs_give().
   NULL if c-client should not follow. */
static char *follow(MAILSTREAM *stream, char *url, long code)
{
	const char *kind = code == REFAUTHFAILED ? "login" :
		code == REFAUTH ? "login-ok" :
		code == REFSELECT ? "select" : "other";
	const char *server, *slash;
	char name[MAILTMPLEN * 2], *mailbox;
	unsigned char *mutf7;

	(void)stream;
	printf("referral %s %s\n", kind, url);
	if (++referrals > MAX_REFERRALS) {
		printf("error too many referrals\n");
		failed = 1;
		return NIL;
	}
	/* Strictly what we send. A client would take more. */
	server = strchr(url, '@');
	if (strncmp(url, "imap://", 7) != 0 || server == NULL ||
	    (slash = strchr(++server, '/')) == NULL || strchr(url, ' ')) {
		printf("error not a URL that clients can follow\n");
		failed = 1;
		return NIL;
	}
	mailbox = percent_decoded(slash + 1);
	mutf7 = utf8_to_mutf7((unsigned char *)mailbox);
	snprintf(name, sizeof(name), "{%.*s/imap/notls/user=\"%s\"}%s",
		 (int)(slash - server), server, user,
		 mutf7 != NULL && *mutf7 != '\0' ? (char *)mutf7 : "INBOX");
	free(mailbox);
	if (mutf7 != NULL)
		fs_give((void **)&mutf7);
	return cpystr(name);
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

int main(int argc, char *argv[])
{
	char name[MAILTMPLEN];
	MAILSTREAM *stream;

	if (argc < 5) {
		fprintf(stderr, "usage: %s HOST:PORT USER PASSWORD MAILBOX "
			"[command]\n", argv[0]);
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

	snprintf(name, sizeof(name), "{%s/imap/notls/user=\"%s\"}%s",
		 argv[1], user, argv[4]);
	stream = mail_open(NIL, name, OP_READONLY);
	if (stream == NIL || stream->halfopen) {
		printf("error not opened\n");
		return 1;
	}
	printf("opened %s\n", stream->mailbox);
	print_first_message(stream);
	mail_close_full(stream, NIL);
	return failed;
}

/* What c-client wants every program to have */

void mm_login(NETMBX *mb, char *user_r, char *password_r, long trial)
{
	/* c-client tries AUTHENTICATE three times before it follows. */
	(void)mb;
	(void)trial;
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
void mm_list(MAILSTREAM *stream, int delimiter, char *name, long attributes)
{ (void)stream; (void)delimiter; (void)name; (void)attributes; }
void mm_lsub(MAILSTREAM *stream, int delimiter, char *name, long attributes)
{ (void)stream; (void)delimiter; (void)name; (void)attributes; }
void mm_status(MAILSTREAM *stream, char *name, MAILSTATUS *status)
{ (void)stream; (void)name; (void)status; }
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
