#!/bin/sh
# progress: a bar on a terminal for runs over a second, and nothing of it anywhere else.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# Runs until one takes longer than the bar's first second; sets $repeat.
long_enough() {
    repeat=50
    while [ "$repeat" -le 1000000 ]; do
        run -n "$repeat" "$traces/dokuwiki-opcache.zmt.gz"
        awk '/ million operations a second$/ { exit !($3 > 1.5) }' "$work/out" && return 0
        repeat=$((repeat * 2))
    done
    return 1
}

# Not inside `check`, whose subshell would keep $repeat.
if long_enough; then found=true; else found=false; fi
check "a run of more than a second can be had" $found
check "without a terminal nothing is drawn" nothing_on err

if command -v script >/dev/null; then
    script -qec "'$cli' -n $repeat '$traces/dokuwiki-opcache.zmt.gz' >'$work/table'" \
        "$work/screen" >/dev/null </dev/null
    check "a bar is drawn on a terminal" grep -q '\[[#.]*\] *[0-9]* %' "$work/screen"
    check "it is not in the table" sh -c "! grep -q '%' '$work/table'"
    script -qec "'$cli' '$data/small.zmt' >/dev/null" "$work/screen" >/dev/null </dev/null
    check "a short run draws none" sh -c "! grep -q '%' '$work/screen'"
else
    check_skip "a bar is drawn on a terminal" "there is no script command"
fi

check_summary
