# Tests of php/: a real PHP with the drop-in. Each skips, and says so, where no PHP is installed.

if PHP_DROP_IN
SCRIPT_TESTS += tests/php/symbols.sh tests/php/basics.sh
else
EXTRA_DIST += tests/php/symbols.sh tests/php/basics.sh
endif
EXTRA_DIST += tests/php/support.sh tests/php/embed.c \
    tests/php/scripts/end.php tests/php/scripts/error.php tests/php/scripts/exit.php \
    tests/php/scripts/fibers.php tests/php/scripts/gc.php tests/php/scripts/hello.php \
    tests/php/scripts/idle.php tests/php/scripts/limit_text.php tests/php/scripts/phpinfo.php \
    tests/php/scripts/sizes.php tests/php/scripts/values.php
