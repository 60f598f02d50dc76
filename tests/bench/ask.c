/* A client of dict-async that keeps it busy: Dovecot's dict protocol
   (src/lib-dict/dict-client.h) and nothing else, so that what is measured is
   the dict and not its client.

   usage: ask SOCKET VERSION DICT IN-FLIGHT <keys
          ask SOCKET VERSION DICT list PATH

   Looks up the key in each line, so many at a time, or iterates below PATH;
   without "shared/imap-referral/" before them. VERSION is the protocol's, as
   3.2. Prints the seconds that it took after the handshake, and how many were
   found, not found, and failed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PREFIX "shared/imap-referral/"
/* Who asks, for the visibility of mailboxes. */
#define USER "alice"

static int fd = -1;
static unsigned int found, not_found, failed;
static char out[256*1024], in[256*1024];
static size_t out_len, in_len;

static void fail(const char *what)
{
	fprintf(stderr, "ask: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void connect_to(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (strlen(path) >= sizeof(sa.sun_path)) {
		errno = ENAMETOOLONG;
		fail(path);
	}
	strcpy(sa.sun_path, path);
	if ((fd = socket(AF_UNIX, SOCK_STREAM, 0)) < 0 ||
	    connect(fd, (void *)&sa, sizeof(sa)) < 0)
		fail(path);
}

static void flush_output(void)
{
	size_t pos = 0;
	ssize_t ret;

	while (pos < out_len) {
		if ((ret = write(fd, out + pos, out_len - pos)) < 0)
			fail("write");
		pos += ret;
	}
	out_len = 0;
}

static int add_lookup(void)
{
	char key[2048];

	if (out_len + sizeof(key) + 100 > sizeof(out))
		return 0;
	if (fgets(key, sizeof(key), stdin) == NULL)
		return 0;
	key[strcspn(key, "\n")] = '\0';
	out_len += sprintf(out + out_len, "L"PREFIX"%s\t"USER"\n", key);
	return 1;
}

/* Returns 1 if a request is finished with this line. */
static int handle_line(const char *line)
{
	/* "*ID" says that the reply will be "+ID<tab>REPLY" */
	if (*line == '*')
		return 0;
	if (*line == '+') {
		if ((line = strchr(line, '\t')) == NULL) {
			errno = EPROTO;
			fail("reply");
		}
		line++;
	}
	switch (*line) {
	case 'O':
	case 'M':
		found++;
		return 1;
	case 'N':
		not_found++;
		return 1;
	case 'F':
		if (failed++ == 0)
			fprintf(stderr, "ask: %s\n", line + 1);
		return 1;
	}
	/* the end of an iteration */
	return -1;
}

/* Returns the number of finished requests, or -1 at the end of an iteration. */
static int read_replies(void)
{
	char *line = in, *end;
	ssize_t ret;
	int count = 0, one;

	if ((ret = read(fd, in + in_len, sizeof(in) - in_len)) <= 0)
		fail(ret == 0 ? "dict-async closed the connection" : "read");
	in_len += ret;
	while ((end = memchr(line, '\n', in + in_len - line)) != NULL) {
		*end = '\0';
		if ((one = handle_line(line)) < 0)
			return -1;
		count += one;
		line = end + 1;
	}
	in_len -= line - in;
	memmove(in, line, in_len);
	return count;
}

static void look_up(int in_flight)
{
	int waiting = 0;

	for (;;) {
		while (waiting < in_flight && add_lookup())
			waiting++;
		flush_output();
		if (waiting == 0)
			break;
		waiting -= read_replies();
	}
}

static void list(const char *path)
{
	/* recursively: names are escaped, so there is only one level */
	out_len = sprintf(out, "I0\t0\t"PREFIX"%s\t"USER"\n", path);
	flush_output();
	while (read_replies() >= 0 && failed == 0) ;
}

int main(int argc, char *argv[])
{
	int major, minor;
	double start;

	if (argc < 5 || sscanf(argv[2], "%d.%d", &major, &minor) != 2) {
		fprintf(stderr, "usage: ask SOCKET VERSION DICT IN-FLIGHT, "
			"or list PATH in place of IN-FLIGHT\n");
		return 2;
	}
	connect_to(argv[1]);
	out_len = sprintf(out, "H%d\t%d\t0\t"USER"\t%s\n", major, minor,
			  argv[3]);
	flush_output();

	start = now();
	if (strcmp(argv[4], "list") == 0)
		list(argc > 5 ? argv[5] : "mailbox/");
	else
		look_up(atoi(argv[4]));
	printf("%.6f %u %u %u\n", now() - start, found, not_found, failed);
	return 0;
}
