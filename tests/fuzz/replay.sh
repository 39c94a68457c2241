#!/bin/sh
# replay: every input of tests/fuzz/corpus goes through its harness once.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

for harness in operations trace environment options fastcgi conf; do
    check "the $harness corpus has no finding" \
        "$abs_top_builddir/tests/fuzz/$harness" "$abs_top_srcdir/tests/fuzz/corpus/$harness"
done
check_summary
