# shellcheck shell=sh
# support.sh: what the tests of the running server share; to be sourced first. Everything talks over
# Unix sockets in $work, so that tests can run side by side.
#
#   start_fpm NAME          runs tsrmalloc-fpm with $work/NAME.conf until it is ready
#   pool NAME [LINE...]     a configuration with one pool at $work/NAME.sock
#   start_nginx NAME        runs nginx with $work/NAME.nginx, which listens at $work/NAME.http
#   signal NAME SIGNAL      to a program that was started
#   ended NAME [STATUS]     waits for its end; true if it ended so (0)
#   eventually COMMAND...   true as soon as the command is; false after 20 seconds
#   get NAME URI [OPTION...]    curl through $work/NAME.http
#   needs PROGRAM SENTENCE  false, and the sentence is skipped, if the program is not installed
#
# The program's log is $work/NAME.log. All programs are ended with the script.

. "$abs_top_srcdir/tests/support/check.sh"

fpm=$abs_top_builddir/tsrmalloc-fpm
load=$abs_top_builddir/tsrmalloc-fcgi-load
work=$(mktemp -d)
chmod 755 "$work"
started=

needs() {
    command -v "$1" >/dev/null && return
    check_skip "$2" "$1 is not installed"
    return 1
}

if [ "$TSRMALLOC_ZTS" != yes ]; then
    check_skip "the server runs" "it is built with ZTS only"
    check_summary
    exit
fi

pid_of() { cat "$work/$1.pid"; }

# To processes of this script alone: those whose ids it wrote down when it started them.
end_all() {
    for name in $started; do
        [ -s "$work/$name.status" ] || kill -KILL "$(pid_of "$name")" 2>/dev/null
    done
    wait
    rm -rf "$work"
}
trap end_all EXIT

eventually() {
    for _ in $(seq 400); do
        if "$@" >/dev/null 2>&1; then return 0; fi
        sleep 0.05
    done
    echo "not within 20 seconds: $*"
    return 1
}

# listens SOCKET: between bind() and listen() the file is there and connections are refused. The
# fourth column is __SO_ACCEPTCON.
listens() { grep -q " 00010000 .* $1\$" /proc/net/unix; }

# start NAME COMMAND...: in the background. Its end is noted in a file, since `check` runs commands
# in a subshell, which cannot wait for it; nor are programs started inside `check`.
start() {
    started_name=$1
    shift
    rm -f "$work/$started_name.pid" "$work/$started_name.status"
    {
        "$@" >"$work/$started_name.out" 2>&1 &
        echo $! >"$work/$started_name.new" && mv "$work/$started_name.new" "$work/$started_name.pid"
        wait $!
        echo $? >"$work/$started_name.status"
    } >/dev/null 2>&1 &
    started="$started $started_name"
    eventually test -s "$work/$started_name.pid"
}

pool() {
    pool_name=$1
    shift
    cat >"$work/$pool_name.conf" <<CONF
[global]
error_log = $work/$pool_name.log
daemonize = no
process_control_timeout = 10s
[www]
listen = $work/$pool_name.sock
listen.mode = 0666
pm = static
pm.max_children = 4
ping.path = /ping
pm.status_path = /status
CONF
    for line in "$@"; do echo "$line" >>"$work/$pool_name.conf"; done
}

is_ready() {
    kill -0 "$(pid_of "$1")" && grep -q 'ready to handle connections' "$work/$1.log"
}

# As root it wants to be told that this is meant.
start_fpm() {
    set -- "$1" -F -y "$work/$1.conf"
    [ "$(id -u)" -ne 0 ] || set -- "$@" -R
    fpm_name=$1
    shift
    start "$fpm_name" "$fpm" "$@"
    eventually is_ready "$fpm_name" && return
    cat "$work/$fpm_name.out" "$work/$fpm_name.log"
    return 1
}

# The test's $work/NAME.nginx has what stands inside http { }.
start_nginx() {
    user=
    [ "$(id -u)" -ne 0 ] || user='user root;'
    cat >"$work/$1.nginx.conf" <<CONF
$user
worker_processes 1;
daemon off;
pid $work/$1.nginx.pid;
error_log $work/$1.nginx.log;
events { worker_connections 1024; }
http {
    access_log off;
    client_body_temp_path $work/$1.body;
    fastcgi_temp_path $work/$1.fastcgi;
    proxy_temp_path $work/$1.proxy;
    uwsgi_temp_path $work/$1.uwsgi;
    scgi_temp_path $work/$1.scgi;
    client_max_body_size 64m;
    include /etc/nginx/fastcgi_params;
    fastcgi_param SCRIPT_FILENAME \$document_root\$fastcgi_script_name;
    fastcgi_param PATH_INFO \$fastcgi_path_info;
    root $work/root;
    include $work/$1.nginx;
}
CONF
    start "$1" nginx -p "$work" -e "$work/$1.nginx.log" -c "$work/$1.nginx.conf"
    eventually listens "$work/$1.http" || { cat "$work/$1.out" "$work/$1.nginx.log"; return 1; }
}

signal() { kill -"$2" "$(pid_of "$1")"; }

ended() {
    eventually test -s "$work/$1.status" || return 1
    status=$(cat "$work/$1.status")
    [ "$status" -eq "${2:-0}" ] && return
    echo "status $status"
    cat "$work/$1".*log "$work/$1.out"
    return 1
}

get() {
    get_name=$1 get_uri=$2
    shift 2
    curl -sS --max-time 30 --unix-socket "$work/$get_name.http" "$@" "http://localhost$get_uri"
}
