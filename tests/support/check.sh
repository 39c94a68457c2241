# check.sh: what a test script counts and prints; to be sourced. The shell's side of check.h.
#
#     . "$abs_top_srcdir/tests/support/check.sh"
#     check "the sentence that must be true" command argument...
#     check_skip "the sentence" "why it cannot run here"
#     check_summary            # prints the closing line; its status is the script's
#
# `check` shows what the command printed only when it fails.

check_passed=0
check_failed=0
check_skipped=0

check() {
    check_sentence=$1
    shift
    if check_output=$("$@" 2>&1); then
        check_passed=$((check_passed + 1))
        echo "ok - $check_sentence"
    else
        check_failed=$((check_failed + 1))
        printf '%s\n' "$check_output"
        echo "not ok - $check_sentence"
    fi
}

check_skip() {
    check_skipped=$((check_skipped + 1))
    echo "skipped - $1: $2"
}

check_summary() {
    echo "$check_passed passed, $check_failed failed, $check_skipped skipped"
    [ "$check_failed" -eq 0 ] && [ $((check_passed + check_skipped)) -gt 0 ]
}
