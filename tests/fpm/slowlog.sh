#!/bin/sh
# The slow log: once for each request that takes long, while it goes on.

. "$abs_top_srcdir/tests/fpm/support.sh"

if ! "$fpm" -m | grep -qx lua; then
    check_skip "a slow request is written down" "this build has no Lua"
    check_summary
    exit
fi

mkdir "$work/root"
cat >"$work/root/slow.lua" <<'LUA'
local until_then = os.clock() + 0.15
while os.clock() < until_then do end
response.write("done")
LUA
pool main "slowlog = $work/slow" 'request_slowlog_timeout = 50ms' \
    "security.document_root = $work/root"
start_fpm main
check "a request that takes long is answered all the same" \
    "$load" -n 2 --expect done -s "$work/root/slow.lua" "$work/main.sock" '/slow.lua?a=b'
check "a fast one, too" "$load" -n 20 --expect pong "$work/main.sock" /ping
entries() { [ "$(grep -c "$1" "$work/slow")" -eq "$2" ] || { cat "$work/slow"; return 1; }; }
check "each slow one is written down once" entries '\[pool www\] pid' 2
check "with its script" entries "script_filename = $work/root/slow.lua" 2
check "with its request" entries 'request = GET /slow.lua?a=b' 2
check "with its heap" entries 'bytes in blocks' 2
warned() { [ "$(grep -c 'executing too slow' "$work/main.log")" -eq 2 ]; }
check "the log warns of each" warned
signal main QUIT
check "the server ends" ended main

check_summary
