#!/bin/sh
# Every misuse that the default build catches is caught in the hardened mode, too, with the same text.
# (tests/death/overwritten.c is about the slot that is handed out next, which here is not the one that
# was freed last: tests/death/hardened.c has the hardened counterpart.)
#
# Owns        nothing.
# Tests       itself

# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

ZEND_MM_HARDENED=1
export ZEND_MM_HARDENED

for program in misuse double_free resize remote; do
    check "tests/death/$program passes in the hardened mode" "$abs_top_builddir/tests/death/$program"
done

check_summary
