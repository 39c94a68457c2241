#!/bin/sh
# suite: what does not look into the heap passes with AddressSanitizer watching the blocks, too: of a
# library that is built with it, tests that use the public interface, threads and traces. (The others
# run with ZEND_MM_REDZONES=0, see tests/support/driver: they check addresses, sizes and pages.)
#
# Owns        nothing.
# Tests       itself

# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

ZEND_MM_REDZONES=1
export ZEND_MM_REDZONES

case $TSRMALLOC_SANITIZE in
    *address*)
        for program in death/bailout death/remote stress/startup_threads stress/pool_threads; do
            check "tests/$program passes while the tool watches" "$abs_top_builddir/tests/$program"
        done
        check "a trace is replayed and verified while the tool watches" "$abs_top_builddir/tsrmalloc-cli" \
            --verify "$abs_top_srcdir/tests/data/small.zmt"
        check "in the hardened mode, too" env ZEND_MM_HARDENED=1 "$abs_top_builddir/tsrmalloc-cli" \
            --verify "$abs_top_srcdir/tests/data/small.zmt"
        ;;
    *) check_skip "tests pass while the tool watches" "not built with AddressSanitizer" ;;
esac

check_summary
