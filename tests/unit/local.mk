# Unit tests: one program for each source file that has behaviour

unit_directory_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/src/directory
unit_directory_ldadd = \
	tests/unit/libunit_ldap.la \
	src/directory/libreferral_directory.la \
	$(LDADD) \
	$(LDAP_LIBS) $(KERBEROS_LIBS)

check_PROGRAMS = \
	tests/unit/test-dict-referral-ldap \
	tests/unit/test-imap-referral-answers \
	tests/unit/test-imap-referral-names \
	tests/unit/test-imap-referral-output \
	tests/unit/test-passdb-referral-request \
	tests/unit/test-referral-answer \
	tests/unit/test-referral-cache-time \
	tests/unit/test-referral-directory \
	tests/unit/test-referral-followers \
	tests/unit/test-referral-home \
	tests/unit/test-referral-home-cache \
	tests/unit/test-referral-home-live \
	tests/unit/test-referral-home-value \
	tests/unit/test-referral-iterate \
	tests/unit/test-referral-key \
	tests/unit/test-referral-ldap-connection \
	tests/unit/test-referral-ldap-dn \
	tests/unit/test-referral-ldap-password \
	tests/unit/test-referral-ldap-reconnect \
	tests/unit/test-referral-ldap-resolve \
	tests/unit/test-referral-ldap-persist \
	tests/unit/test-referral-ldap-servers \
	tests/unit/test-referral-ldap-settings \
	tests/unit/test-referral-ldap-starttls \
	tests/unit/test-referral-ldap-template \
	tests/unit/test-referral-ldap-value \
	tests/unit/test-referral-lookup \
	tests/unit/test-referral-mailbox-load \
	tests/unit/test-referral-mailbox-map \
	tests/unit/test-referral-plugin-settings \
	tests/unit/test-referral-reader \
	tests/unit/test-referral-reader-cache \
	tests/unit/test-referral-response \
	tests/unit/test-referral-self \
	tests/unit/test-referral-self-lookup \
	tests/unit/test-referral-server-load \
	tests/unit/test-referral-server-map \
	tests/unit/test-referral-setting \
	tests/unit/test-referral-stale \
	tests/unit/test-referral-status \
	tests/unit/test-referral-map-keeper \
	tests/unit/test-referral-sync \
	tests/unit/test-referral-sync-message \
	tests/unit/test-referral-url \
	tests/unit/test-referral-value-log \
	tests/unit/test-referral-visibility
if DOVECOT_2_3
check_PROGRAMS += \
	tests/unit/test-dict-driver \
	tests/unit/test-referral-compat-dict \
	tests/unit/test-referral-compat-ldap-settings \
	tests/unit/test-referral-compat-settings
endif
TESTS = $(check_PROGRAMS)

# For programs only: libraries have their own
AM_LDFLAGS = -R $(dovecotdir)
LDADD = \
	src/lib-referral/libreferral.la \
	tests/unit/libunit.la \
	$(LIBDOVECOT)

check_LTLIBRARIES = \
	tests/unit/libunit.la \
	tests/unit/libunit_ldap.la
tests_unit_libunit_la_SOURCES = \
	tests/unit/unit-common.c \
	tests/unit/unit-common.h \
	tests/unit/unit-conf.c \
	tests/unit/unit-conf.h
tests_unit_libunit_la_CPPFLAGS = $(AM_CPPFLAGS) \
	-DUNIT_CONF_DIR=\"$(abs_top_srcdir)/src/conf\"
tests_unit_libunit_ldap_la_SOURCES = \
	tests/unit/fake-ldap.c \
	tests/unit/fake-ldap.h \
	tests/unit/fake-ldap-request.c \
	tests/unit/fake-ldap-request.h \
	tests/unit/fake-ldap-sync.c \
	tests/unit/fake-ldap-sync.h \
	tests/unit/unit-ldap.c \
	tests/unit/unit-ldap.h \
	tests/unit/unit-loader.c \
	tests/unit/unit-loader.h
tests_unit_libunit_ldap_la_CPPFLAGS = $(unit_directory_cppflags)

unit_imap_cppflags = $(AM_CPPFLAGS) -I$(top_srcdir)/src/imap

tests_unit_test_imap_referral_answers_SOURCES = \
	tests/unit/test-imap-referral-answers.c \
	src/imap/imap-referral-answers.c
tests_unit_test_imap_referral_answers_CPPFLAGS = $(unit_imap_cppflags)
tests_unit_test_imap_referral_names_SOURCES = \
	tests/unit/test-imap-referral-names.c \
	src/imap/imap-referral-names.c
tests_unit_test_imap_referral_names_CPPFLAGS = $(unit_imap_cppflags)
tests_unit_test_imap_referral_output_SOURCES = \
	tests/unit/test-imap-referral-output.c \
	src/imap/imap-referral-output.c
tests_unit_test_imap_referral_output_CPPFLAGS = $(unit_imap_cppflags)
tests_unit_test_passdb_referral_request_SOURCES = \
	tests/unit/test-passdb-referral-request.c \
	src/auth/passdb-imap-referral.c \
	src/auth/passdb-referral-reply.c \
	src/auth/passdb-referral-request.c
tests_unit_test_passdb_referral_request_CPPFLAGS = \
	$(AM_CPPFLAGS) -I$(top_srcdir)/src/auth
tests_unit_test_dict_driver_SOURCES = \
	tests/unit/test-dict-driver.c \
	$(compat_dict_sources)
tests_unit_test_dict_driver_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_dict_driver_LDADD = $(unit_directory_ldadd)
tests_unit_test_dict_referral_ldap_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_dict_referral_ldap_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_compat_ldap_settings_CPPFLAGS = \
	$(unit_directory_cppflags)
tests_unit_test_referral_compat_ldap_settings_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_directory_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_directory_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_home_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_home_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_home_live_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_home_live_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_cache_time_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_cache_time_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_home_cache_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_home_cache_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_connection_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_connection_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_password_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_password_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_reconnect_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_reconnect_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_resolve_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_resolve_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_settings_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_settings_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_template_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_template_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_value_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_value_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_mailbox_load_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_mailbox_load_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_mailbox_map_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_mailbox_map_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_server_load_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_server_load_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_server_map_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_server_map_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_stale_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_stale_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_status_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_status_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_map_keeper_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_map_keeper_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_sync_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_sync_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_sync_message_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_sync_message_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_value_log_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_value_log_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_home_value_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_home_value_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_dn_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_dn_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_reader_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_reader_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_reader_cache_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_reader_cache_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_visibility_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_visibility_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_persist_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_persist_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_servers_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_servers_LDADD = $(unit_directory_ldadd)
tests_unit_test_referral_ldap_starttls_CPPFLAGS = $(unit_directory_cppflags)
tests_unit_test_referral_ldap_starttls_LDADD = $(unit_directory_ldadd)
