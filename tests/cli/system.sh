#!/bin/sh
# system: when the system refuses threads or memory, that is said and the exit status is 71.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# Runs with less address space (KiB) than the workers' stacks and heaps need.
run_within() {
    space=$1
    shift
    status=0
    (ulimit -v "$space" && exec "$cli" "$@") >"$work/out" 2>"$work/err" || status=$?
}

case $TSRMALLOC_ZTS,$TSRMALLOC_SANITIZE in
no,*)
    check_skip "a worker thread that cannot be started" "this build has one worker and no threads"
    ;;
*,no)
    run_within 1500000 -t 4096 "$data/small.zmt"
    check "a worker thread that cannot be started: exit status 71" status_is 71
    check "a worker thread that cannot be started: said" err "cannot start its thread: "
    check "nothing was run" nothing_on out
    ;;
*)
    check_skip "a worker thread that cannot be started" "a sanitizer needs all the address space"
    ;;
esac

check_summary
