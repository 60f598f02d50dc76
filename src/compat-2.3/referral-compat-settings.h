#ifndef REFERRAL_COMPAT_SETTINGS_H
#define REFERRAL_COMPAT_SETTINGS_H

struct referral_setting;

/* Read a file of "name = value" lines in the syntax of dovecot.conf into a
   settings struct that has its defaults already: lines that start with # and
   what follows " #" are comments, values may be quoted, a \ at the end
   continues a line. Returns 0, or -1 with error_r, which says "file:line: " and
   what is expected. Unreadable files are errors, too. */
int referral_settings_file_read(const struct referral_setting *settings,
				pool_t pool, void *set, const char *path,
				const char **error_r);

#endif
