#!/bin/sh
# tool_long: all modes of tsrmalloc-stress for STRESS_SECONDS (600), with STRESS_THREADS (64, with
# sanitizers 16) threads. In a build without sanitizers the memory must be flat afterwards; but `ids`
# runs by itself: an id is never given back, and its place in each thread's table stays.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

seconds=${STRESS_SECONDS:-600}
if [ "$TSRMALLOC_ZTS" != yes ]; then
    threads=1
elif [ "$TSRMALLOC_SANITIZE" = no ]; then
    threads=${STRESS_THREADS:-64}
else
    threads=${STRESS_THREADS:-16}
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
set -- -t "$threads"
for trace in "$abs_top_srcdir"/traces/*.zmt.gz; do
    set -- "$@" --trace "$trace"
done

# run SECONDS ARGUMENT...: what it printed is in the log, and for flat() in $work/out.
run() {
    "$abs_top_builddir/tsrmalloc-stress" -d "$@" >"$work/out" 2>"$work/err"
    status=$?
    cat "$work/out" "$work/err"
}
most=request,trace,handoff,churn,limit,huge,oom,misbehave
[ "$TSRMALLOC_ZTS" = yes ] || most=request,trace,limit,huge,oom,misbehave
if [ "$TSRMALLOC_ZTS" = yes ]; then
    run $((seconds / 10 + 1)) "$@" --mode ids
    check "ids come and go for $((seconds / 10 + 1)) s on $threads threads: nothing wrong" \
        [ "$status" -eq 0 ]
fi
run "$((seconds - seconds / 10))" "$@" --mode "$most,fork"
check "all other modes for $((seconds - seconds / 10)) s on $threads threads: nothing wrong" \
    [ "$status" -eq 0 ]
# AddressSanitizer told of every block, which the driver of the tests leaves out. Not with `fork`: gcc's
# runtime does not hold its own locks over it.
case $TSRMALLOC_SANITIZE in *address*)
    ZEND_MM_REDZONES=1 run $((seconds / 10 + 1)) "$@" --mode "$most"
    check "the same with redzones for $((seconds / 10 + 1)) s, without fork: nothing wrong" \
        [ "$status" -eq 0 ]
    ;;
esac
flat() {
    awk '/^RSS before/ { is_flat = $6 <= $3 * 1.05 + 0.05 } END { exit !is_flat }' "$work/out"
}
sentence="RSS afterwards is RSS before, within 5 %"
if [ "$TSRMALLOC_SANITIZE" = no ]; then
    check "$sentence" flat
else
    check_skip "$sentence" "a sanitizer keeps memory of its own"
fi
check_summary
