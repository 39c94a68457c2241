#!/bin/sh
# upload: a body much larger than the memory limit, read piece by piece by Lua behind nginx, takes
# no more of the heap than a small one. UPLOAD_BYTES (100,000,000; upload_long.sh: 1 GiB) is its size.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

bytes=${UPLOAD_BYTES:-100000000}
sentence="$bytes bytes are read under a limit of 16 MiB"
if ! needs nginx "$sentence" || ! needs curl "$sentence"; then
    check_summary
    exit
fi
if ! "$fpm" -m | grep -qx lua; then
    check_skip "$sentence" "this build has no Lua"
    check_summary
    exit
fi

mkdir "$work/root"
cat >"$work/root/upload.lua" <<'LUA'
-- Every byte is looked at: the body is lines of sixteen bytes.
local line = "0123456789abcde\n"
local lines = line:rep(2 * 16384 / #line)
local size, wrong = 0, 0
for piece in request.read do
    local from = size % #line + 1
    if piece ~= lines:sub(from, from + #piece - 1) then wrong = wrong + 1 end
    size = size + #piece
end
print(size .. " bytes, " .. wrong .. " pieces wrong")
LUA
cat >"$work/root/whole.lua" <<'LUA'
print(#request.body())
LUA
chmod -R a+rX "$work/root"
pool www 'php_admin_value[memory_limit] = 16M' 'php_admin_value[post_max_size] = 2G' \
    "access.log = $work/access.log" 'access.format = "%r %s %{peak} %{real}"'
cat >"$work/web.nginx" <<CONF
server {
    listen unix:$work/web.http;
    client_max_body_size 0;
    fastcgi_request_buffering off;
    location / { fastcgi_pass unix:$work/www.sock; }
}
CONF
start_fpm www && start_nginx web || exit 1

# upload SCRIPT BYTES [OPTION...]: nothing of the body lies in a file.
upload() {
    upload_script=$1 upload_bytes=$2
    shift 2
    yes 0123456789abcde | head -c "$upload_bytes" |
        curl -sS --max-time 3000 --unix-socket "$work/web.http" -X POST -T - -H Transfer-Encoding: \
            -H "Content-Length: $upload_bytes" -H Expect: "$@" "http://localhost$upload_script"
}
is_read() {
    found=$(upload /upload.lua "$1")
    [ "$found" = "$1 bytes, 0 pieces wrong" ] || { echo "$found"; cat "$work/www.log"; return 1; }
}
is_too_much() {
    [ "$(upload /whole.lua 30000000 -o "$work/page" -w '%{http_code}')" = 500 ]
}
resident() { awk '/^VmHWM:/ { print $2 }' "/proc/$(pid_of www)/status"; }
# peaks LINES: the heap's peak and what it held of the system, of each upload.
logged() { [ "$(grep -c '^/upload.lua 200' "$work/access.log")" -eq "$1" ]; }
as_little() {
    cat "$work/access.log"
    awk '/^\/upload.lua/ { peak[++n] = $3; real[n] = $4 }
        END { exit !(n == 2 && peak[1] > 0 && peak[2] <= peak[1] && real[2] <= real[1]) }' \
        "$work/access.log"
}
resident_is_flat() {
    echo "from $1 KiB to $(resident) KiB"
    [ "$(resident)" -le $(($1 + 4096)) ]
}

check "a body of 1,000,000 bytes is read" is_read 1000000
eventually logged 1
before=$(resident)
check "$sentence" is_read "$bytes"
check "both are in the log" eventually logged 2
check "the large one's heap is as small as the small one's" as_little
if [ "$TSRMALLOC_SANITIZE" = no ]; then
    check "the server's memory was never larger" resident_is_flat "$before"
else
    check_skip "the server's memory was never larger" "a sanitizer keeps what was freed"
fi
check "a script that wants the whole body meets the limit" is_too_much
check "and the worker goes on" is_read 1000000
signal www QUIT
check "the server ends" ended www
check_summary
