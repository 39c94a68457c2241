#!/bin/sh
# status_page: the running server's status as programs and people read it, while it works.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

sentence="the status page is read"
if ! needs nginx "$sentence" || ! needs curl "$sentence"; then
    check_summary
    exit
fi
cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www
pool busy "pm.status_listen = $work/busy.status"
port=$((20000 + $$ % 20000))        # Chromium speaks TCP only
cat >"$work/web.nginx" <<CONF
server {
    listen unix:$work/web.http;
    location = /metrics {
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_NAME /status;
        fastcgi_param QUERY_STRING openmetrics&full;
        fastcgi_pass unix:$work/www.sock;
    }
    location = /busy {
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_NAME /status;
        fastcgi_param QUERY_STRING json;
        fastcgi_pass unix:$work/busy.status;
    }
    location / { fastcgi_pass unix:$work/www.sock; }
}
server {
    listen 127.0.0.1:$port;
    location / { fastcgi_pass unix:$work/www.sock; }
}
CONF
start_fpm www && start_fpm busy && start_nginx web || exit 1

# Requests that the status shows afterwards.
hostile_requests() {
    "$load" -n 200 -c 4 -k -s "$work/root/echo.lua" "$work/www.sock" \
        '/echo.lua?a=<script>x</script>"&b'
}

json_is_right() {
    hostile_requests || return 1
    get web '/status?json&full' | jq -e '.pool == "www" and ."total processes" == 4 and
        (.processes | length) == 4 and ."accepted conn" > 4 and
        ([.processes[] | .requests] | add) >= 200 and
        ([.processes[] | ."request uri"] | any(contains("<script>x</script>\"")))'
}
busy_is_answered() {
    # All four workers compute, for three seconds of the process's time; the page has a second.
    "$load" -n 4 -c 4 -s "$work/root/wait.lua" "$work/busy.sock" '/wait.lua?ms=3000' >"$work/busy" &
    busy=$!
    eventually four_active
    answered=$?
    wait "$busy" || { cat "$work/busy"; return 1; }
    return "$answered"
}
four_active() {
    [ "$(get web /busy --max-time 1 | jq '."active processes"')" -eq 4 ]
}
metrics_are_clean() {
    get web '/status?openmetrics&full' | promtool check metrics &&
        get web /metrics | grep -q '^tsrmalloc_requests_total{pool="www"} ' &&
        get web /metrics | promtool check metrics
}
page_lives() {
    hostile_requests || return 1
    # The page as it is after its script has renewed it: the rate is only shown then.
    chromium --headless --no-sandbox --disable-gpu --virtual-time-budget=4000 \
        --user-data-dir="$work/chromium" --dump-dom \
        "http://127.0.0.1:$port/status?html&full" >"$work/dom" 2>"$work/chromium.log"
    cat "$work/chromium.log" "$work/dom"
    grep -q 'per second</small>' "$work/dom" && grep -q '&lt;script&gt;x' "$work/dom" &&
        [ "$(grep -c 'class="bar"' "$work/dom")" -eq 4 ]
}
sentence="jq reads the full page, with a hostile URI in it"
! needs jq "$sentence" || check "$sentence" json_is_right
sentence="the page is served while every worker is busy"
! needs jq "$sentence" || check "$sentence" busy_is_answered
sentence="promtool has nothing to say about the metrics"
! needs promtool "$sentence" || check "$sentence" metrics_are_clean
sentence="the live page renews itself in Chromium"
! needs chromium "$sentence" || check "$sentence" page_lives
check_summary
