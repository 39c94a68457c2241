# The tests of tsrmalloc-fpm as a process: configuration, process manager, signals.

PLAIN_TESTS += tests/fpm/budget
tests_fpm_budget_SOURCES = tests/fpm/budget.c
tests_fpm_budget_LDADD = libtsrmalloc-fpm.la
PLAIN_TESTS += tests/fpm/pm tests/fpm/conf tests/fpm/log tests/fpm/lot tests/fpm/turn \
    tests/fpm/scoreboard
tests_fpm_log_SOURCES = tests/fpm/log.c
tests_fpm_log_LDADD = libtsrmalloc-fpm.la
tests_fpm_lot_SOURCES = tests/fpm/lot.c
tests_fpm_lot_LDADD = libtsrmalloc-fpm.la libtsrmalloc-engines.la $(PLAIN_LDADD)
tests_fpm_turn_SOURCES = tests/fpm/turn.c
tests_fpm_turn_LDADD = libtsrmalloc-fpm.la libtsrmalloc-engines.la $(PLAIN_LDADD)
tests_fpm_scoreboard_SOURCES = tests/fpm/scoreboard.c
tests_fpm_scoreboard_LDADD = libtsrmalloc-fpm.la
tests_fpm_pm_SOURCES = tests/fpm/pm.c
tests_fpm_pm_LDADD = libtsrmalloc-fpm.la
tests_fpm_conf_SOURCES = tests/fpm/conf.c
tests_fpm_conf_LDADD = libtsrmalloc-fpm.la $(PLAIN_LDADD)

SCRIPT_TESTS += tests/fpm/config.sh tests/fpm/signals.sh tests/fpm/pools.sh \
    tests/fpm/control.sh tests/fpm/sockets.sh tests/fpm/daemon.sh tests/fpm/identity.sh \
    tests/fpm/reload.sh tests/fpm/reload_load.sh tests/fpm/slowlog.sh tests/fpm/systemd.sh \
    tests/fpm/limits.sh tests/fpm/recycle.sh tests/fpm/apart.sh tests/fpm/wake_order.sh
LONG_TESTS += tests/fpm/recycle_long.sh tests/fpm/reload_load_long.sh
EXTRA_DIST += tests/fpm/recycle_long.sh tests/fpm/reload_load_long.sh

# php-fpm's own tests; not part of `make check`, since they are fetched.
EXTRA_DIST += tests/fpm/compat.sh
check-fpm-compat: all
	@$(top_srcdir)/tests/fpm/compat.sh

.PHONY: check-fpm-compat
