#!/bin/sh
# clients: other web servers, the tool of the FastCGI library, which cuts params anywhere, and the client
# of php-fpm's own tests. Each asks for the list of tests/fpm/requests.sh, and so does nginx in tests/fpm/nginx.sh.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"
# shellcheck source=tests/fpm/requests.sh
. "$abs_top_srcdir/tests/fpm/requests.sh"

cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www 'security.limit_extensions = .lua'
start_fpm www || exit 1
list_requests
list="$(requests_listed) requests are answered as listed"

# ---- cgi-fcgi ----

large_environment() {
    # More than libfcgi's buffer: pairs lie in two records.
    set -- REQUEST_METHOD=GET SCRIPT_NAME=/ping
    for number in $(seq 40); do
        set -- "$@" "HTTP_LONG_$number=$(printf '%0500d' "$number")"
    done
    env -i PATH="$PATH" "$@" cgi-fcgi -bind -connect "$work/www.sock" | grep -qx pong
}
if needs cgi-fcgi "cgi-fcgi: $list"; then
    check "cgi-fcgi: $list" all_by_cgi_fcgi "$work/www.sock"
    check "cgi-fcgi gets an answer with 20 KB of environment" large_environment
fi

# ---- the client of php-fpm's own tests ----

# It is in PHP's source package, which check-php-zts and check-fpm-compat fetch; PHP_SRC names another.
fcgi_inc=
for source in "${PHP_SRC-}" "$("$abs_top_srcdir/tests/php/zts_build.sh" --where)/src" \
    "$abs_top_builddir"/fpm-compat/php-8*; do
    [ ! -f "$source/sapi/fpm/tests/fcgi.inc" ] || fcgi_inc=$source/sapi/fpm/tests/fcgi.inc
done
sentence="fcgi.inc of php-fpm: $list, but bodies of more than 65,535 bytes"
if [ -z "$fcgi_inc" ]; then
    check_skip "$sentence" "PHP's source is not there: make check-php-zts fetches it, or set PHP_SRC"
elif needs php8.2 "$sentence"; then
    check "$sentence" all_by_fcgi_inc "$work/www.sock" "$fcgi_inc"
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
    ".txt" => (( "socket" => "$work/www.sock" )),
    "/ping" => (( "socket" => "$work/www.sock", "check-local" => "disable" )),
    "/status" => (( "socket" => "$work/www.sock", "check-local" => "disable" )) )
CONF
    start light lighttpd -D -f "$work/lighttpd.conf"
    eventually listens "$work/light.http" || { cat "$work/light.out" "$work/light.log"; return 1; }
}
sentence="lighttpd: $list"
if needs lighttpd "$sentence" && needs curl "$sentence"; then
    start_lighttpd
    check "$sentence" all_by_curl http://localhost "unix-socket = $work/light.http"
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
<FilesMatch "\.(lua|txt)\$">
    SetHandler "proxy:unix:$work/www.sock|fcgi://localhost"
</FilesMatch>
<LocationMatch "^/(ping|status)\$">
    SetHandler "proxy:unix:$work/www.sock|fcgi://localhost"
</LocationMatch>
CONF
    [ "$(id -u)" -ne 0 ] || printf 'User www-data\nGroup www-data\n' >>"$work/apache.conf"
    start apache apache2 -DFOREGROUND -f "$work/apache.conf"
    eventually curl -sS -o "$work/page" "http://127.0.0.1:$1/"
}
sentence="Apache: $list"
if needs apache2 "$sentence" && needs curl "$sentence"; then
    port=$((20000 + $$ % 20000))
    start_apache $port
    check "$sentence" all_by_curl "http://127.0.0.1:$port"
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
    path-info ^(/.+\.lua)(/.*)?\$
    option keep-conn
    option get-values
CONF
    start haproxy haproxy -db -f "$work/haproxy.conf"
    eventually test -S "$work/haproxy.http" || { cat "$work/haproxy.out"; return 1; }
}
sentence="HAProxy, which keeps its connections: $list"
if needs haproxy "$sentence" && needs curl "$sentence"; then
    start_haproxy
    check "$sentence" all_by_curl http://localhost "unix-socket = $work/haproxy.http"
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
sentence="Caddy: $list"
if needs caddy "$sentence" && needs curl "$sentence"; then
    port=$((20000 + ($$ + 1) % 20000))
    start_caddy $port || cat "$work/caddy.out"
    check "$sentence" all_by_curl "http://127.0.0.1:$port"
    signal caddy TERM
fi
check_summary
