#!/bin/sh
# wake_order: pm.wake_order decides which idle worker takes the next connection, and with that how
# many heaps are warm. One client asks for pages that need 8 MB; what the server then has in memory
# is printed, and how long the pages took.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

if ! "$fpm" -m | grep -qx lua; then
    check_skip "idle workers are woken in order" "this build has no Lua"
    check_summary
    exit
fi
mkdir "$work/root"
cat >"$work/root/large.lua" <<'LUA'
local rows = {}
for row = 1, 2000 do rows[row] = ("x"):rep(4000) .. row end
print(#rows)
LUA
chmod -R a+rX "$work/root"

ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
# Requests of each worker, those of the busiest first.
counts() { ctl threads | sed -n 's/^www .*, \([0-9]*\) requests$/\1/p' | sort -rn; }
# A worker says that it is idle before it waits: then it still runs.
is_asleep() { ! grep -qs '^State:[[:space:]]*[RD]' "/proc/$(pid_of www)/task/"*/status; }
all_idle() { [ "$(ctl threads | grep -c ': thread .*, idle,')" -eq 7 ] && is_asleep; }
# One at a time, each when the worker before has come back.
ask_slowly() {
    for _ in $(seq 48); do
        eventually all_idle && "$load" -n 1 --expect pong "$work/www.sock" /ping || return 1
    done
    eventually all_idle
}
# A turn may pass without a request: with a connection whose request has not come, which the next worker
# then serves. (Of an even number of workers every other one might have none.)
few_serve() { counts; [ "$(counts | sed -n 4p)" -eq 0 ]; }
all_serve() { counts; [ "$(counts | tail -n 1)" -ge 1 ]; }
pages() {
    "$load" -n 100 --may-differ -s "$work/root/large.lua" "$work/www.sock" /large.lua >"$work/pages"
}
is_ready_again() { [ "$(grep -c 'ready to handle' "$work/www.log")" -eq 2 ]; }
figures() {
    echo "$1: $(counts | tr '\n' ' ')requests of each worker," \
        "$(awk '/^VmRSS:/ { print $2 }' "/proc/$(pid_of www)/status") KiB resident;" \
        "$(sed -n 's/^latency (us): \(.*\), p999.*/\1/p' "$work/pages") us"
}

# All but the first workers become idle for long meanwhile, and stay behind them.
for order in lifo fifo; do
    rm -f "$work/www.log"
    pool www "pm.wake_order = $order" "pm.process_idle_timeout = 1s" "security.document_root = $work/root"
    sed -i "s|^pm.max_children.*|pm.max_children = 7|
        s|^daemonize = no|&\ncontrol.listen = $work/ctl|" "$work/www.conf"
    start_fpm www || exit 1
    check "$order: 48 pings, one at a time" ask_slowly
    if [ $order = lifo ]; then
        check "lifo: the worker that became idle last has them" few_serve
    else
        check "fifo: each worker has its part" all_serve
    fi
    check "$order: 100 pages of one client" pages
    figures $order
    check "$order: 3000 pings of 16 clients" "$load" -c 16 -n 3000 --expect pong "$work/www.sock" \
        /ping
    check "$order: 3000 pings on kept connections" "$load" -c 16 -k -n 3000 --expect pong \
        "$work/www.sock" /ping
    signal www USR2
    check "$order: the configuration is read again" eventually is_ready_again
    check "$order: workers leave, and new ones come" ctl restart www
    check "$order: the others go on" "$load" -c 16 -n 1000 --expect pong "$work/www.sock" /ping
    signal www QUIT
    check "$order: the server ends" ended www
done
sed -i 's/^pm.wake_order.*/pm.wake_order = random/' "$work/www.conf"
refused() {
    "$fpm" -t -y "$work/www.conf" >"$work/refused" 2>&1
    refused_status=$?
    cat "$work/refused"
    [ $refused_status -eq 78 ] && grep -q 'lifo or fifo' "$work/refused"
}
check "another order is refused" refused
check_summary
