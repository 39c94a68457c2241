#!/bin/sh
# nginx: the reference client, with new and kept connections, with bodies buffered and not.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"
# shellcheck source=tests/fpm/requests.sh
. "$abs_top_srcdir/tests/fpm/requests.sh"

sentence="nginx serves pages of tsrmalloc-fpm"
if ! needs nginx "$sentence" || ! needs curl "$sentence"; then
    check_summary
    exit
fi

cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
list_requests
pool www 'security.limit_extensions = .lua' "access.log = $work/access.log" \
    'access.format = "%m %r%Q%q %s %l"'
cat >"$work/web.nginx" <<CONF
upstream kept { server unix:$work/www.sock; keepalive 8; }
server {
    listen unix:$work/web.http;
    fastcgi_split_path_info ^(.+\.lua)(/.*)\$;
    location /new/ {
        rewrite ^/new(/.*) \$1 break;
        fastcgi_pass unix:$work/www.sock;
    }
    location /stream/ {
        rewrite ^/stream(/.*) \$1 break;
        fastcgi_keep_conn on;
        fastcgi_request_buffering off;
        fastcgi_buffering off;
        fastcgi_pass kept;
    }
    location / { fastcgi_keep_conn on; fastcgi_pass kept; }
}
CONF
start_fpm www && start_nginx web || exit 1

# Bytes of every value, no two pieces alike.
head -c 3000000 /dev/urandom >"$work/body"

body_is() { [ "$(get web "$1")" = "$2" ] || { get web "$1" -i; return 1; }; }
status_is() {
    [ "$(get web "$1" -o "$work/page" -w '%{http_code}')" = "$2" ] || { get web "$1" -i; return 1; }
}
comes_back() { get web "$1" --data-binary "@$work/body" | cmp - "$work/body"; }
head_only() {
    get web /echo.lua -I >"$work/head" && grep -q '^HTTP/1.1 200' "$work/head" &&
        grep -qi '^content-type: text/plain' "$work/head"
}
page_sizes() {
    for size in 0 1 4095 4096 65528 65529 1000000; do
        [ "$(get web "$1large.lua?size=$size" | wc -c)" -eq "$size" ] || { echo "$size"; return 1; }
    done
}
# 300 pages on 8 connections at a time, each compared.
many_pages() {
    mkdir -p "$work/pages"
    (cd "$work/pages" && get web "$1echo.lua?n=[1-300]" -Z --parallel-max 8 -o 'page#1') || return 1
    for number in $(seq 300); do
        printf 'method GET\nget n=%d\nbody 0\n' "$number" |
            cmp - "$work/pages/page$number" || return 1
    done
}
logged() { grep -qxF "$1" "$work/access.log" || { tail "$work/access.log"; return 1; }; }

for way in / /new/ /stream/; do
    check "$way: $(requests_listed) requests are answered as listed" all_by_curl \
        "http://localhost${way%/}" "unix-socket = $work/web.http"
    check "$way: variables arrive" body_is "${way}echo.lua?a=1&b=x%20y" 'method GET
get a=1
get b=x y
body 0'
    check "$way: a body of 3,000,000 random bytes comes back" comes_back "${way}echo.lua?echo=1"
    check "$way: pages of every size arrive whole" page_sizes "$way"
    check "$way: 300 pages at a time are the right ones" many_pages "$way"
done
check "HEAD gives headers alone" head_only
check "a script that is not there is 404" status_is /none.lua 404
check "a file of another kind is 403" status_is /secret.txt 403
check "a path with .. does not leave the root" status_is '/%2e%2e/%2e%2e/etc/passwd' 400
check "the access log has a line for each" eventually logged 'GET /echo.lua?a=1&b=x%20y 200 0'
signal web QUIT
check "nginx ends" ended web
signal www QUIT
check "the server ends" ended www
check_summary
