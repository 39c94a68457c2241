#!/bin/sh
# Limits of the server as a whole: how long requests wait, what all heaps may hold.

. "$abs_top_srcdir/tests/fpm/support.sh"

if ! "$fpm" -m | grep -qx lua; then
    check_skip "limits of the server hold" "this build has no Lua"
    check_summary
    exit
fi

mkdir "$work/root"
cat >"$work/root/busy.lua" <<'LUA'
local until_then = os.clock() + 0.2
while os.clock() < until_then do end
response.write("done")
LUA
cat >"$work/root/fill.lua" <<'LUA'
local kept = {}
for index = 1, 64 do kept[index] = string.rep("x", 1024 * 1024) end
response.write("done")
LUA
server_values="security.document_root = $work/root"

pool memory "$server_values"
sed -i 's/^daemonize = no/&\nmemory_max = 32M/' "$work/memory.conf"
start_fpm memory
check "a request beyond memory_max fails" "$load" -n 3 --status 500 --may-differ \
    -s "$work/root/fill.lua" "$work/memory.sock" /fill.lua
reason() { grep -q 'memory' "$work/memory.log" || { cat "$work/memory.log"; return 1; }; }
check "the log says why" reason
check "the next one is answered" "$load" -n 10 --expect pong "$work/memory.sock" /ping
signal memory QUIT
check "the server ends" ended memory

port=$((20000 + ($$ + 7919) % 20000))
pool queue "listen = 127.0.0.1:$port" 'pm.max_children = 1' 'request_queue_timeout = 50ms' \
    "$server_values"
if start_fpm queue >"$work/out" 2>&1; then
    "$load" -c 4 -n 4 --may-differ --json -s "$work/root/busy.lua" "127.0.0.1:$port" /busy.lua \
        >"$work/queue.json" 2>&1
    refused() { grep -q '"status": *[1-3]' "$work/queue.json" ||
        { cat "$work/queue.json"; return 1; }; }
    check "who waited longer than request_queue_timeout is refused, who did not is served" refused
    signal queue QUIT
    check "that server ends" ended queue
else
    check_skip "request_queue_timeout" "port $port is taken"
fi

check_summary
