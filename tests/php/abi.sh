#!/bin/sh
# abi: tests/php/abi.c with the drop-in, and without it: it tests what PHP's memory manager does.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

compile "$abs_top_srcdir/tests/php/abi.c" "$work/abi" || exit 1
check "what is expected is what PHP does: without the drop-in it passes" "$work/abi"
LD_PRELOAD=$drop_in "$work/abi"
check "with the drop-in it passes" [ $? -eq 0 ]
status=0
LD_PRELOAD=$drop_in "$work/abi" --misuse >"$work/out" 2>"$work/err" || status=$?
check "what is no block is not freed: SIGABRT" status_is 134
is_first_line() { [ "$(head -n 1 "$work/err")" = "$1" ]; }
check "and PHP's text" is_first_line "zend_mm_heap corrupted"
check_summary
