# Tests of php/: a real PHP with the drop-in. Each skips, and says so, where no PHP is installed.

php_tests = tests/php/symbols.sh tests/php/basics.sh tests/php/limits.sh tests/php/refused.sh \
    tests/php/options.sh

if PHP_DROP_IN
SCRIPT_TESTS += $(php_tests)
endif
EXTRA_DIST += $(php_tests) tests/php/support.sh tests/php/embed.c tests/php/fake_php.c \
    tests/php/fake_program.c tests/php/scripts/fork.php tests/php/scripts/limit_huge.php \
    tests/php/scripts/limit_in.php tests/php/scripts/limit_raised.php tests/php/scripts/limit_set.php \
    tests/php/scripts/end.php tests/php/scripts/error.php tests/php/scripts/exit.php \
    tests/php/scripts/fibers.php tests/php/scripts/gc.php tests/php/scripts/hello.php \
    tests/php/scripts/idle.php tests/php/scripts/limit_text.php tests/php/scripts/phpinfo.php \
    tests/php/scripts/sizes.php tests/php/scripts/values.php
