#!/bin/sh
# malloc_shim: malloc() and its siblings on our heaps, as a threaded program that knows nothing of
# them uses them: plain, at the process's limit, and on heaps of every kind.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

shim=$abs_top_builddir/tests/support/.libs/malloc_shim.so
program=$abs_top_builddir/tests/stress/malloc_program
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# on_shim VARIABLE=VALUE... PROGRAM...
on_shim() { env LD_PRELOAD="$shim" MALLOC_SHIM_LOG="$work/log" "$@"; }
# What it printed is shown when a case of it failed.
whole() { on_shim "$@" >"$work/out" 2>&1 || { cat "$work/out"; false; }; }
served() {
    awk '$1 == "malloc_program" && $3 > 1 && $5 > 10000 { found = 1 } END { exit !found }' "$work/log"
}
at_limit() {
    whole MALLOC_SHIM_LIMIT=134217728 "$program" && grep -q '^ok - at the limit' "$work/out"
}
refused() {
    ! on_shim "$1" "$program" >"$work/out" 2>&1 &&
        grep -q "^malloc_shim: .*expected" "$work/out" || { cat "$work/out"; false; }
}

if [ "$TSRMALLOC_SANITIZE" != no ]; then
    check_skip "programs on our heaps" "a sanitizer has a malloc of its own"
elif [ -z "$TSRMALLOC_SO" ] || [ ! -f "$shim" ]; then
    check_skip "programs on our heaps" "there are no shared objects in this build"
else
    check "a threaded program finds malloc as it should be" whole "$program"
    check "it was our heaps that served it" served
    check "with a limit for the process, malloc gives NULL and ENOMEM there" at_limit
    check "on the storage mmap_zero it finds the same" whole ZEND_MM_MEM_TYPE=mmap_zero "$program"
    check "with large segments it finds the same" whole ZEND_MM_SEG_SIZE=8m "$program"
    check "a storage that would call malloc is refused" refused ZEND_MM_MEM_TYPE=malloc
    check "a limit that is no number is refused" refused MALLOC_SHIM_LIMIT=1x
fi
check_summary
