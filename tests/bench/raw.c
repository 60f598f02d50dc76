/* Searches by libldap and nothing else: what a dict can be as fast as, at best.

   usage: raw URI BIND-DN PASSWORD BASE IN-FLIGHT <names

   Searches for (uid=NAME) below BASE for each line, so many at a time. Prints
   the seconds that it took after the bind, and how many entries there were. */
#include <ldap.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static LDAP *ld;

static void fail(const char *what, int err)
{
	fprintf(stderr, "raw: %s: %s\n", what, ldap_err2string(err));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void bind_as(char *dn, char *password)
{
	struct berval cred = { strlen(password), password };
	int err;

	err = ldap_sasl_bind_s(ld, dn, LDAP_SASL_SIMPLE, &cred, NULL, NULL,
			       NULL);
	if (err != LDAP_SUCCESS)
		fail("bind", err);
}

static int send_search(const char *base)
{
	/* what the driver asks for */
	static char *attributes[] = { "mailHost", "imapLoginReferral", NULL };
	char name[1024], filter[1100];
	int err, msgid;

	if (fgets(name, sizeof(name), stdin) == NULL)
		return 0;
	name[strcspn(name, "\n")] = '\0';
	snprintf(filter, sizeof(filter), "(uid=%s)", name);
	err = ldap_search_ext(ld, base, LDAP_SCOPE_SUBTREE, filter, attributes,
			      0, NULL, NULL, NULL, 0, &msgid);
	if (err != LDAP_SUCCESS)
		fail("search", err);
	return 1;
}

static int receive_result(void)
{
	LDAPMessage *result, *entry;
	struct berval **values;
	int err, code, found = 0;

	if (ldap_result(ld, LDAP_RES_ANY, LDAP_MSG_ALL, NULL, &result) <= 0)
		fail("result", LDAP_SERVER_DOWN);
	err = ldap_parse_result(ld, result, &code, NULL, NULL, NULL, NULL, 0);
	if (err != LDAP_SUCCESS || code != LDAP_SUCCESS)
		fail("search", err != LDAP_SUCCESS ? err : code);
	if ((entry = ldap_first_entry(ld, result)) != NULL) {
		values = ldap_get_values_len(ld, entry, "mailHost");
		found = values != NULL;
		ldap_value_free_len(values);
	}
	ldap_msgfree(result);
	return found;
}

int main(int argc, char *argv[])
{
	int version = LDAP_VERSION3, err;
	unsigned int waiting = 0, in_flight, found = 0;
	double start;

	if (argc != 6) {
		fprintf(stderr, "usage: raw URI DN PASSWORD BASE IN-FLIGHT\n");
		return 2;
	}
	in_flight = atoi(argv[5]);
	if ((err = ldap_initialize(&ld, argv[1])) != LDAP_SUCCESS)
		fail(argv[1], err);
	ldap_set_option(ld, LDAP_OPT_PROTOCOL_VERSION, &version);
	bind_as(argv[2], argv[3]);

	start = now();
	for (;;) {
		while (waiting < in_flight && send_search(argv[4]))
			waiting++;
		if (waiting == 0)
			break;
		found += receive_result();
		waiting--;
	}
	printf("%.6f %u\n", now() - start, found);
	ldap_unbind_ext(ld, NULL, NULL);
	return 0;
}
