#!/bin/sh
# tool_long: all modes of tsrmalloc-stress for STRESS_SECONDS (600), with STRESS_THREADS (64, with
# sanitizers 16) threads. In a build without sanitizers the memory must be flat afterwards.
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
set -- -t "$threads" -d "$seconds"
for trace in "$abs_top_srcdir"/traces/*.zmt.gz; do
    set -- "$@" --trace "$trace"
done

"$abs_top_builddir/tsrmalloc-stress" "$@" >"$work/out" 2>"$work/err"
status=$?
cat "$work/out" "$work/err"
check "all modes for $seconds s on $threads threads: nothing wrong" [ "$status" -eq 0 ]
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
