#ifndef REFERRAL_HOME_LIVE_H
#define REFERRAL_HOME_LIVE_H

/* Has cached homes forgotten as soon as they change (referral_ldap_live=all):
   a live search for all entries that have a home, which says no more than that
   one of them has changed. Where it is not to be had, homes expire after their
   TTL as ever. */
struct referral_home_live;

struct event;
struct referral_homes;
struct referral_ldap_connection;
struct referral_ldap_settings;

/* The connection is that of the homes: so both are about the same server, and
   what is looked up after a change is not from a replica that has yet to hear
   of it. */
struct referral_home_live *
referral_home_live_init(struct referral_ldap_connection *conn,
			const struct referral_ldap_settings *set,
			struct referral_homes *homes, struct event *event);
/* Before or after the connection's deinit. */
void referral_home_live_deinit(struct referral_home_live **live);

/* Does nothing if it is started. It is begun again from then on whenever it is
   lost. */
void referral_home_live_start(struct referral_home_live *live);
/* For ever. To be called before the connection's abort. */
void referral_home_live_stop(struct referral_home_live *live);

/* Changes come now. */
bool referral_home_live_is_live(const struct referral_home_live *live);

#endif
