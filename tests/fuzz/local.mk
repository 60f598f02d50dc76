# Fuzz targets, which tests/fuzz/run builds with clang and runs

EXTRA_PROGRAMS = \
	tests/fuzz/fuzz-answer \
	tests/fuzz/fuzz-dn \
	tests/fuzz/fuzz-entry \
	tests/fuzz/fuzz-key \
	tests/fuzz/fuzz-map \
	tests/fuzz/fuzz-name \
	tests/fuzz/fuzz-setting \
	tests/fuzz/fuzz-sync \
	tests/fuzz/fuzz-template \
	tests/fuzz/fuzz-url \
	tests/fuzz/fuzz-value

fuzz_common = \
	tests/fuzz/fuzz.c \
	tests/fuzz/fuzz.h
fuzz_ldflags = $(AM_LDFLAGS) -fsanitize=fuzzer
fuzz_ldadd = src/lib-referral/libreferral.la $(LIBDOVECOT)
fuzz_directory_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/src/directory
fuzz_directory_ldadd = \
	src/directory/libreferral_directory.la \
	$(fuzz_ldadd) \
	$(LDAP_LIBS)

tests_fuzz_fuzz_answer_SOURCES = tests/fuzz/fuzz-answer.c $(fuzz_common)
tests_fuzz_fuzz_answer_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_answer_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_dn_SOURCES = tests/fuzz/fuzz-dn.c $(fuzz_common)
tests_fuzz_fuzz_dn_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_dn_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_dn_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_entry_SOURCES = tests/fuzz/fuzz-entry.c $(fuzz_common)
tests_fuzz_fuzz_entry_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_entry_LDFLAGS = $(fuzz_ldflags) \
	-Wl,--wrap=referral_ldap_entry_get_names \
	-Wl,--wrap=referral_ldap_entry_get_values
tests_fuzz_fuzz_entry_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_key_SOURCES = tests/fuzz/fuzz-key.c $(fuzz_common)
tests_fuzz_fuzz_key_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_key_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_map_SOURCES = tests/fuzz/fuzz-map.c $(fuzz_common)
tests_fuzz_fuzz_map_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_map_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_map_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_name_SOURCES = tests/fuzz/fuzz-name.c $(fuzz_common)
tests_fuzz_fuzz_name_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_name_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_setting_SOURCES = tests/fuzz/fuzz-setting.c $(fuzz_common)
tests_fuzz_fuzz_setting_CPPFLAGS = $(fuzz_directory_cppflags)
if DOVECOT_2_3
# Later versions read the files themselves.
tests_fuzz_fuzz_setting_CPPFLAGS += -DFUZZ_SETTINGS_FILE
endif
tests_fuzz_fuzz_setting_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_setting_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_sync_SOURCES = tests/fuzz/fuzz-sync.c $(fuzz_common)
tests_fuzz_fuzz_sync_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_sync_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_sync_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_template_SOURCES = tests/fuzz/fuzz-template.c $(fuzz_common)
tests_fuzz_fuzz_template_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_template_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_template_LDADD = $(fuzz_directory_ldadd)
tests_fuzz_fuzz_url_SOURCES = tests/fuzz/fuzz-url.c $(fuzz_common)
tests_fuzz_fuzz_url_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_url_LDADD = $(fuzz_ldadd)
tests_fuzz_fuzz_value_SOURCES = tests/fuzz/fuzz-value.c $(fuzz_common)
tests_fuzz_fuzz_value_CPPFLAGS = $(fuzz_directory_cppflags)
tests_fuzz_fuzz_value_LDFLAGS = $(fuzz_ldflags)
tests_fuzz_fuzz_value_LDADD = $(fuzz_directory_ldadd)
