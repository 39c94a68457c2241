#!/bin/sh
# balance: nginx in front of two servers, as in docs/deployment.md: one of them is stopped and
# started again under load, and no request fails.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

sentence="nginx balances over two servers"
if ! needs nginx "$sentence" || ! needs curl "$sentence"; then
    check_summary
    exit
fi

cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool one "access.log = $work/one.access"
pool two "access.log = $work/two.access"
cat >"$work/web.nginx" <<CONF
upstream servers {
    server unix:$work/one.sock max_fails=1 fail_timeout=1s;
    server unix:$work/two.sock max_fails=1 fail_timeout=1s;
    keepalive 16;
}
server {
    listen unix:$work/web.http;
    location / {
        fastcgi_keep_conn on;
        fastcgi_pass servers;
        fastcgi_next_upstream error timeout http_503;
    }
}
CONF
start_fpm one && start_fpm two && start_nginx web || exit 1

# Batches of requests, until there are enough.
batch_size=200
run_load() {
    batch=0
    while [ ! -e "$work/enough" ]; do
        batch=$((batch + 1))
        get web "/wait.lua?ms=10&n=[1-$batch_size]" -Z --parallel-max 8 -o "$work/page$batch.#1" \
            -w '%{http_code}\n' >>"$work/codes" 2>>"$work/curl"
    done
    echo $((batch * batch_size)) >"$work/requests"
}
served() { [ "$(wc -l <"$work/codes")" -ge "$1" ]; }
all_good() {
    [ "$(grep -cx 200 "$work/codes")" -eq "$(cat "$work/requests")" ] && return
    sort "$work/codes" | uniq -c
    return 1
}
all_right() {
    [ "$(cat "$work"/page*.* | grep -cx 'waited 10')" -eq "$(cat "$work/requests")" ] &&
        [ "$(cat "$work"/page*.* | wc -l)" -eq "$(cat "$work/requests")" ]
}
both_served() { [ -s "$work/one.access" ] && [ -s "$work/two.access" ]; }

: >"$work/codes"
run_load &
running=$!
check "both servers are busy" eventually both_served
signal one QUIT
check "one is stopped under load and ends in peace" ended one
at_stop=$(wc -l <"$work/codes")
check "the other one serves alone" eventually served $((at_stop + 50))
start_fpm one
check "the first is back" eventually "$load" -n 1 --expect pong "$work/one.sock" /ping
: >"$work/enough"
wait "$running"
check "no request failed" all_good
check "every page was the right one" all_right
check_summary
