#!/bin/sh
# progress: a bar on a terminal for runs over a second, and nothing of it anywhere else.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

trace=$traces/dokuwiki-opcache.zmt.gz

# One run on a terminal: its table in $work/table, what the terminal saw in $work/screen.
run_on_terminal() {
    script -qec "'$cli' -n $1 '$2' >'$work/table'" "$work/screen" >/dev/null </dev/null
}

# Whether the run whose table this is took longer than the bar's first second, with some to spare.
long_enough() {
    awk '/ million operations a second$/ { found = $3 > 1.5 } END { exit !found }' "$1"
}

if ! command -v script >/dev/null; then
    check_skip "a bar is drawn on a terminal" "there is no script command"
    check_summary
    exit
fi

# The machine's speed is not known and not steady: what counts is what that very run took.
repeat=50
while run_on_terminal "$repeat" "$trace"; ! long_enough "$work/table" && [ "$repeat" -lt 10000000 ]
do
    repeat=$((repeat * 2))
done
check "a run of more than a second can be had" long_enough "$work/table"
check "a bar is drawn on a terminal" grep -q '\[[#.]*\] *[0-9]* %' "$work/screen"
check "it is not in the table" sh -c "! grep -q '%' '$work/table'"

run_on_terminal 1 "$data/small.zmt"
check "a short run draws none" sh -c "! grep -q '%' '$work/screen'"

run -n $((repeat * 2)) "$trace"
check "without a terminal nothing is drawn" nothing_on err

check_summary
