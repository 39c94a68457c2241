#!/bin/sh
# apart: what one pool, one worker or one request does is not felt by others: a pool that hangs, a
# thread that cannot be ended, a heap that grows; and who asks for health needs none of them.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

if ! "$fpm" -m | grep -qx lua; then
    check_skip "pools and workers do not disturb each other" "this build has no Lua"
    check_summary
    exit
fi
mkdir "$work/root"
# Pattern matching that takes exponentially long, inside the C library of Lua: nothing interrupts
# it.
cat >"$work/root/stuck.lua" <<'LUA'
local n = 32
return (("a"):rep(n)):find(("a?"):rep(n) .. ("a"):rep(n) .. "b")
LUA
echo 'while true do end' >"$work/root/hang.lua"
cat >"$work/root/app.lua" <<'LUA'
local kept = {}
return function()
    kept[#kept + 1] = ("x"):rep(3 * 1024 * 1024) .. #kept
    print(#kept)
end
LUA
chmod -R u+w,a+rX "$work/root"

# ---- a pool that hangs ----

pool slow 'pm.max_children = 1' "security.document_root = $work/root" '[fast]' \
    "listen = $work/fast.sock" 'pm = static' 'pm.max_children = 1' 'ping.path = /ping' \
    "pm.status_path = /status" "pm.status_listen = $work/status.sock"
sed -i "s|^ping.path = /ping|&|; s|^daemonize = no|&\ncontrol.listen = $work/ctl|" "$work/slow.conf"
start_fpm slow || exit 1
ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
is_running() { ctl threads | grep -q '^www 0:.*running'; }
"$load" -n 2 -c 2 --may-differ -s "$work/root/hang.lua" "$work/slow.sock" /hang.lua \
    >"$work/hanging" 2>&1 &
hanging=$!
check "one pool's only worker hangs, and a request waits for it" eventually is_running
check "the other pool answers as ever" "$load" -c 4 -n 500 --expect pong "$work/fast.sock" /ping
health() { "$load" -n 1 --status "$2" --expect "$3" "$work/status.sock" "$1"; }
ready() { health /readyz 200 'ready
'; }
check "its status listener says that it lives" health /healthz 200 'alive
'
check "and that it is ready" ready
signal slow TERM
check "TERM interrupts the hanging requests, and the server ends" ended slow
wait "$hanging"

# ---- not ready ----

pool busy 'pm.max_children = 1' "pm.status_listen = $work/status.sock" \
    "security.document_root = $work/root"
start_fpm busy
check "a pool that is idle is ready" ready
"$load" -n 1 --may-differ -s "$work/root/hang.lua" "$work/busy.sock" /hang.lua \
    >"$work/hanging" 2>&1 &
check "one whose workers are all busy is not: 503" eventually health /readyz 503 'busy
'
check "but lives" health /healthz 200 'alive
'
signal busy TERM
check "it ends" ended busy

# ---- a heap that grows ----

pool grows 'pm.max_children = 1' 'pm.max_memory = 16M' \
    "php_admin_value[persistent_script] = $work/root/app.lua"
start_fpm grows
check "a persistent script that keeps 3 MiB a request is answered" "$load" -n 40 --may-differ \
    -s "$work/root/app.lua" "$work/grows.sock" /app.lua
begun_anew() {
    [ "$(grep -c 'pm.max_memory is 16777216: it is started anew' "$work/grows.log")" -ge 5 ] ||
        { cat "$work/grows.log"; return 1; }
}
check "its worker is started anew each time it holds more than pm.max_memory" begun_anew
small() { [ "$(awk '/^VmRSS:/ { print $2 }' "/proc/$(pid_of grows)/status")" -le 65536 ]; }
if [ "$TSRMALLOC_SANITIZE" = no ]; then
    check "so memory does not grow" small
else
    check_skip "so memory does not grow" "a sanitizer has memory of its own"
fi
signal grows QUIT
check "that server ends" ended grows

# ---- a thread that cannot be ended ----

pool stuck "security.document_root = $work/root"
start_fpm stuck
"$load" -n 1 --may-differ -s "$work/root/stuck.lua" "$work/stuck.sock" /stuck.lua \
    >"$work/hanging" 2>&1 &
in_it() {
    SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET QUERY_STRING=full \
        cgi-fcgi -bind -connect "$work/stuck.sock" | grep -q 'stuck.lua'
}
if needs cgi-fcgi "a worker is stuck where nothing interrupts it"; then
    check "a worker is stuck where nothing interrupts it" eventually in_it
    check "the others answer" "$load" -c 4 -n 200 --expect pong "$work/stuck.sock" /ping
    signal stuck TERM
    check "TERM ends the process all the same, with status 70" ended stuck 70
    said() { grep -q '1 workers are stuck and cannot be ended' "$work/stuck.log"; }
    check "and says how many were stuck" said
fi
check_summary
