#!/bin/sh
# leaks: what a request leaves is reported when that is asked for, under the file's name.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# A debug build remembers blocks by itself.
if [ "$TSRMALLOC_DEBUG" = yes ]; then
    unset ZEND_MM_DEBUG
else
    ZEND_MM_DEBUG=leaks=1
    export ZEND_MM_DEBUG
fi

# The trace: its second and its third request leave blocks.
trace=$data/over_8m.zmt
totals() { [ "$(grep -c '^=== Total [0-9]* memory leaks detected ===$' "$work/err")" -eq "$1" ]; }

run "$trace"
check "what a trace leaves is not reported by itself" nothing_on err
check "and the trace runs" status_is 0

run -d report_memleaks=1 "$trace"
check "report_memleaks=1: the trace runs" status_is 0
check "report_memleaks=1: each request that leaves blocks reports them" totals 2
check "report_memleaks=1: the file is named" err "  Script:  '$trace'"
check "report_memleaks=1: with the block, too" err " (300 bytes), script=$trace"

run -d report_memleaks=1 -t "$many" "$trace"
check "$many workers: each reports its own" totals $((many * 2))

run -d report_memleaks=1 -d memory_limit=8M "$trace"
check "a request that was cut off reports nothing" totals 1

run -d report_memleaks=2 "$trace"
check "another value is refused" status_is 64
check "and what was expected is said" err "report_memleaks takes 1 or 0"

check_summary
