#!/bin/sh
# compatibility: docs/zend-compatibility.md says of every row which tests prove it. They exist and are
# run, every row has one unless it says "left out", and no function of the public header is missing.
#
# Owns        nothing.
# Tests       itself

# shellcheck source=tests/support/check.sh
. "$abs_top_srcdir/tests/support/check.sh"

page=$abs_top_srcdir/docs/zend-compatibility.md
tests=$abs_top_srcdir/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# named: the tests that a text names.
named() { grep -oE '\b[a-z0-9]+/[a-z0-9_]+\.(c|sh)\b' "$@" | sort -u; }
# A test is run when a list of tests has its name, a program without its .c.
cat "$tests"/*.mk "$tests"/*/*.mk "$abs_top_srcdir"/*/*.mk "$abs_top_srcdir"/*/*/*.mk 2>/dev/null |
    tr ' \t\\' '\n\n\n' | sort -u >"$work/lists"
is_run() { grep -qxF "tests/${1%.c}" "$work/lists" || grep -qxF "tests/$1" "$work/lists"; }
all_are_run() {
    status=0
    for test in $(named "$page"); do
        [ -f "$tests/$test" ] || { echo "there is no tests/$test"; status=1; }
        is_run "$test" || { echo "tests/$test is in no list of tests"; status=1; }
    done
    return $status
}
check "the page names tests" test "$(named "$page" | wc -l)" -ge 60
check "every test that it names exists and is run" all_are_run

# Rows: lines of tables but for their first two. Those without a test say why, or are no one's.
rows_are_proved() {
    awk '
        /^\|/ { if (++line > 2 && !/left out/ && !/not a memory manager/ && !/[a-z0-9]+\/[a-z0-9_]+\.(c|sh)/) {
                    print "no test: " $0; found = 1 } next }
        { line = 0 }
        END { exit found }' "$page"
}
check "every row names a test, or says that something is left out" rows_are_proved

# Public names: functions behind ZEND_API, and the macros that are written like functions.
public_names() {
    sed -nE -e 's/^ZEND_API .*[ *]([a-z_][a-z0-9_]*)\(.*/\1/p' \
        -e 's/^# ?define ([a-z_][a-z0-9_]*)\(.*/\1/p' "$abs_top_srcdir/alloc/zend_alloc.h" | sort -u
}
# With or without the underscore, or the ending, of the functions behind the macros.
all_are_on_the_page() {
    status=0
    for name in $(public_names); do
        grep -qE "\`_?${name#_}\`" "$page" ||
            { echo "$name is not on the page"; status=1; }
    done
    return $status
}
check "the header has public names" test "$(public_names | wc -l)" -ge 60
check "every public name of zend_alloc.h is on the page" all_are_on_the_page

# The heads of the heap's and TSRM's sources name tests, too.
heads_are_true() {
    status=0
    for file in "$abs_top_srcdir"/tsrm/*.c "$abs_top_srcdir"/alloc/*.c; do
        for test in $(sed -n '/^ \* Tests  /,/\*\//p' "$file" | grep -oE 'tests/[a-z0-9_/]+\.(c|sh)'); do
            [ -f "$abs_top_srcdir/$test" ] || { echo "$file: there is no $test"; status=1; }
        done
    done
    return $status
}
check "every test that the head of a source in tsrm/ or alloc/ names exists" heads_are_true

check_summary
