# Tests of php/: a real PHP with the drop-in. Each skips, and says so, where no PHP is installed.

php_tests = tests/php/symbols.sh tests/php/abi.sh tests/php/basics.sh tests/php/limits.sh \
    tests/php/refused.sh tests/php/options.sh tests/php/extensions.sh tests/php/programs.sh \
    tests/php/apache.sh tests/php/late.sh

if PHP_DROP_IN
SCRIPT_TESTS += $(php_tests)
endif
# With a ZTS PHP that is built for it, the first time, outside this tree, and with one in a package of npm.
check-php-zts: all
	@$(AM_TESTS_ENVIRONMENT) $(top_srcdir)/tests/support/run_long '$(srcdir)' \
	    tests/php/zts.sh tests/php/node.sh
.PHONY: check-php-zts

LONG_TESTS += tests/php/apache_long.sh
php_scripts = DiffTest PackagesTest dokuwiki end error exit ffi fibers fork gc hello idle limit_huge limit_in \
    limit_raised limit_set limit_text phpinfo sizes twig values
EXTRA_DIST += $(php_tests) $(php_scripts:%=tests/php/scripts/%.php) tests/php/abi.c \
    tests/php/apache_long.sh tests/php/embed.c tests/php/fake_php.c tests/php/fake_program.c \
    tests/php/node.sh tests/php/node_requests.cjs tests/php/phpt_list tests/php/support.sh \
    tests/php/zts.sh tests/php/zts_build.sh tests/php/zts_threads.c
