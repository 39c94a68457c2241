#!/bin/sh
# selftest: the test machinery itself. A test that crashed, hung, lied or said nothing must be
# counted as a failure, or all the other tests prove nothing.
set -u
. "$abs_top_srcdir/tests/support/check.sh"
support=$abs_top_srcdir/tests/support

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# outcome SCRIPT: runs a shell script under the driver; prints what it counted.
outcome() {
    printf '%s\n' "$1" >program.sh
    TEST_TIMEOUT=${limit:-60} "$support/driver" --test-name program --log-file program.log \
        --trs-file program.trs -- sh program.sh | sed 's/;.*/)/'
}

# counted SCRIPT EXPECTED: true when the driver printed exactly that.
counted() {
    got=$(outcome "$1")
    [ "$got" = "$2" ] || { echo "expected: $2"; echo "got:      $got"; cat program.log; false; }
}

# summed EXPECTED STATUS LOG...: true when `sum` ended with that line and status.
summed() {
    expected=$1 expected_status=$2
    shift 2
    got=$("$support/sum" "$@")
    status=$?
    [ "$(printf '%s\n' "$got" | tail -n 1)" = "$expected" ] && [ $status -eq "$expected_status" ] &&
        [ "$(printf '%s\n' "$got" | grep -cE '^[0-9]+ passed, [0-9]+ failed')" -eq 1 ] ||
        { printf '%s\n' "$got" "status $status"; false; }
}

check "a script that passes is counted by its closing line" counted \
    'echo "3 passed, 0 failed, 0 skipped"' \
    'PASS: program (3 passed, 0 failed, 0 skipped)'
check "of several such lines the last one counts" counted \
    'echo "9 passed, 9 failed, 9 skipped"; echo "1 passed, 0 failed, 0 skipped"' \
    'PASS: program (1 passed, 0 failed, 0 skipped)'
check "a failed case is counted" counted \
    'echo "3 passed, 2 failed, 0 skipped"; exit 1' \
    'FAIL: program (3 passed, 2 failed, 0 skipped)'
check "an exit status of 0 does not hide a failed case" counted \
    'echo "3 passed, 2 failed, 0 skipped"' \
    'FAIL: program (3 passed, 3 failed, 0 skipped)'
check "an exit status of 1 is a failure even if no case failed" counted \
    'echo "3 passed, 0 failed, 0 skipped"; exit 1' \
    'FAIL: program (3 passed, 1 failed, 0 skipped)'
check "a program without a count is a failure" counted \
    'echo fine' \
    'FAIL: program (0 passed, 1 failed, 0 skipped)'
check "a program without cases is a failure" counted \
    'echo "0 passed, 0 failed, 0 skipped"' \
    'FAIL: program (0 passed, 1 failed, 0 skipped)'
check "a signal is a failure" counted \
    'echo "3 passed, 0 failed, 0 skipped"; kill -SEGV $$' \
    'FAIL: program (3 passed, 1 failed, 0 skipped)'
limit=1
check "a program that hangs is ended and is a failure" counted \
    'echo "3 passed, 0 failed, 0 skipped"; while :; do :; done' \
    'FAIL: program (3 passed, 1 failed, 0 skipped)'
limit=60
check "a skip with its reason is a skip" counted \
    'echo "skipped - this: no moon"; echo "0 passed, 0 failed, 1 skipped"' \
    'SKIP: program (0 passed, 0 failed, 1 skipped)'
check "the reason of a skip is shown by the sum" grep -q '^program: skipped - this: no moon$' <<REASON
$("$support/sum" program.log)
REASON
check "a skip without a reason is a failure" counted \
    'echo "1 passed, 0 failed, 1 skipped"' \
    'FAIL: program (1 passed, 1 failed, 1 skipped)'

tap='tap=${CRITERION_OUTPUTS#tap:}; echo "TAP version 13" >"$tap"; echo "1..3" >>"$tap"
     echo "ok - a::one  (0.00s)" >>"$tap"; echo "ok - a::two  # SKIP no moon" >>"$tap"'
