check_PROGRAMS =
TESTS = $(check_PROGRAMS)
