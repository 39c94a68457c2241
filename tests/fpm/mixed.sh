#!/bin/sh
# mixed: 5,000 requests (mixed_long.sh: 100,000) while the pool grows and shrinks, workers are
# replaced, the configuration is read again and the status is asked for all the time. No request
# fails, and memory stays flat. MIXED_SECONDS repeats the load for so long. MIXED_FIGURES names a
# file for what was seen, of bench/fpm_compare.sh.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

requests=${MIXED_REQUESTS:-5000}
cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www 'pm = dynamic' 'pm.max_children = 16' 'pm.start_servers = 4' 'pm.min_spare_servers = 2' \
    'pm.max_spare_servers = 6' 'pm.max_requests = 200'
start_fpm www || exit 1
server=$(pid_of www)

started() {
    SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET QUERY_STRING=full \
        cgi-fcgi -bind -connect "$work/www.sock" | sed -n 's/^worker starts: *\([0-9]*\).*/\1/p'
}
memory() { awk '/^VmRSS:/ { print $2 }' "/proc/$server/status"; }

# In the background: reloads, and the status in every format, until the load is over.
disturb() {
    turn=0
    while [ ! -e "$work/over" ]; do
        turn=$((turn + 1))
        kill -USR2 "$server"
        for format in '' json xml html openmetrics 'json&full' 'html&full' 'openmetrics&full'; do
            "$load" -n 5 --may-differ "$work/www.sock" "/status?$format" >>"$work/disturbed" ||
                touch "$work/status_failed"
        done
        sleep 0.5
    done
    echo "$turn" >"$work/turns"
}

# Kept and new connections, small and large pages, bodies: a part of the requests each.
part=$((requests / 5))
load_once() {
    echo=$work/root/echo.lua
    "$load" -n "$part" -c 8 -k --expect pong "$work/www.sock" /ping >"$work/load1" &
    one=$!
    "$load" -n "$part" -c 8 -s "$echo" "$work/www.sock" '/echo.lua?a=1' >"$work/load2" &
    two=$!
    "$load" -n "$part" -c 4 -k -s "$work/root/large.lua" "$work/www.sock" '/large.lua?size=20000' \
        >"$work/load3" &
    three=$!
    "$load" -n "$part" -c 4 -k -b 3000 -s "$echo" "$work/www.sock" '/echo.lua' >"$work/load4" &
    four=$!
    "$load" -n "$part" -c 4 --status 404 -s "$work/root/none.lua" "$work/www.sock" /none.lua \
        >"$work/load5" &
    five=$!
    good=0
    for process in $one $two $three $four $five; do
        wait "$process" || good=1
    done
    return $good
}
all_good() { [ "$loaded" -eq 0 ] || { tail -n 3 "$work"/load?; return 1; }; }
# A tenth of the load has brought every structure to its size; the rest adds nothing but noise.
memory_is_flat() {
    echo "from $1 KiB to $2 KiB"
    [ "$2" -le $(($1 + $1 / 4 + 512)) ]
}
were_reloads() { [ "$(cat "$work/turns")" -ge 1 ] && [ ! -e "$work/status_failed" ]; }
is_whole() { "$load" -n 100 -c 4 --expect pong "$work/www.sock" /ping; }

disturb &
disturber=$!
whole=$part
part=$((whole / 10))
load_once
loaded=$?
before=$(memory)
part=$((whole - part))
load_once || loaded=1
# Again, for those who have the time.
until_then=$(($(date +%s) + ${MIXED_SECONDS:-0}))
while [ "$(date +%s)" -lt "$until_then" ] && [ "$loaded" -eq 0 ]; do
    load_once || loaded=1
    requests=$((requests + 5 * part))
done
touch "$work/over"
wait "$disturber"
check "$requests requests of five kinds, none of them wrong" all_good
check "$(cat "$work/turns") reloads, and the status answered in between" were_reloads
if [ "$TSRMALLOC_SANITIZE" = no ]; then
    check "resident memory is flat" memory_is_flat "$before" "$(memory)"
else
    check_skip "resident memory is flat" "the sanitizer's own memory grows with the work"
fi
check "the server answers on" is_whole
after=$(memory)
errors=$(awk '/^errors:/ { for (at = 3; at <= NF; at += 2) sum += $at } END { print sum + 0 }' \
    "$work"/load? "$work/disturbed")
[ -z "${MIXED_FIGURES-}" ] || printf '%s %s\n' requests "$requests" errors "$errors" \
    reloads "$(cat "$work/turns")" starts "$(started)" before "$before" after "$after" \
    >"$MIXED_FIGURES"
signal www QUIT
check "the server ends" ended www
check_summary
