#ifndef REFERRAL_DICT_H
#define REFERRAL_DICT_H

struct dict;

/* Open the dict that answers for the directory. Returns 0, or -1 with error_r.
   Nothing is connected yet. A base_dir of NULL is for login processes, which are
   locked up in a folder of their own. In compat-*. */
int referral_dict_open(const char *base_dir, struct event *event_parent,
		       struct dict **dict_r, const char **error_r)
	ATTR_NULL(1);

#endif
