#!/bin/sh
# clients: other web servers, and the tool of the FastCGI library, which cuts params anywhere.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www 'listen.mode = 0666'
start_fpm www || exit 1

# ---- cgi-fcgi ----

# ask URI [NAME=VALUE...]
ask() {
    ask_uri=$1
    shift
    env -i PATH="$PATH" REQUEST_METHOD=GET SCRIPT_NAME="${ask_uri%%\?*}" REQUEST_URI="$ask_uri" \
        SCRIPT_FILENAME="$work/root${ask_uri%%\?*}" DOCUMENT_ROOT="$work/root" \
        QUERY_STRING="${ask_uri#*\?}" "$@" cgi-fcgi -bind -connect "$work/www.sock"
}
says() { [ "$(ask "$1" | sed '1,/^.\{0,1\}$/d')" = "$2" ] || { ask "$1"; return 1; }; }
large_environment() {
    # More than libfcgi's buffer: pairs lie in two records.
    set -- /ping
    for number in $(seq 40); do
        set -- "$@" "HTTP_LONG_$number=$(printf '%0500d' "$number")"
    done
    ask "$@" | grep -qx pong
}
sentence="cgi-fcgi gets an answer"
if needs cgi-fcgi "$sentence"; then
    check "$sentence" says /ping pong
    check "cgi-fcgi gets a page" says '/echo.lua?a=1' 'method GET
get a=1
body 0'
    check "cgi-fcgi gets an answer with 20 KB of environment" large_environment
fi

# ---- lighttpd ----

start_lighttpd() {
    cat >"$work/lighttpd.conf" <<CONF
server.document-root = "$work/root"
server.bind = "$work/light.http"
server.errorlog = "$work/light.log"
server.upload-dirs = ( "$work" )
server.modules += ( "mod_fastcgi" )
fastcgi.server = ( ".lua" => (( "socket" => "$work/www.sock" )),
    "/ping" => (( "socket" => "$work/www.sock", "check-local" => "disable" )) )
CONF
    start light lighttpd -D -f "$work/lighttpd.conf"
    eventually test -S "$work/light.http" || { cat "$work/light.out" "$work/light.log"; return 1; }
}
web_works() {
    [ "$(get "$1" /ping)" = pong ] || { get "$1" /ping -i; return 1; }
    [ "$(get "$1" '/echo.lua?x=1&y=2')" = 'method GET
get x=1
get y=2
body 0' ] || { get "$1" '/echo.lua?x=1&y=2' -i; return 1; }
    head -c 300000 /dev/urandom >"$work/body"
    get "$1" '/echo.lua?echo=1' --data-binary "@$work/body" | cmp - "$work/body" || return 1
    [ "$(get "$1" '/large.lua?size=500000' | wc -c)" -eq 500000 ]
}
sentence="lighttpd serves pages"
if needs lighttpd "$sentence" && needs curl "$sentence"; then
    start_lighttpd
    check "$sentence" web_works light
fi

# ---- Apache ----

# It listens on TCP only.
start_apache() {
    modules=/usr/lib/apache2/modules
    cat >"$work/apache.conf" <<CONF
ServerRoot $work
ServerName localhost
PidFile $work/apache2.pid
ErrorLog $work/apache.log
Listen 127.0.0.1:$1
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule proxy_module $modules/mod_proxy.so
LoadModule proxy_fcgi_module $modules/mod_proxy_fcgi.so
DocumentRoot $work/root
ProxyPass / "unix:$work/www.sock|fcgi://localhost$work/root/"
CONF
    [ "$(id -u)" -ne 0 ] || printf 'User www-data\nGroup www-data\n' >>"$work/apache.conf"
    start apache apache2 -DFOREGROUND -f "$work/apache.conf"
    eventually curl -sS -o "$work/page" "http://127.0.0.1:$1/"
}
apache_works() {
    url=http://127.0.0.1:$1
    [ "$(curl -sS "$url/echo.lua?x=1")" = 'method GET
get x=1
body 0' ] || { curl -sS -i "$url/echo.lua?x=1"; return 1; }
    curl -sS --data-binary "@$work/body" "$url/echo.lua?echo=1" | cmp - "$work/body"
}
sentence="Apache serves pages"
if needs apache2 "$sentence" && needs curl "$sentence"; then
    port=$((20000 + $$ % 20000))
    head -c 300000 /dev/urandom >"$work/body"
    start_apache $port
    check "$sentence" apache_works $port
    signal apache TERM
fi

# ---- HAProxy ----

# It keeps its connections to the server, asks GET_VALUES, and is a web server's reverse proxy at
# once.
start_haproxy() {
    cat >"$work/haproxy.conf" <<CONF
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
frontend web
    bind unix@$work/haproxy.http mode 666
    default_backend pages
backend pages
    use-fcgi-app lua
    http-reuse always
    server one unix@$work/www.sock proto fcgi
fcgi-app lua
    docroot $work/root
    option keep-conn
    option get-values
CONF
    start haproxy haproxy -db -f "$work/haproxy.conf"
    eventually test -S "$work/haproxy.http" || { cat "$work/haproxy.out"; return 1; }
}
sentence="HAProxy serves pages, over connections that it keeps"
if needs haproxy "$sentence" && needs curl "$sentence"; then
    start_haproxy
    check "$sentence" web_works haproxy
    signal haproxy TERM
fi

# ---- Caddy ----

start_caddy() {
    cat >"$work/Caddyfile" <<CONF
{
    admin off
    auto_https off
    storage file_system $work/caddy
}
:$1 {
    bind 127.0.0.1
    root * $work/root
    reverse_proxy unix/$work/www.sock {
        transport fastcgi {
            root $work/root
            split .lua
        }
    }
}
CONF
    HOME=$work XDG_CONFIG_HOME=$work start caddy caddy run --config "$work/Caddyfile" --adapter caddyfile
    eventually curl -sS -o "$work/page" "http://127.0.0.1:$1/ping"
}
caddy_works() {
    url=http://127.0.0.1:$1
    [ "$(curl -sS "$url/echo.lua?x=1")" = 'method GET
get x=1
body 0' ] || { curl -sS -i "$url/echo.lua?x=1"; return 1; }
    curl -sS --data-binary "@$work/body" "$url/echo.lua?echo=1" | cmp - "$work/body"
}
sentence="Caddy serves pages"
if needs caddy "$sentence" && needs curl "$sentence"; then
    port=$((20000 + ($$ + 1) % 20000))
    start_caddy $port || cat "$work/caddy.out"
    check "$sentence" caddy_works $port
    signal caddy TERM
fi
check_summary
