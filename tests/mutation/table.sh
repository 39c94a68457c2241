#!/bin/sh
# table: the tables of defects fit the sources: each defect's lines are in its file once, its tests
# exist, and it changes the file. What kills them is shown by `make check-mutants`.
set -u
# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

here=$abs_top_srcdir/tests/mutation
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

table() {
    awk -v root="$abs_top_srcdir" "$@"
}

tests_exist() {
    while read -r name file build tests; do
        [ "$build" = plain ] || [ "$build" = thread ] || { echo "$name: build $build"; return 1; }
        for test in $tests; do
            [ -f "$abs_top_srcdir/${test%.sh}.c" ] || [ -f "$abs_top_srcdir/$test" ] ||
                { echo "$name: there is no $test (for $file)"; return 1; }
        done
    done <"$work/list"
}

# refuses TEXT ERROR: a table with this text ends with this error.
refuses() {
    printf '%s\n' "$1" >"$work/bad.txt"
    if table -f "$here/table.awk" "$work/bad.txt" >"$work/out" 2>"$work/err"; then
        echo "accepted"
        return 1
    fi
    cat "$work/err"
    grep -qF "$2" "$work/err"
}

check "each defect's lines are in its file exactly once" \
    table -f "$here/table.awk" "$here/alloc.txt" "$here/tsrm.txt"
table -f "$here/table.awk" "$here/alloc.txt" "$here/tsrm.txt" >"$work/list" 2>/dev/null
check "each defect's tests exist" tests_exist
check "there are forty of them and more" [ "$(wc -l <"$work/list")" -ge 40 ]
check "a line that is in no file is refused" refuses '= lost a line that is gone
file: alloc/bin.c
test: tests/unit/bin
-no such line' 'stand in alloc/bin.c 0 times, expected once'
check "a line that is in a file twice is refused" refuses '= twice a line that is there twice
file: alloc/bin.c
test: tests/unit/bin
-' 'times, expected once'
check "a name that is there twice is refused" refuses '= same a
file: alloc/bin.c
test: tests/unit/bin
-#include "alloc/bin.h"
= same b' 'no name twice'
check "a defect without a test is refused" refuses '= bare a defect that nothing is named for
file: alloc/bin.c
-#include "alloc/bin.h"' 'expected `file:`, `test:`'
check_summary