check "a Criterion report is counted case by case" counted \
    "$tap; echo 'ok - a::three  (0.00s)' >>\"\$tap\"" \
    'PASS: program (2 passed, 0 failed, 1 skipped)'
check "a Criterion case that crashed is a failure" counted \
    "$tap; echo 'not ok - a::three unexpected signal after a.c:1' >>\"\$tap\"; exit 1" \
    'FAIL: program (1 passed, 1 failed, 1 skipped)'
check "a Criterion report that stops early is a failure" counted \
    "$tap" \
    'FAIL: program (1 passed, 1 failed, 1 skipped)'

outcome 'echo "3 passed, 2 failed, 0 skipped"; exit 1' >/dev/null
cp program.log failing.log && cp program.trs failing.trs
outcome 'echo "4 passed, 0 failed, 0 skipped"' >/dev/null
check "the sum of a passing program passes" summed '4 passed, 0 failed, 0 skipped' 0 program.log
check "the sum adds programs up and fails with them" \
    summed '7 passed, 2 failed, 0 skipped' 1 program.log failing.log
check "a program that left no result is a failure in the sum" \
    summed '4 passed, 1 failed, 0 skipped' 1 program.log absent.log
check "a sum of nothing fails" summed '0 passed, 0 failed, 0 skipped' 1

# check_h STATEMENTS: the closing line and status of a program written with check.h.
check_h() {
    printf '#include "tests/support/check.h"\nint main(void) { %s return check_summary(); }\n' \
        "$1" >plain.c
    # CC and the flags are lists of words.
    # shellcheck disable=SC2086
    $CC -I"$abs_top_srcdir" -Wall -Wextra -Werror ${SANITIZE_CFLAGS-} plain.c -o plain || return
    got=$(./plain)
    status=$?
    got="$(printf '%s\n' "$got" | tail -n 1), status $status"
    [ "$got" = "$2" ] || { echo "expected: $2"; echo "got:      $got"; false; }
}
check "check.h: a case with a true check passes" check_h \
    'CHECK_CASE("a"); CHECK(1); CHECK_CASE("b"); CHECK(1); CHECK(1);' \
    '2 passed, 0 failed, 0 skipped, status 0'
check "check.h: one false check fails its case only" check_h \
    'CHECK_CASE("a"); CHECK(0); CHECK(1); CHECK_CASE("b"); CHECK(1);' \
    '1 passed, 1 failed, 0 skipped, status 1'
check "check.h: a case that checks nothing fails" check_h \
    'CHECK_CASE("a"); CHECK_CASE("b"); CHECK(1);' \
    '1 passed, 1 failed, 0 skipped, status 1'
check "check.h: a skipped case is a skip" check_h \
    'CHECK_CASE("a"); CHECK_SKIP("no moon"); CHECK_CASE("b"); CHECK(1);' \
    '1 passed, 0 failed, 1 skipped, status 0'
check "check.h: a program without cases fails" check_h \
    '' '0 passed, 0 failed, 0 skipped, status 1'

# The log of a script is named without its .sh: beside a program of that name it would never run.
listed() {
    cat "$abs_top_srcdir"/tests/*.mk "$abs_top_srcdir"/tests/*/*.mk |
        awk -v list="$1" '$0 ~ "^[ \t]*(" list ")_TESTS *[+]?=" { on = 1 } on { print } !/\\$/ { on = 0 }' |
        tr ' \t\\' '\n\n\n' | grep '^tests/' | sort -u
}
logs_are_apart() {
    listed 'SCRIPT' | sed -n 's/\.sh$//p' >scripts
    listed 'PLAIN|UNIT' >programs
    [ -s scripts ] && [ -s programs ] && ! comm -12 scripts programs | grep .
}
check "no program and script of the lists have one log" logs_are_apart

check_summary
