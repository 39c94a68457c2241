# Tests of php/: a real PHP with the drop-in. Each skips, and says so, where no PHP is installed.

php_tests = tests/php/symbols.sh tests/php/abi.sh tests/php/basics.sh tests/php/limits.sh \
    tests/php/refused.sh tests/php/options.sh tests/php/extensions.sh tests/php/programs.sh \
    tests/php/apache.sh

if PHP_DROP_IN
SCRIPT_TESTS += $(php_tests)
endif
# With a ZTS PHP that is built for it, the first time, outside this tree.
check-php-zts: all
	@$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/tests/support/run_long '$(srcdir)' tests/php/zts.sh
.PHONY: check-php-zts

LONG_TESTS += tests/php/apache_long.sh
EXTRA_DIST += tests/php/apache_long.sh tests/php/zts.sh tests/php/zts_build.sh tests/php/zts_threads.c tests/php/phpt_list
EXTRA_DIST += $(php_tests) tests/php/support.sh tests/php/abi.c tests/php/embed.c tests/php/fake_php.c \
    tests/php/fake_program.c tests/php/scripts/DiffTest.php tests/php/scripts/dokuwiki.php \
    tests/php/scripts/twig.php tests/php/scripts/ffi.php tests/php/scripts/fork.php tests/php/scripts/limit_huge.php \
    tests/php/scripts/limit_in.php tests/php/scripts/limit_raised.php tests/php/scripts/limit_set.php \
    tests/php/scripts/end.php tests/php/scripts/error.php tests/php/scripts/exit.php \
    tests/php/scripts/fibers.php tests/php/scripts/gc.php tests/php/scripts/hello.php \
    tests/php/scripts/idle.php tests/php/scripts/limit_text.php tests/php/scripts/phpinfo.php \
    tests/php/scripts/sizes.php tests/php/scripts/values.php
