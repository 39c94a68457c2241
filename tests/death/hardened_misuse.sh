#!/bin/sh
# Every misuse that the default build catches is caught in the hardened mode, too, with the same text.
#
# Owns        nothing.
# Tests       itself

# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

ZEND_MM_HARDENED=1
export ZEND_MM_HARDENED

for program in misuse double_free overwritten resize remote debug debug_build bailout environment \
    tracked persistent; do
    check "tests/death/$program passes in the hardened mode" "$abs_top_builddir/tests/death/$program"
done

check_summary
