# Tests of what the build delivers: the installed library, its symbols, a late dlopen, and the
# test machinery itself.

SCRIPT_TESTS += tests/support/selftest.sh tests/consumer/installed.sh
dist_noinst_DATA += tests/consumer/consumer.c tests/support/check.h tests/support/check.sh \
    tests/support/lsan.supp tests/support/tsan.supp
dist_check_SCRIPTS += tests/support/driver tests/support/sum tests/support/run_long

PLAIN_TESTS += tests/stress/dlopen_late
tests_stress_dlopen_late_SOURCES = tests/stress/dlopen_late.c
tests_stress_dlopen_late_LDADD =
