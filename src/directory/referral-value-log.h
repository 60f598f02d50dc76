#ifndef REFERRAL_VALUE_LOG_H
#define REFERRAL_VALUE_LOG_H

/* Tells the administrator about values that cannot be used, each of them
   once: the same entries are read over and over. */
struct referral_value_log;

struct referral_value_log *referral_value_log_init(struct event *event);
void referral_value_log_deinit(struct referral_value_log **log);

/* dn and value are as the server sent them. "problem" is ours. */
void referral_value_log_skip(struct referral_value_log *log, const char *dn,
			     const char *attribute, const char *value,
			     const char *problem);

#endif
