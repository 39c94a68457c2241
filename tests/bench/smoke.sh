#!/bin/sh
# smoke: tsrmalloc-bench in seconds: the form of its tables, JSON and pictures, its exit statuses,
# allocators that are missing. Never how long anything took.
set -u
. "$abs_top_srcdir/tests/support/check.sh"

bench=$abs_top_builddir/tsrmalloc-bench
trace=$abs_top_srcdir/tests/data/small.zmt
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

run() {
    status=0
    "$bench" --library "${TSRMALLOC_SO:-none.so}" "$@" >"$work/out" 2>"$work/err" || status=$?
}

out() { grep -q -e "$1" "$work/out" || { cat "$work/out" "$work/err"; return 1; }; }
err() { grep -q -e "$1" "$work/err" || { cat "$work/out" "$work/err"; return 1; }; }
status_is() { [ "$status" -eq "$1" ] || { echo "status $status"; cat "$work/err"; return 1; }; }
lines_are() { [ "$(grep -c -e "$2" "$work/out")" -eq "$1" ] || { cat "$work/out"; return 1; }; }
nothing_on() { [ ! -s "$work/$1" ] || { cat "$work/$1"; return 1; }; }

# ---- usage ----

refused() {
    sentence=$1
    expected=$2
    shift 2
    run "$@"
    check "$sentence: exit status 64" status_is 64
    check "$sentence: says so" err "$expected"
    check "$sentence: nothing on stdout" nothing_on out
}

refused "an unknown option" "Try 'tsrmalloc-bench --help'" --nonsense
refused "no rounds" "expected a number from 1 to 101" --rounds 0
refused "rounds that are no number" "expected a number" --rounds 3x
refused "too many threads" "expected a number from 1 to 1024" -t 1025
refused "an unknown workload" "nonsense: no such workload" --workloads large,nonsense
refused "an empty list of workloads" "expected at least one" --workloads ,
refused "an unknown allocator" "nonsense: no such allocator" --peers nonsense
refused "a library without a name" "expected NAME=PATH" --peer /some/library.so
refused "a variant without a library" "--variant: expected NAME=PATH" --variant unchecked
refused "a library for what has none" "glibc: it is in no library" --peer glibc=/some/library.so
refused "traces without a trace" "traces: expected at least one TRACE" --workloads traces
refused "two reports on stdout" "only one of" --json --markdown
refused "pictures into nowhere" "expected a directory" --svg "$work/nowhere"

run --help
check "--help: exit status 0" status_is 0
for word in traces threads large huge mixed grow reset handoff churn startup age \
        ours zend glibc jemalloc tcmalloc mimalloc mimalloc-heaps limit; do
    check "--help names $word" out "\\b$word\\b"
done
run --version
check "--version" out '^tsrmalloc-bench [0-9]'

run --quick --library "$work/missing.so" --workloads large
check "our own library missing: exit status 1" status_is 1
check "our own library missing: says so" err "ours is left out: .*missing.so"

if [ -z "$TSRMALLOC_SO" ]; then
    check_skip "measurements" "they need the shared library, and this is a build without"
    check_summary
    exit
fi

run --quick --peers glibc --workloads traces "$work/missing.zmt"
check "a trace missing: exit status 1" status_is 1
check "a trace missing: says so" err "missing.zmt"

# ---- a run over everything ----

# One line of JSON for a measured case: the figure is positive, so are the quotients.
result() {
    figure='[1-9][0-9.e+]*'
    small='[0-9.e+-]*[1-9][0-9.e+-]*'
    grep -qE "^ +\{\"workload\":\"$1\",\"case\":\"[^\"]+\",\"allocator\":\"$2\",\"rounds\":[1-9]\
[0-9]*,\"ns\":($small|$figure),.*\"times_ours\":$small,\"times_ours_quartiles\":\[$small,$small\]" \
        "$work/run.json" || { grep "\"workload\":\"$1\"" "$work/run.json"; return 1; }
}

workloads="traces large huge mixed grow reset startup age"
[ "$TSRMALLOC_ZTS" = yes ] && workloads="$workloads threads handoff churn"

mkdir "$work/pictures"
pictures=
command -v gnuplot >/dev/null 2>&1 && pictures=yes
run --quick --peer "absent=$work/absent.so" --peers glibc,limit,absent,again,hardened \
    --variant "again=$TSRMALLOC_SO" --variant "hardened=ZEND_MM_HARDENED=1:$TSRMALLOC_SO" --json="$work/run.json" --markdown="$work/run.md" \
    ${pictures:+--svg "$work/pictures"} "$trace"
