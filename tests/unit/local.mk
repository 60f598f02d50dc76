# Unit tests: one program for each source file that has behaviour

check_PROGRAMS = \
	tests/unit/test-referral-answer \
	tests/unit/test-referral-key \
	tests/unit/test-referral-response \
	tests/unit/test-referral-self \
	tests/unit/test-referral-url
TESTS = $(check_PROGRAMS)

# For programs only: libraries have their own
AM_LDFLAGS = -R $(dovecot_pkglibdir)
LDADD = \
	src/lib-referral/libreferral.la \
	tests/unit/libunit.la \
	$(LIBDOVECOT)

check_LTLIBRARIES = tests/unit/libunit.la
tests_unit_libunit_la_SOURCES = \
	tests/unit/unit-common.c \
	tests/unit/unit-common.h
