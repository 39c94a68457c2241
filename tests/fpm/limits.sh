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
for index = 1, 64 do kept[index] = string.rep("x", 1000 * 1024) end
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

# queue NAME ADDRESS: one worker, four clients.
queue() {
    "$load" -c 4 -n 4 --may-differ --json -s "$work/root/busy.lua" "$2" /busy.lua \
        >"$work/$1.json" 2>&1
    grep -q '"status": *[1-3]' "$work/$1.json" || { cat "$work/$1.json"; return 1; }
}
pool unix 'pm.max_children = 1' 'request_queue_timeout = 100ms' "$server_values"
start_fpm unix
check "who waited longer than request_queue_timeout is refused, who did not is served" \
    queue unix "$work/unix.sock"
kept() { "$load" -k -c 1 -n 3 --expect done -s "$work/root/busy.lua" "$work/unix.sock" /busy.lua; }
check "who did not wait is served however long it takes" kept
signal unix QUIT
check "that server ends" ended unix

port=$((20000 + ($$ + 7919) % 20000))
pool tcp "listen = 127.0.0.1:$port" 'pm.max_children = 1' 'request_queue_timeout = 50ms' \
    "$server_values"
if start_fpm tcp >"$work/out" 2>&1; then
    check "it is so over TCP" queue tcp "127.0.0.1:$port"
    signal tcp QUIT
    check "and that server ends" ended tcp
else
    check_skip "it is so over TCP" "port $port is taken"
fi

# A storm of requests of 12 MiB each, more than fit: they wait for each other, none fails.
sed 's/64/12/' "$work/root/fill.lua" >"$work/root/storm.lua"
ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
held() { ctl heaps | sed -n 's/^process: \([0-9]*\) bytes held.*/\1/p'; }
pool storm 'pm.max_children = 8' 'pm.memory_budget = 48M' 'pm.process_idle_timeout = 1s' \
    'php_admin_value[memory_limit] = 24M' "$server_values"
sed -i "s|^daemonize = no|&\nmemory_max = 72M\ncontrol.listen = $work/ctl|" "$work/storm.conf"
start_fpm storm
base=$(held)
check "a storm of requests that do not fit together is served, all of it" \
    "$load" -c 16 -n 60 --expect done -s "$work/root/storm.lua" "$work/storm.sock" /storm.lua
most_held() { "$load" -n 1 --may-differ "$work/storm.sock" '/status?full' >"$work/out"; ctl status |
    grep -q '^memory budget used: *0$' || { ctl status; return 1; }; }
check "behind it nothing of the budget is in use" eventually most_held
none_failed() {
    ! grep -q 'bytes exhausted' "$work/storm.log" || { cat "$work/storm.log"; return 1; }
}
check "no request met the limit of the process" none_failed
shrunk() { [ "$(held)" -le $((base + base / 10)) ] || { ctl heaps; return 1; }; }
check "what was held goes back to the system when the pool is idle" eventually shrunk
signal storm QUIT
check "the server of the storm ends" ended storm

# The same without a budget, to see that the storm is one.
sed -i '/memory_budget/d; s/storm\./wild./g' "$work/storm.conf"
cp "$work/storm.conf" "$work/wild.conf"
start_fpm wild
fails() { ! "$load" -c 16 -n 60 --expect done -s "$work/root/storm.lua" "$work/wild.sock" \
    /storm.lua >"$work/out"; }
check "without a budget some fail" fails
signal wild QUIT
check "that server ends, too" ended wild

# One holds the budget; who waits for it longer than request_queue_timeout is refused.
cat >"$work/root/hold.lua" <<'LUA'
local kept = string.rep("x", 48 * 1024 * 1024)
local until_then = os.clock() + 0.5
while os.clock() < until_then do end
response.write("done")
LUA
pool full 'pm.memory_budget = 64M' 'request_queue_timeout = 100ms' "$server_values"
start_fpm full
"$load" -c 2 -n 2 --json --may-differ -s "$work/root/hold.lua" "$work/full.sock" /hold.lua \
    >"$work/full.json"
one_refused() { grep -q '"status": *1' "$work/full.json" || { cat "$work/full.json"; return 1; }; }
check "who waits for memory longer than request_queue_timeout is refused" one_refused
signal full QUIT
check "and that server ends" ended full

check_summary
