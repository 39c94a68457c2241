#!/bin/sh
# load: the load generator finds no answer wrong, and what is wrong it finds.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www
start_fpm www || exit 1
ask() { "$load" "$@"; }
finds() {
    wanted=$1
    shift
    if ask "$@" >"$work/found"; then cat "$work/found"; return 1; fi
    grep -q "$wanted" "$work/found" || { cat "$work/found"; return 1; }
}
socket=$work/www.sock
echo=$work/root/echo.lua
check "3000 pings on kept connections, 16 clients" ask -n 3000 -c 16 -k --expect pong \
    "$socket" /ping
check "1000 pings on new connections, 16 clients" ask -n 1000 -c 16 --expect pong \
    "$socket" /ping
check "1000 pages on kept connections" ask -n 1000 -c 8 -k -s "$echo" "$socket" '/echo.lua?a=1'
check "200 bodies of 100,000 bytes" ask -n 200 -c 4 -k -b 100000 -s "$echo" \
    --expect 'method POST
body 100000
' "$socket" /echo.lua
check "pings beside 500 idle connections, none of which is lost" ask -n 1000 -c 8 -k --idle 500 \
    --expect pong "$socket" /ping
check "answers of 404 are looked for" ask -n 100 --status 404 -s "$work/root/none.lua" "$socket" \
    /none.lua
check "another body is an error" finds 'body 5 ' -n 5 --expect pang "$socket" /ping
check "another status is an error" finds 'status 5 ' -n 5 --status 500 "$socket" /ping
check "a pause needs a body" sh -c "$load --pause 5 $work/www.sock /ping; [ \$? -eq 64 ]"
check "a missing server is told" sh -c "$load -n 5 $work/none.sock /ping; [ \$? -eq 71 ]"
signal www QUIT
check "the server ends" ended www
check_summary