check "a run: exit status 0" status_is 0
check "a missing allocator is left out by name" err \
    '^tsrmalloc-bench: absent is left out: .*absent.so'
for workload in $workloads; do
    check "$workload has a table" out "^$workload: "
    check "$workload: a figure of ours" result "$workload" ours
    check "$workload: a figure of the C library" result "$workload" glibc
done
limited="traces large huge mixed grow"
[ "$TSRMALLOC_ZTS" = yes ] && limited="$limited threads handoff"
for workload in $limited; do
    check "$workload: a figure of the limit" result "$workload" limit
done
check "traces: named by their file" out '^small  *ours  '
check "a figure of ours is once ours" out 'ours .* 1\.00  1\.00 - 1\.00 '
check "the machine is described" out '^processors  '
check "the C library's version is told" out '^glibc  *glibc [0-9]'
check "why something is not measured" out 'limit: not measured: '
check "reset: storage time apart" grep -q '"workload":"reset".*"storage_ns":[0-9]' "$work/run.json"
check "traces: what ours keeps after a request" grep -q \
    '"workload":"traces".*"allocator":"ours".*"kept":[-0-9]' "$work/run.json"
check "a variant is measured with the traces" out '^small  *again  '
check "a mode is measured with the traces" out '^small  *hardened  '
check "a variant is measured with nothing else" lines_are 1 '^[^ ].* again  .*[0-9] - [0-9]'
check "what leaving a check out saves is told" out '^again  *[-0-9.]* %'
check "age: samples over time" grep -q '"samples":\[\[.*\],\[' "$work/run.json"
check "the missing allocator is in JSON" grep -q '"name":"absent","missing":"' "$work/run.json"
check "Markdown: a heading for each workload" grep -q '^### large$' "$work/run.md"
check "Markdown: a table" grep -q '^| case .* |$' "$work/run.md"
if [ -z "$pictures" ]; then
    check_skip "pictures" "gnuplot is not installed"
else
    for picture in traces live reset age; do
        check "the picture $picture" grep -q '<path' "$work/pictures/$picture.svg"
    done
    check "a legend has who was measured" grep -q '<text>glibc</text>' "$work/pictures/age.svg"
    check "a legend has nobody else" [ \
        "$(grep -c '<text>limit</text>' "$work/pictures/age.svg")" = 0 ]
fi
if command -v python3 >/dev/null 2>&1; then
    check "the JSON can be parsed" python3 -m json.tool "$work/run.json"
else
    check_skip "the JSON can be parsed" "no python3 to parse it"
fi

run --quick --rounds 2 --workloads large --peers glibc --json
check "--json: nothing but the object on stdout" [ "$(head -c 1 "$work/out")" = '{' ]
check "--json: the object ends stdout" [ "$(tail -n 1 "$work/out")" = '}' ]
check "--json: the figure of every round" out '"ns_rounds":\[[0-9.e+-]*,[0-9.e+-]*\]'
run --quick --workloads startup --peers glibc --json=/nowhere/run.json
check "an output that cannot be written: exit status 1" status_is 1
check "an output that cannot be written: says so" err '/nowhere/run.json'

if [ "$TSRMALLOC_ZTS" = yes ]; then
    run --quick --workloads traces,large -t 3 --peers glibc,limit "$trace"
    check "several threads: exit status 0" status_is 0
    check "several threads: a figure of ours" out '^small  *ours .*[0-9] [num]s '
    check "several threads: a figure of the limit" out '^small  *limit .*[0-9] [num]s '
else
    run --quick --workloads handoff,large --peers glibc
    check "without ZTS: exit status 0" status_is 0
    check "without ZTS: handoff says why not" out 'ours: not measured: built without ZTS'
fi

# ---- allocators of other packages ----

# measured NAME: all were asked for; those of packages that are not there were named.
measured() {
    if grep -q "^tsrmalloc-bench: $1 is left out: .*(Debian: apt-get install " "$work/err"; then
        check_skip "$1 is measured" "it is not installed"
    else
        check "$1 is measured" out "^4 MiB  *$1  .*[0-9] [num]s "
    fi
}
if [ "${TSRMALLOC_SANITIZE:-no}" != no ]; then
    check_skip "allocators of other packages" "sanitizers do not know them"
else
    run --quick --workloads traces,large,mixed,grow,reset \
        --peers zend,jemalloc,tcmalloc,mimalloc,mimalloc-heaps "$trace"
    check "allocators of other packages: exit status 0" status_is 0
    for name in zend jemalloc tcmalloc mimalloc mimalloc-heaps; do
        measured $name
    done
fi

check_summary
