#!/bin/sh
# What a reload changes: pools that come and go, their sizes, their logs.

. "$abs_top_srcdir/tests/fpm/support.sh"

ask() { "$load" -n 1 --expect "${2:-pong}" --timeout 5 "$work/$1.sock" /ping; }
fails() { ! "$@"; }
ready_count=1
reload() {
    ready_count=$((ready_count + 1))
    signal main USR2
    is_reloaded() { [ "$(grep -c 'ready to handle connections' "$work/main.log")" -eq \
        $ready_count ]; }
    eventually is_reloaded || cat "$work/main.log"
}
threads() { ls "/proc/$(pid_of main)/task" | wc -l; }
threads_are() { [ "$(threads)" -eq "$1" ] || { threads; return 1; }; }
second() {
    printf '%s\n' '[second]' "listen = $work/second.sock" 'pm = static' 'pm.max_children = 3' \
        'ping.path = /ping' 'ping.response = second'
}

pool main
cp "$work/main.conf" "$work/one"
start_fpm main
check "a thread for each worker, and the control thread" eventually threads_are 5

second >>"$work/main.conf"
reload
check "a pool that is new serves" ask second second
check "beside the one that was there" ask main
check "and has its workers" eventually threads_are 8

"$load" -c 4 -k -d 2 --expect second "$work/second.sock" /ping >"$work/load.out" 2>&1 &
sed 's/^pm.max_children = 4/pm.max_children = 2/; s/^ping.path.*/&\nping.response = changed/' \
    "$work/one" >"$work/main.conf"
reload
check "a pool that is gone is served no more" eventually fails ask second second
check "its socket is gone with it" eventually test ! -e "$work/second.sock"
check "a pool that has changed says so" ask main changed
check "and has as many workers as it should" eventually threads_are 3

descriptors() { ls "/proc/$(pid_of main)/fd" | wc -l; }
before=$(descriptors)
for _ in 1 2 3 4 5; do reload; done
no_more() { [ "$(descriptors)" -le "$before" ] || { descriptors; return 1; }; }
check "reloads leave no descriptor behind" eventually no_more
check "nor a thread" eventually threads_are 3
signal main QUIT
check "the server ends" ended main

check_summary
