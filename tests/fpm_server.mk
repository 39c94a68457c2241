# The tests of tsrmalloc-fpm as a process: configuration, process manager, signals.

PLAIN_TESTS += tests/fpm/pm tests/fpm/conf
tests_fpm_pm_SOURCES = tests/fpm/pm.c
tests_fpm_pm_LDADD = libtsrmalloc-fpm.la
tests_fpm_conf_SOURCES = tests/fpm/conf.c
tests_fpm_conf_LDADD = libtsrmalloc-fpm.la $(PLAIN_LDADD)

SCRIPT_TESTS += tests/fpm/config.sh tests/fpm/signals.sh tests/fpm/pools.sh \
    tests/fpm/control.sh

# php-fpm's own tests; not part of `make check`, since they are fetched.
EXTRA_DIST += tests/fpm/compat.sh
check-fpm-compat: all
	@$(top_srcdir)/tests/fpm/compat.sh

.PHONY: check-fpm-compat
