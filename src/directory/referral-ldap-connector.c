/* Copyright (c) 2026 dovecot-imap-referral authors, see the COPYING file */

#include "lib.h"
#include "ioloop.h"
#include "net.h"
#include "referral-dns.h"
#include "referral-ldap-settings.h"
#include "referral-ldap-connector.h"

#include <netinet/tcp.h>

/* A host that is gone without a word is noticed after about a minute, also by a
   connection that only listens. */
#define CONNECTOR_KEEPALIVE_IDLE_SECS 30
#define CONNECTOR_KEEPALIVE_INTERVAL_SECS 10
#define CONNECTOR_KEEPALIVE_COUNT 3
/* And when it does not acknowledge what we send, after this. */
#define CONNECTOR_USER_TIMEOUT_MSECS (30*1000)

struct referral_ldap_connector {
	const struct referral_ldap_uri *uri;
	char *base_dir;
	struct event *event;
	unsigned int timeout_msecs;
	referral_ldap_connector_callback_t *callback;
	void *context;

	struct timeout *to;
	struct dns_lookup *dns_lookup;
	bool resolving, deinitialized;
	/* Of the lookup */
	char *error;
	/* The server's addresses, and the next one to try. */
	struct ip_addr *ips;
	unsigned int ips_count, ip_idx;

	int fd;
	struct io *io;
};

/* The connector may be gone afterwards. */
static void
connector_finish(struct referral_ldap_connector *connector, const char *error)
{
	int fd = connector->fd;

	connector->fd = -1;
	timeout_remove(&connector->to);
	connector->callback(error == NULL ? fd : -1, error,
			    connector->context);
}

static void connector_set_keepalive(int fd)
{
	/* best effort: unix sockets need none of it */
	int on = 1, idle = CONNECTOR_KEEPALIVE_IDLE_SECS;
	int interval = CONNECTOR_KEEPALIVE_INTERVAL_SECS;
	int count = CONNECTOR_KEEPALIVE_COUNT;

	(void)net_set_tcp_nodelay(fd, TRUE);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
#ifdef TCP_KEEPIDLE
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval,
			 sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
#endif
#ifdef TCP_USER_TIMEOUT
	unsigned int msecs = CONNECTOR_USER_TIMEOUT_MSECS;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &msecs,
			 sizeof(msecs));
#endif
}

static void connector_connect(struct referral_ldap_connector *connector);

static void
connector_address_failed(struct referral_ldap_connector *connector,
			 const char *error)
{
	io_remove(&connector->io);
	timeout_remove(&connector->to);
	i_close_fd(&connector->fd);
	if (connector->ip_idx < connector->ips_count)
		connector_connect(connector);
	else
		connector_finish(connector, error);
}

static void connector_connected(struct referral_ldap_connector *connector)
{
	int err = net_geterror(connector->fd);

	if (err != 0) {
		connector_address_failed(connector, t_strdup_printf(
			"connect() failed: %s", strerror(err)));
		return;
	}
	io_remove(&connector->io);
	connector_finish(connector, NULL);
}

static void connector_address_timeout(struct referral_ldap_connector *connector)
{
	connector_address_failed(connector, "Timeout while connecting");
}

static void connector_connect(struct referral_ldap_connector *connector)
{
	const struct referral_ldap_uri *uri = connector->uri;

	if (uri->path != NULL)
		connector->fd = net_connect_unix(uri->path);
	else {
		i_assert(connector->ip_idx < connector->ips_count);
		connector->fd = net_connect_ip(
			&connector->ips[connector->ip_idx++], uri->port, NULL);
	}
	if (connector->fd == -1) {
		connector_address_failed(connector, t_strdup_printf(
			"connect() failed: %m"));
		return;
	}
	if (uri->path == NULL)
		connector_set_keepalive(connector->fd);
	connector->io = io_add(connector->fd, IO_WRITE,
			       connector_connected, connector);
	if (connector->ip_idx < connector->ips_count) {
		connector->to = timeout_add(connector->timeout_msecs /
					    connector->ips_count,
					    connector_address_timeout,
					    connector);
	}
}

static void connector_resolved(struct referral_ldap_connector *connector)
{
	timeout_remove(&connector->to);
	connector->resolving = FALSE;
	if (connector->error != NULL)
		connector_finish(connector, connector->error);
	else
		connector_connect(connector);
}

static void
connector_dns_callback(const struct dns_lookup_result *result,
		       struct referral_ldap_connector *connector)
{
	/* Dovecot 2.4 calls back when a lookup is aborted. */
	if (connector->deinitialized)
		return;
	connector->dns_lookup = NULL;
	if (result->ret != 0 || result->ips_count == 0) {
		connector->error = i_strdup_printf(
			"Looking up its address failed: %s",
			result->ret != 0 ? result->error : "No addresses");
	} else {
		connector->ips_count = result->ips_count;
		connector->ips = i_new(struct ip_addr, result->ips_count);
		memcpy(connector->ips, result->ips,
		       result->ips_count * sizeof(*result->ips));
	}
	/* Not from within the lookup's call, which goes on after this. */
	connector->to = timeout_add_short(0, connector_resolved, connector);
}

static void connector_start(struct referral_ldap_connector *connector)
{
	const struct referral_ldap_uri *uri = connector->uri;
	struct ip_addr ip;

	timeout_remove(&connector->to);
	if (uri->path != NULL)
		connector_connect(connector);
	else if (net_addr2ip(uri->host, &ip) == 0) {
		connector->ips = i_new(struct ip_addr, 1);
		connector->ips[0] = ip;
		connector->ips_count = 1;
		connector_connect(connector);
	} else {
		connector->resolving = TRUE;
		referral_dns_lookup(uri->host, connector->base_dir,
				    connector->event, connector_dns_callback,
				    connector, &connector->dns_lookup);
	}
}

#undef referral_ldap_connector_init
struct referral_ldap_connector *
referral_ldap_connector_init(const struct referral_ldap_uri *uri,
			     const char *base_dir, struct event *event,
			     unsigned int timeout_msecs,
			     referral_ldap_connector_callback_t *callback,
			     void *context)
{
	struct referral_ldap_connector *connector;

	connector = i_new(struct referral_ldap_connector, 1);
	connector->uri = uri;
	connector->base_dir = i_strdup(base_dir);
	connector->event = event;
	connector->timeout_msecs = timeout_msecs;
	connector->callback = callback;
	connector->context = context;
	connector->fd = -1;
	connector->to = timeout_add_short(0, connector_start, connector);
	return connector;
}

void referral_ldap_connector_deinit(struct referral_ldap_connector **_connector)
{
	struct referral_ldap_connector *connector = *_connector;

	*_connector = NULL;
	connector->deinitialized = TRUE;
	if (connector->dns_lookup != NULL)
		dns_lookup_abort(&connector->dns_lookup);
	timeout_remove(&connector->to);
	io_remove(&connector->io);
	i_close_fd(&connector->fd);
	i_free(connector->ips);
	i_free(connector->error);
	i_free(connector->base_dir);
	i_free(connector);
}

const char *
referral_ldap_connector_doing(const struct referral_ldap_connector *connector)
{
	return connector->resolving ? "looking up its address" : "connecting";
}
