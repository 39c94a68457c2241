#!/bin/sh
# tool: the command line of tsrmalloc-stress, its output, and that it notices what is wrong.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

stress=$abs_top_builddir/tsrmalloc-stress
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
    status=0
    "$stress" "$@" >"$work/out" 2>"$work/err" || status=$?
}

out() { grep -q -e "$1" "$work/out" || { cat "$work/out" "$work/err"; return 1; }; }
err() { grep -q -e "$1" "$work/err" || { cat "$work/out" "$work/err"; return 1; }; }
status_is() { [ "$status" -eq "$1" ] || { echo "status $status"; cat "$work/err"; return 1; }; }
refuses() { [ "$status" -eq 64 ] && err "$1" && [ ! -s "$work/out" ]; }

run --help
check "--help lists the modes" out '^  misbehave '
check "--help ends with 0" status_is 0
run --version
check "--version names the program" out '^tsrmalloc-stress [0-9]'

run --mode no-such-mode
check "an unknown mode is refused" refuses '--mode: expected names'
run --threads 0
check "no threads are refused" refuses '--threads: expected'
run --duration 0
check "no time is refused" refuses '--duration: expected'
run --stop-at 0
check "no operations are refused" refuses '--stop-at: expected'
run --memory-limit 3X
check "a limit with an unknown unit is refused" refuses '--memory-limit: expected'
run --seed x
check "a seed that is no number is refused" refuses '--seed: expected'
run surplus
check "an operand is refused" refuses 'surplus: expected nothing but options'
run --mode trace --trace "$work/none" --stop-at 1
check "a trace that cannot be read ends with 71" status_is 71
check "a trace that cannot be read is named" err "$work/none: No such file"

if [ "$TSRMALLOC_ZTS" = yes ]; then
    threads=2
else
    threads=1
    run --mode churn
    check "a mode of threads is refused without ZTS" refuses 'churn: this build has no thread'
    run --threads 2
    check "two threads are refused without ZTS" refuses '--threads: this build has no thread'
fi

run -t "$threads" -s 11 --mode request,oom --stop-at 200
check "the seed comes first" out "^seed 11, $threads threads\$"
check "a row for the first mode" out '^request  .* 0 '
check "a row for the second mode" out '^oom  '
check "RSS before and after" out '^RSS before [0-9.]* MiB, after [0-9.]* MiB$'
check "nothing wrong: status 0" status_is 0

sums() { "$stress" -t 1 -s "$1" --mode request --stop-at 300 | grep '^request' |
    awk '{ print $3, $4, $5 }'; }
same() { [ "$(sums 5)" = "$(sums 5)" ] && [ "$(sums 5)" != "$(sums 6)" ]; }
check "a seed decides what a thread does" same

run -t "$threads" --mode request --memory-limit 3M --stop-at 2000
check "a limit is part of every mode" status_is 0
refused() { awk '$1 == "request" { exit !($7 > 0) }' "$work/out" || { cat "$work/out"; false; }; }
check "refusals are counted" refused

# What malloc gave is nobody's to free at a request end (but with USE_TRACKED_ALLOC).
# shellcheck disable=SC2016
ASAN_OPTIONS="${ASAN_OPTIONS-}:detect_leaks=0" USE_ZEND_ALLOC=0 run -t "$threads" --mode request,limit,huge,oom --stop-at 100
check "a heap that passes calls on is used, too" status_is 0

run --json -t "$threads" -s 3 --mode huge --stop-at 20
check "--json: the seed goes to stderr" err '^seed 3'
if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    check "--json: a JSON parser takes it" python3 -c '
import json, sys
run = json.load(open(sys.argv[1]))
assert run["seed"] == 3 and run["errors"] == 0 and run["rss_after"] > 0
assert [mode["mode"] for mode in run["modes"]] == ["huge"]
assert run["modes"][0]["operations"] == 20 * run["threads"]' "$work/out"
else
    check_skip "--json: a JSON parser takes it" "there is no python3"
fi

# A library that is wrong: ecalloc() leaves a byte that is not zero, now and then.
cat >"$work/wrong.c" <<'END'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <zend_file_line.h>
void *_ecalloc(size_t count, size_t size ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC)
{
    static __thread int calls;
    void *(*right)(size_t, size_t ZEND_FILE_LINE_DC ZEND_FILE_LINE_ORIG_DC);
    *(void **)&right = dlsym(RTLD_NEXT, "_ecalloc");
    char *block = right(count, size ZEND_FILE_LINE_RELAY_CC ZEND_FILE_LINE_ORIG_RELAY_CC);
    if (++calls > 100 && size > 10) {
        block[size - 1] = 1;
    }
    return block;
}
END
found() {
    LD_PRELOAD=$work/wrong.so LD_LIBRARY_PATH=$abs_top_builddir/.libs \
        "$abs_top_builddir/.libs/tsrmalloc-stress" "$@" >"$work/out" 2>"$work/err"
    status=$?
    [ "$status" -eq 1 ]
}
sentence="a wrong byte is found, and the line that is printed finds it again"
if [ -z "$TSRMALLOC_SO" ] || [ ! -x "$abs_top_builddir/.libs/tsrmalloc-stress" ]; then
    check_skip "$sentence" "there is no shared library to replace a function of"
elif [ "$TSRMALLOC_SANITIZE" != no ]; then
    check_skip "$sentence" "a sanitizer's library must be the first that is loaded"
else
    debug=0
    [ "$TSRMALLOC_DEBUG" = no ] || debug=1
    # shellcheck disable=SC2086
    $CC -shared -fPIC -I"$abs_top_srcdir/alloc" -DZEND_DEBUG="$debug" "$work/wrong.c" \
        -o "$work/wrong.so" -ldl
    # One thread: which of several comes first is a matter of time.
    again() {
        found -t 1 --mode request -d 20 -s 1 && err 'ecalloc gave bytes' || return 1
        line=$(sed -n 's/^reproduce with: tsrmalloc-stress //p' "$work/err")
        first=$(grep '^tsrmalloc-stress: mode' "$work/err")
        # shellcheck disable=SC2086
        found $line && [ "$(grep '^tsrmalloc-stress: mode' "$work/err")" = "$first" ] ||
            { cat "$work/err"; echo "at first: $first"; false; }
    }
    check "$sentence" again
fi

check_summary
