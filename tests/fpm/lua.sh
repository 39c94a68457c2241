#!/bin/sh
# lua: Lua pages behind nginx: limits, timeouts, errors, persistent scripts, traces.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

sentence="Lua pages behind nginx"
if ! needs nginx "$sentence" || ! needs curl "$sentence"; then
    check_summary
    exit
fi
if "$abs_top_builddir/tsrmalloc-cli" -r '' 2>&1 | grep -q 'no Lua'; then
    check_skip "$sentence" "this build has no Lua"
    check_summary
    exit
fi

mkdir "$work/root"
script() { cat >"$work/root/$1"; }
script hello.lua <<'END'
print("hello")
END
script table.lua <<'END'
response.header("Content-Type", "application/json")
local rows = {}
for i = 1, 50 do rows[i] = { id = i, name = "row " .. i } end
print(json.encode(rows))
END
script hungry.lua <<'END'
local t = {}
while true do t[#t + 1] = ("x"):rep(1000) .. #t end
END
script loop.lua <<'END'
while true do pcall(function() while true do end end) end
END
script slow_answer.lua <<'END'
print("begun")
response.flush()
while true do end
END
script error.lua <<'END'
print("before")
error("it broke")
END
script late_error.lua <<'END'
response.write(("x"):rep(100000))
error("too late")
END
script app.lua <<'END'
local turns = 0
return function()
    turns = turns + 1
    print("turn " .. turns)
    if request.get.hungry then
        local t = {}
        while true do t[#t + 1] = ("x"):rep(1000) .. #t end
    end
end
END
cp "$abs_top_srcdir/tests/data/small.zmt" "$work/root"
chmod -R u+w,a+rX "$work/root"

script slow.lua <<'END'
local function count(n)
    local x = 0
    for i = 1, n do x = x + i end
    return x
end
for turn = 1, 1000000 do count(1000) end
END
pool www 'request_terminate_timeout = 3s' 'request_slowlog_timeout = 1s' "slowlog = $work/slow.log" \
    'php_admin_value[memory_limit] = 16M'
# One worker, so that each request meets the same interpreter.
pool app "php_admin_value[persistent_script] = $work/root/app.lua" \
    'php_admin_value[memory_limit] = 8M'
sed -i 's/^pm.max_children.*/pm.max_children = 1/' "$work/app.conf"
cat >"$work/web.nginx" <<CONF
upstream www { server unix:$work/www.sock; keepalive 4; }
server {
    listen unix:$work/web.http;
    fastcgi_keep_conn on;
    client_max_body_size 0;
    location /app { fastcgi_pass unix:$work/app.sock; }
    location / { fastcgi_pass www; }
}
CONF
start_fpm www && start_fpm app && start_nginx web || exit 1

status_is() {
    found=$(get web "$1" -o "$work/page" -w '%{http_code}')
    [ "$found" = "$2" ] || { echo "$1: $found"; cat "$work/page" "$work/www.log"; return 1; }
}
body_is() { [ "$(get web "$1")" = "$2" ] || { get web "$1" -i; return 1; }; }
logged() { grep -q "$1" "$work/www.log" || { cat "$work/www.log"; return 1; }; }
is_cut() { ! get web "$1" -o "$work/page" 2>/dev/null; }

check "a page" body_is /hello.lua hello
check "a page as JSON" status_is /table.lua 200
check "its type is the script's" [ "$(get web /table.lua -o /dev/null -w '%{content_type}')" = \
    application/json ]
check "the memory limit is a 500" status_is /hungry.lua 500
check "in PHP's words in the log" logged \
    'Allowed memory size of 16777216 bytes exhausted (tried to allocate '
check "and on nginx's, where STDERR goes" grep -q 'Allowed memory size' "$work/web.nginx.log"
check "the worker goes on" body_is /hello.lua hello
check "a loop that catches everything is ended by request_terminate_timeout: 504" \
    status_is /loop.lua 504
check "the worker goes on behind that, too" body_is /hello.lua hello
check "a slow page" status_is /slow.lua 504
# It is met inside count(), or once in a while between two calls.
slow_frames() {
    grep -q '^\[main chunk\]() .*/slow.lua:6$' "$work/slow.log" && grep -A 1 ' is at$' "$work/slow.log" |
        grep -q '^count() .*/slow.lua:[2-5]$\|^\[main chunk\]() .*/slow.lua:6$'
}
check "is in the slow log with its script's frames" slow_frames
check "an answer that had begun is cut" is_cut /slow_answer.lua
check "an error is a 500" status_is /error.lua 500
check "whose body has nothing of it" [ ! -s "$work/page" ]
check "but the log has" logged 'error.lua:1\|error.lua:2: it broke'
check "an error behind sent bytes cuts the answer" is_cut /late_error.lua
check "a script that is not there: 404" status_is /none.lua 404
check "another extension: 403" status_is /none.php 403
check "a trace is a page" get web /small.zmt -o "$work/page"
check "with its figures" grep -q 'operations:  22' "$work/page"

check "a persistent script: the first request" body_is /app.lua "turn 1"
check "the second one meets the same interpreter" body_is /app.lua "turn 2"
check "at its limit it fails" [ "$(get web '/app.lua?hungry=1' -o /dev/null -w '%{http_code}')" = 500 ]
check "and is loaded anew" body_is /app.lua "turn 1"

signal www QUIT
signal app QUIT
check "the server ends" ended www
check "so does the one with the persistent script" ended app
check_summary
