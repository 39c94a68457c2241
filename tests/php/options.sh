#!/bin/sh
# options: TSRMALLOC_INFO, TSRMALLOC_STATS, TSRMALLOC_RECORD.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

replays() { "$abs_top_builddir/tsrmalloc-cli" --verify "$1"; }
requests_are() { zcat -f "$1" | grep -qx "# requests: $2" || { zcat -f "$1" | head; return 1; }; }

# ---- INFO ----
TSRMALLOC_INFO=1
export TSRMALLOC_INFO
ours "$scripts/hello.php"
check "TSRMALLOC_INFO: version, kind, heaps, requests" grep -qE \
    '^tsrmalloc [0-9.]+: served PHP 8\.[0-9.]+ \((NTS|ZTS)\), 1 heaps, 2 request ends, largest' \
    "$work/err"
check "on stdout there is what the program prints" out_is hello
unset TSRMALLOC_INFO
ours "$scripts/hello.php"
check "without it nothing is printed" diff /dev/null "$work/err"

# ---- STATS ----
TSRMALLOC_STATS=$work/stats.json
export TSRMALLOC_STATS
ours "$scripts/values.php"
lines() { [ "$(wc -l <"$1")" -eq "$2" ]; }
check "TSRMALLOC_STATS: one line for the start-up, one for the request" lines "$work/stats.json" 2
check "a line is one JSON object, that says what the request held" grep -qE \
    '^\{"heap":1,"storage":"mmap_anon","size":[0-9]+,"peak":[0-9]{7,},.*\]\}$' "$work/stats.json"
TSRMALLOC_STATS=$work/none/stats.json
ours "$scripts/hello.php"
check "a file that cannot be made: exit status 73" status_is 73
check "and which" err "TSRMALLOC_STATS=$work/none/stats.json: No such file"
unset TSRMALLOC_STATS

# ---- RECORD ----
for name in trace.zmt.gz trace.zmt; do
    TSRMALLOC_RECORD=$work/$name
    export TSRMALLOC_RECORD
    same "TSRMALLOC_RECORD=$name: the program prints the same" "$scripts/fibers.php"
    check "the trace replays, every block checked" replays "$work/$name"
    check "it has the one request" requests_are "$work/$name" 1
    check "nothing else is left" [ ! -e "$work/$name.tmp" ]
done
# Debug builds and sanitizers have no bench worth a run, and are slow.
if [ "$TSRMALLOC_DEBUG$TSRMALLOC_SANITIZE" = nono ]; then
    measures() {
        "$abs_top_builddir/tsrmalloc-bench" --quick --workloads traces --peers glibc \
            --library "$TSRMALLOC_SO" "$work/trace.zmt.gz" >"$work/bench" 2>&1 &&
            grep -qE '^trace +ours' "$work/bench" || { cat "$work/bench"; return 1; }
    }
    check "tsrmalloc-bench measures it" measures
else
    check_skip "tsrmalloc-bench measures it" "a build for debugging"
fi
if [ -x "$abs_top_builddir/tsrmalloc-stress" ]; then
    threads=2
    [ "$TSRMALLOC_ZTS" = yes ] || threads=1
    stresses() {
        "$abs_top_builddir/tsrmalloc-stress" -t $threads --mode trace --stop-at 20 \
            --trace "$work/trace.zmt.gz" >"$work/stress" 2>&1 || { cat "$work/stress"; return 1; }
    }
    check "tsrmalloc-stress runs it" stresses
else
    check_skip "tsrmalloc-stress runs it" "this build has none"
fi
compressed() { [ "$(od -An -tx1 -N2 "$work/trace.zmt.gz" | tr -d ' ')" = 1f8b ]; }
check "a name that ends in .gz: the trace is compressed" compressed
check "both have the same number of operations" [ \
    "$(zcat -f "$work/trace.zmt.gz" | grep '^# ops')" = "$(grep '^# ops' "$work/trace.zmt")" ]

rm -f "$work"/trace*
TSRMALLOC_RECORD=$work/trace.zmt.gz
ours "$scripts/fork.php"
children=$(find "$work" -name 'trace.*[0-9].zmt.gz' | wc -l)
if [ "$status" -eq 77 ]; then
    check_skip "a forked child writes a trace of its own" "this PHP has no pcntl"
else
    check "a forked child writes a trace of its own" [ "$children" -eq 3 ]
    for file in "$work"/trace*.zmt.gz; do
        check "each of them replays" replays "$file"
    done
fi
rm -f "$work"/trace*
ours -d memory_limit=8M "$scripts/limit_text.php"
check "a request that hits its limit is recorded" replays "$work/trace.zmt.gz"
check_summary
