#!/bin/sh
# late: the archive with php/late.c, as they are linked into a PHP of 8.2.35 or later. Without such
# a PHP's source: the two are linked into a library, which is preloaded into the installed PHP. So
# what only late.c has is replaced, too, and PHP's own memory manager never starts.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

nm -D "$php_library" | grep -q ' zend_handle_delayed_oom' ||
    skip_all "the archive in a PHP that delays the limit's error" "this PHP does not"
late=$work/late.so
# No headers of a ZTS PHP as late as this are to be had: this one's, told that it is ZTS.
compiles_for_zts() {
    # shellcheck disable=SC2086
    ${CC:-cc} -fsyntax-only -DZTS=1 $php_includes "$abs_top_srcdir/php/late.c"
}
# As docs/php.md has it, up to the last step.
link_late() {
    # shellcheck disable=SC2086
    ${CC:-cc} -g -O2 -Wall -Werror -fPIC $php_includes -c "$abs_top_srcdir/php/late.c" \
        -o "$work/late.o" &&
        ld -r "$abs_top_builddir/php/tsrmalloc-php.o" "$work/late.o" -o "$work/both.o" &&
        ${CC:-cc} ${CFLAGS-} -shared -o "$late" "$work/both.o" -pthread -ldl
}
check "late.c compiles with PHP's headers, and links with the archive" link_late
drop_in=$late
TSRMALLOC_INFO=1
export TSRMALLOC_INFO
ours "$scripts/hello.php"
unset TSRMALLOC_INFO
check "it serves" err ": served PHP 8."
is_bound() {
    LD_DEBUG=bindings LD_PRELOAD=$late "$embed" -d memory_limit=4M "$scripts/limit_text.php" 2>&1 |
        grep "to $late.*zend_handle_delayed_oom'" | grep -q libphp
}
check "PHP raises the error with late.c" is_bound
check "it compiles for a ZTS PHP" compiles_for_zts
TSRMALLOC_PHP_DROP_IN=$late
export TSRMALLOC_PHP_DROP_IN
for test in abi basics limits; do
    check "tests/php/$test.sh with it" "$abs_top_srcdir/tests/php/$test.sh"
done
check_summary
