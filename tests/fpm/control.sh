#!/bin/sh
# tsrmalloc-fpmctl and the control socket.

. "$abs_top_srcdir/tests/fpm/support.sh"

ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
says() { says_pattern=$1; shift; ctl "$@" >"$work/out" 2>&1; grep -q "$says_pattern" "$work/out" ||
    { cat "$work/out"; return 1; }; }
exits() { exits_status=$1; shift; "$@" >"$work/out" 2>&1; [ $? -eq "$exits_status" ] ||
    { cat "$work/out"; return 1; }; }

pool main
sed -i "s|^daemonize = no|&\ncontrol.listen = $work/ctl|" "$work/main.conf"
start_fpm main
check "status names the pool and its workers" says 'total processes: *4' status
check "status is given in each format" says '"pool":"www"' status json
check "each thread's heap is listed" says 'heap .*: thread [1-9]' heaps
check "threads has a line for each worker" says 'www 3: thread [1-9].*idle' threads
map_is_json() {
    ctl heap www 2 >"$work/map" && grep -q '^{"' "$work/map" && grep -q '}$' "$work/map" && { ! command -v jq >/dev/null || jq -e '.segments | length >= 1' "$work/map"; } ||
        { cat "$work/map"; return 1; }
}
check "an idle worker writes the map of its heap" map_is_json
check "a worker that is not there is refused, with those that are" \
    says "'4' is no worker of pool www: a number from 0 to 3 was expected" heap www 4
check "so is a pool" says "there is no pool 'none'" drain none 1
check "a word too few is refused, with what was expected" \
    says "'heap POOL WORKER' was expected" heap
threads() { ctl threads | grep -c idle; }
threads_are() { [ "$(threads)" -eq "$1" ] || { ctl threads; return 1; }; }
ids() { ctl threads | sed 's/.*thread \([0-9]*\),.*/\1/' | sort; }
no_id_is_old() { ids | comm -12 - "$work/ids" | grep -q . && return 1; threads_are 4; }
"$load" -c 4 -k -d 3 --expect pong "$work/main.sock" /ping >"$work/load" 2>&1 &
loading=$!
ids >"$work/ids"
check "restart replaces all workers" says 'one worker after the other' restart www
replaced() { grep -q 'all workers were replaced' "$work/main.log"; }
check "one after the other" eventually replaced
check "four workers less fit: two" says ok set www pm.max_children 2
wait "$loading"
undisturbed() {
    grep -q 'errors: connect 0 closed 0' "$work/load" || { cat "$work/load"; return 1; }
}
check "no request is lost meanwhile" undisturbed
check "two are left" eventually threads_are 2
check "no more than are configured can be set" \
    says 'pm.max_children = 5: a number from 1 to 4 was expected' set www pm.max_children 5
check "four come back" says ok set www pm.max_children 4
check "and are there" eventually threads_are 4
check "none of them is one of the first" no_id_is_old
ids >"$work/ids"
check "a worker is drained" says 'worker 1 leaves' drain www 1
check "what cannot be set is refused" says "'user' cannot be set" set www user nobody
check "a size that is none is refused" says 'memory_limit = much: a number of bytes' \
    set www memory_limit much
if "$fpm" -m | grep -qx lua; then
    mkdir "$work/root"
    echo 'local kept = string.rep("x", 16 * 1024 * 1024) response.write(#kept)' \
        >"$work/root/large.lua"
    echo 'local until_then = os.clock() + 3 while os.clock() < until_then do end' \
        >"$work/root/busy.lua"
    large() { "$load" -n 1 "$@" -s "$work/root/large.lua" --param DOCUMENT_ROOT="$work/root" \
        "$work/main.sock" /large.lua; }
    check "a request of 16 MiB is within the limit" large
    check "memory_limit is set" says ok set www memory_limit 8M
    check "then it is not" large --status 500
    "$load" -n 1 -s "$work/root/busy.lua" --param DOCUMENT_ROOT="$work/root" "$work/main.sock" \
        /busy.lua >"$work/busy" 2>&1 &
    busy=$!
    is_running() { ctl threads | grep running >"$work/running"; }
    check "a script runs" eventually is_running
    running=$(sed 's/^www \([0-9]*\):.*/\1/' "$work/running")
    in_request() { ctl heap www "$running" >"$work/map" && ctl threads | grep -q running &&
        grep -q '^{"' "$work/map"; }
    check "a worker writes the map of its heap in the middle of a request" in_request
    wait "$busy"
else
    check_skip "memory_limit is set" "this build has no Lua"
fi
check "reload is the signal USR2" says ok reload
reloaded() { [ "$(grep -c 'ready to handle' "$work/main.log")" -eq 2 ]; }
check "and has reloaded" reloaded
check "reopen is the signal USR1" says ok reopen
check "an unknown command is refused, with those that there are" exits 1 ctl dance
check "without a command there is the usage" exits 64 "$abs_top_builddir/tsrmalloc-fpmctl" x
check "without a server that is said" exits 69 \
    "$abs_top_builddir/tsrmalloc-fpmctl" "$work/none" status
rights() { [ "$(stat -c %a "$work/ctl")" = 600 ]; }
check "only the server's user may use the socket" rights
signal main QUIT
check "the server ends" ended main
check "its control socket is gone" test ! -e "$work/ctl"

check_summary
