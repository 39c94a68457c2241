#!/bin/sh
# Signals with requests running: nothing is lost, the process and its socket stay where they should.

. "$abs_top_srcdir/tests/fpm/support.sh"

requests=2000

load_runs() {
    "$load" -c 8 "$@" -n $requests --expect pong "$work/main.sock" /ping >"$work/load.out" 2>&1
}
start_load() {
    { load_runs "$@"; echo $? >"$work/load.status"; } &
}
load_was_clean() {
    eventually test -s "$work/load.status" || return 1
    load_status=$(cat "$work/load.status")
    rm "$work/load.status"
    [ "$load_status" -eq 0 ] || { cat "$work/load.out"; return 1; }
}
lines_are() {
    [ "$(grep -c "$1" "$work/main.log")" -eq "$2" ] || { cat "$work/main.log"; return 1; }
}
reload_count=0
reload() {
    signal main USR2
    reload_count=$((reload_count + 1))
    eventually lines_are 'ready to handle connections' $((reload_count + 1))
}

pool main "access.log = $work/access.log"
start_fpm main
pid=$(pid_of main)

start_load
for _ in 1 2 3 4; do reload; done
check "reloads under load lose no request and refuse none" load_was_clean
start_load -k
for _ in 1 2 3 4; do reload; done
check "kept connections live through reloads" load_was_clean
check "a reload keeps the process" kill -0 "$pid"
check "a reload says which sockets stay open" lines_are 'using inherited socket fd=' 8

echo 'bogus = 1' >>"$work/main.conf"
signal main USR2
check "a reload of a wrong configuration is refused" \
    eventually lines_are 'the old one stays in force' 1
check "the log names file, line and entry" lines_are 'main.conf:.*unknown entry .bogus' 1
check "the server goes on with the old configuration" load_runs
sed -i '/bogus/d' "$work/main.conf"

reopened() { test -s "$work/access.log" && lines_are 'access log file re-opened' 1; }
start_load
mv "$work/access.log" "$work/access.1"
mv "$work/main.log" "$work/main.1"
signal main USR1
check "USR1 opens both logs again" eventually reopened
check "USR1 disturbs no request" load_was_clean
all_lines() { [ "$(cat "$work/access.1" "$work/access.log" | grep -c 'GET /ping')" -eq \
    $((4 * requests)) ]; }
check "no line of the access log is lost" eventually all_lines

"$load" -c 8 -k -d 1 --expect pong "$work/main.sock" /ping >/dev/null 2>&1 &
signal main QUIT
check "QUIT ends the server" ended main
check "QUIT says so" lines_are 'Finishing ...' 1
check "the last line is a good-bye" lines_are 'exiting, bye-bye!' 1
check "the socket is gone" test ! -e "$work/main.sock"

pool stop
start_fpm stop
"$load" -c 8 -k -d 1 --expect pong "$work/stop.sock" /ping >/dev/null 2>&1 &
signal stop TERM
check "TERM ends the server under load" ended stop

check_summary
