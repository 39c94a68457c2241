#!/bin/sh
# apache: Apache's PHP module with the drop-in serves a wiki, and its children do not grow.
# APACHE_REQUESTS: how many (default 200; apache_long.sh sets 10000).
set -u
. "$abs_top_srcdir/tests/php/support.sh"

modules=/usr/lib/apache2/modules
server=$(command -v apache2 || echo /usr/sbin/apache2)
for file in "$server" "$modules/libphp8.2.so" /usr/share/dokuwiki/doku.php; do
    [ -e "$file" ] || skip_all "Apache's module with the drop-in" "$file is not installed"
done
command -v ab >/dev/null ||
    skip_all "Apache's module with the drop-in" "ab (apache2-utils) is not installed"
requests=${APACHE_REQUESTS:-200}
port=$((20000 + $$ % 20000))
wiki=$work/wiki

# Root's children become another user, who has to reach all this.
chmod 755 "$work"
make_wiki "$wiki"
mkdir -p "$work/logs"
[ "$(id -u)" -ne 0 ] || chown -R www-data "$wiki"
cat >"$work/apache.conf" <<CONFIGURATION
ServerRoot $work
ServerName localhost
Listen 127.0.0.1:$port
PidFile $work/pid
ErrorLog $work/logs/error
User www-data
Group www-data
LoadModule mpm_prefork_module $modules/mod_mpm_prefork.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule mime_module $modules/mod_mime.so
LoadModule dir_module $modules/mod_dir.so
LoadModule php_module $modules/libphp8.2.so
StartServers 2
MinSpareServers 1
MaxSpareServers 2
MaxRequestWorkers 2
MaxConnectionsPerChild 0
DocumentRoot $wiki
TypesConfig /etc/mime.types
AddHandler application/x-httpd-php .php
php_admin_value date.timezone UTC
CONFIGURATION
touch "$work/empty"
[ -f /etc/mime.types ] || sed -i "s|/etc/mime.types|$work/empty|" "$work/apache.conf"

fetch() { curl -s -o "$work/page" "http://127.0.0.1:$port/doku.php?id=$1"; }

start_server() {
    # A group of its own: it ends with a signal to all of its group.
    TSRMALLOC_INFO=1 LD_PRELOAD=$1 setsid "$server" -f "$work/apache.conf" -D FOREGROUND \
        >"$work/server.out" 2>"$work/server.err" &
    server_pid=$!
    tries=0
    until curl -s -o /dev/null "http://127.0.0.1:$port/VERSION"; do
        tries=$((tries + 1))
        [ $tries -lt 200 ] && kill -0 $server_pid 2>/dev/null ||
            { cat "$work/server.err" "$work/logs/error"; return 1; }
        sleep 0.1
    done
}
stop_server() {
    kill "$server_pid"
    wait "$server_pid"
}

# What differs by time and session is cut out.
plain() { sed -E 's/[0-9]{9,}/N/g; s/[0-9a-f]{32}/N/g; s/tseed=[0-9a-f]+/N/g' "$work/page"; }
resident() { # the largest child, KiB
    for child in $(pgrep -P "$server_pid"); do
        sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$child/status"
    done | sort -n | tail -n 1
}
uses_drop_in() { grep -q libtsrmalloc-php "/proc/$(pgrep -P "$server_pid" | head -n 1)/maps"; }
ab_is_well() {
    ab -q -n "$1" -c 2 "http://127.0.0.1:$port/doku.php?id=wiki:syntax" >"$work/ab" 2>&1 &&
        grep -q "^Complete requests: *$1\$" "$work/ab" && ! grep -q '^Non-2xx' "$work/ab" ||
        { cat "$work/ab"; tail -n 20 "$work/logs/error"; return 1; }
}

start_server "" || exit 1
fetch wiki:syntax
fetch wiki:syntax
plain >"$work/expected"
stop_server
start_server "$drop_in" || exit 1
check "the children have the drop-in" uses_drop_in
fetch wiki:syntax
check "a page is the same as without it" sh -c 'diff "$1" -' sh "$work/expected" <<PAGE
$(plain)
PAGE
check "the first requests are answered" ab_is_well 60
before=$(resident)
check "$requests requests are answered" ab_is_well "$requests"
after=$(resident)
is_flat() { [ "$after" -le $((before + before / 10 + 2048)) ]; }
check "the memory of the children is flat" is_flat
echo "resident: $before KiB, then $after KiB"
stop_server
check "a server that stops says what it served" grep -qE \
    'served PHP 8\.2\.[0-9]+ \(NTS\), 1 heaps' \
    "$work/logs/error" "$work/server.err"
check_summary
