#!/bin/sh
# fpm_compare: tsrmalloc-fpm and php-fpm side by side: ping, pages, latencies, the heap's reset,
# idle connections, memory; directly and through nginx. All servers run all the time; each round
# measures every row with one and then the other. Prints Markdown, made by fpm_report.awk of the
# figures of each round, with the goals and whether they are met. `make bench-fpm` runs it in a
# build directory:
#     ../bench/fpm_compare.sh [--rounds N] [--seconds N] [--workers N] [--idle N] [--requests N]
# Needs php-fpm8.2, curl, jq, cgi-fcgi; nginx and wrk for the rows through nginx. --requests is for
# the row of tests/fpm/mixed.sh; 0 leaves it out.
set -eu

rounds=7 seconds=3 workers=8 idle=10000 requests=100000
while [ $# -ge 2 ]; do
    case $1 in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --workers) workers=$2 ;;
        --idle) idle=$2 ;;
        --requests) requests=$2 ;;
        *) echo "fpm_compare.sh: $1: expected --rounds, --seconds, --workers, --idle, --requests" >&2
           exit 64 ;;
    esac
    case $2 in
        '' | *[!0-9]*) echo "fpm_compare.sh: $1 $2: expected a number" >&2; exit 64 ;;
    esac
    shift 2
done
[ $# -eq 0 ] || { echo "fpm_compare.sh: $1: expected an option and its value" >&2; exit 64; }
source=$(cd "$(dirname "$0")/.." && pwd)
ours=$PWD/tsrmalloc-fpm load=$PWD/tsrmalloc-fcgi-load
work=$(mktemp -d)
chmod 755 "$work"
processes=
stop() { for process in $processes; do kill "$process" 2>/dev/null || true; done; wait; processes=; }
trap 'stop; rm -rf "$work"' EXIT
for program in php-fpm8.2 curl jq cgi-fcgi "$ours" "$load"; do
    command -v "$program" >/dev/null || { echo "fpm_compare.sh: $program is missing" >&2; exit 1; }
done
cp "$source"/bench/pages/* "$work"
chmod 644 "$work"/*.php "$work"/*.lua
as_root=
owner=
if [ "$(id -u)" -eq 0 ]; then
    as_root=-R
    owner='user = www-data
group = www-data'
fi

# ---- servers ----

# configuration NAME WORKERS EXTENSION
configuration() {
    cat >"$work/$1.conf" <<CONF
[global]
error_log = $work/$1.log
daemonize = no
[www]
$owner
listen = $work/$1.sock
listen.mode = 0666
listen.backlog = 511
pm = static
pm.max_children = $2
ping.path = /ping
pm.status_path = /status
security.limit_extensions = .$3
CONF
}

# wait_for WHAT COMMAND...: until it succeeds, at most 20 seconds.
wait_for() {
    what=$1
    shift
    for _ in $(seq 200); do
        if "$@" >/dev/null 2>&1; then return; fi
        sleep 0.1
    done
    echo "fpm_compare.sh: $what does not answer" >&2
    cat "$work"/*.log >&2
    exit 1
}

# start_server NAME PROGRAM WORKERS EXTENSION: leaves the process id in $server.
start_server() {
    configuration "$1" "$3" "$4"
    # shellcheck disable=SC2086
    "$2" -F $as_root -y "$work/$1.conf" >"$work/$1.out" 2>&1 &
    server=$!
    processes="$processes $server"
    wait_for "$1" "$load" -n 1 --expect pong "$work/$1.sock" /ping
}

# location SERVER UPSTREAM NAME PARAM: params of a location replace those around it.
location() {
    echo "location /$1/$3 { fastcgi_keep_conn on; include /etc/nginx/fastcgi_params;"
    echo "    fastcgi_param $4; fastcgi_pass $2; }"
}

start_nginx() {
    user=
    [ "$(id -u)" -ne 0 ] || user='user root;'
    cat >"$work/nginx.conf" <<CONF
$user
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx.log;
events { worker_connections 4096; }
http {
    access_log off;
    keepalive_requests 1000000;
    upstream php { server unix:$work/phpweb.sock; keepalive 64; }
    upstream ours { server unix:$work/ours.sock; keepalive 64; }
    root $work;
    server {
        listen 127.0.0.1:$1;
$(location php php ping "SCRIPT_NAME /ping; fastcgi_param SCRIPT_FILENAME /ping")
$(location ours ours ping "SCRIPT_NAME /ping; fastcgi_param SCRIPT_FILENAME /ping")
$(location php php page "SCRIPT_FILENAME $work/page.php")
$(location ours ours page "SCRIPT_FILENAME $work/page.lua")
    }
}
CONF
    nginx -p "$work" -c "$work/nginx.conf" 2>>"$work/nginx.log" &
    processes="$processes $!"
    wait_for nginx curl -fsS "http://127.0.0.1:$1/ours/ping"
}

# ---- measuring ----

# note ROUND ROW SERVER WHAT FIGURE
note() { printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$work/figures"; }

# direct ROW SERVER SOCKET URI OPTION...: with our load generator.
direct() {
    row=$1 server=$2 socket=$work/$3.sock uri=$4
    shift 4
    "$load" --json -d "$seconds" --may-differ "$@" "$socket" "$uri" >"$work/json" || true
    note "$round" "$row" "$server" rate "$(jq .requests_per_second "$work/json")"
    note "$round" "$row" "$server" p50 "$(jq .latency_us.p50 "$work/json")"
    note "$round" "$row" "$server" p99 "$(jq .latency_us.p99 "$work/json")"
    note "$round" "$row" "$server" errors "$(jq '[.errors[]] | add' "$work/json")"
}

# in_us FIGURE: wrk's 1.23ms as microseconds.
in_us() {
    echo "$1" | awk '/us$/ { print $1 + 0; next } /ms$/ { print $1 * 1000; next } { print $1 * 1e6 }'
}

# through ROW SERVER NAME CLIENTS: with wrk and nginx.
through() {
    wrk --latency -t 1 -c "$4" -d "$seconds" "http://127.0.0.1:$port/$2/$3" >"$work/wrk"
    note "$round" "$1" "$2" rate "$(awk '/^Requests.sec/ { print $2 }' "$work/wrk")"
    note "$round" "$1" "$2" p50 "$(in_us "$(awk '$1 == "50%" { print $2 }' "$work/wrk")")"
    note "$round" "$1" "$2" p99 "$(in_us "$(awk '$1 == "99%" { print $2 }' "$work/wrk")")"
    note "$round" "$1" "$2" errors "$(awk '/Non-2xx/ { bad += $NF }
        /Socket errors/ { gsub(",", ""); bad += $4 + $6 + $8 + $10 }
        END { print bad + 0 }' "$work/wrk")"
}

# measure_row ROW SERVER. php-fpm serves as many kept connections as it has children: 64 of
# them get a server with 64.
measure_row() {
    case $2 in php) many=php64 extension=php ;; *) many=ours extension=lua ;; esac
    script=$work/page.$extension
    case $1 in
        ping1) direct "$1" "$2" "$2" /ping -k ;;
        ping8) direct "$1" "$2" "$2" /ping -k -c "$workers" ;;
        ping64) direct "$1" "$2" "$many" /ping -k -c 64 ;;
        ping64new) direct "$1" "$2" "$2" /ping -c 64 ;;
        page8) direct "$1" "$2" "$2" /page -k -c "$workers" -s "$script" ;;
        page64new) direct "$1" "$2" "$2" /page -c 64 -s "$script" ;;
        tables8) direct "$1" "$2" "$2" /tables -k -c "$workers" -s "$work/tables.$extension" ;;
        nginx1) through "$1" "$2" ping 1 ;;
        nginx64) through "$1" "$2" ping 64 ;;
        nginxpage) through "$1" "$2" page 64 ;;
    esac
}

# sum METRIC: of ours, in seconds.
sum() {
    SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET QUERY_STRING='openmetrics&full' \
        cgi-fcgi -bind -connect "$work/ours.sock" | awk -v name="$1" 'index($1, name) == 1 { print $2 }'
}

# How much of the time of the page's requests their heaps' resets are.
measure_reset() {
    before=$(sum tsrmalloc_reset_duration_seconds_sum)
    before_all=$(sum tsrmalloc_request_duration_seconds_sum)
    "$load" -k -n 5000 --may-differ -s "$work/page.lua" "$work/ours.sock" /page >/dev/null
    note "$round" reset ours share "$(echo "$before $before_all" \
        "$(sum tsrmalloc_reset_duration_seconds_sum)" \
        "$(sum tsrmalloc_request_duration_seconds_sum)" |
        awk '{ print 100 * ($3 - $1) / ($4 - $2 + $3 - $1) }')"
}

measure_round() {
    rows='ping1 ping8 ping64 ping64new page8 page64new tables8'
    [ -z "$port" ] || rows="$rows nginx1 nginx64 nginxpage"
    # Who is first changes with each round.
    order='php ours'
    [ $((round % 2)) -eq 1 ] || order='ours php'
    for row in $rows; do
        for server in $order; do measure_row "$row" "$server"; done
    done
    direct idle alone ours /ping -k -c "$workers"
    direct idle beside ours /ping -k -c "$workers" --idle "$idle"
    measure_reset
}

# ---- memory ----

# memory_of FIELD PROCESS...: their sum, in MiB.
memory_of() {
    field=$1
    shift
    for process in "$@"; do
        awk -v field="$field:" '$1 == field { print $2 }' "/proc/$process/smaps_rollup"
    done | awk '{ sum += $1 } END { print sum / 1024 }'
}

children_of() { cat "/proc/$1/task/$1/children"; }

# measure_memory WHEN
measure_memory() {
    children=$(children_of "$php")
    # shellcheck disable=SC2086
    note 0 memory php "$1-rss" "$(memory_of Rss $children | awk -v n="$workers" '{ print $1 / n }')"
    # shellcheck disable=SC2086
    note 0 memory php "$1-pss" "$(memory_of Pss $children | awk -v n="$workers" '{ print $1 / n }')"
    note 0 memory ours "$1-rss" "$(memory_of Rss "$own" | awk -v n="$workers" '{ print $1 / n }')"
    note 0 memory ours "$1-pss" "$(memory_of Pss "$own" | awk -v n="$workers" '{ print $1 / n }')"
}

# use SOCKET SCRIPT: every worker has served pages.
use() {
    "$load" -c "$workers" -n $((workers * 200)) --may-differ -s "$2" "$work/$1.sock" /page >/dev/null
}

# ---- the whole ----

write_heading() {
    echo "$(date -u +%Y-%m-%d), $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)," \
        "$(nproc) processors, Linux $(uname -r), load $(cut -d ' ' -f 1 /proc/loadavg) at the start."
    echo "$("$ours" -v | head -n 1), $(php-fpm8.2 -v | sed -n 's/ (fpm.*//p' | head -n 1)," \
        "$(nginx -v 2>&1 | sed 's/.*: //')."
    echo "$rounds rounds of $seconds seconds a row; $workers workers each; php-fpm has 64 where 64" \
        "clients keep their connections, and behind nginx."
}

if [ ! -r /proc/self/smaps_rollup ]; then
    echo 'fpm_compare.sh: there is no /proc/PID/smaps_rollup' >&2
    exit 1
fi
write_heading >"$work/heading"
start_server php php-fpm8.2 "$workers" php
php=$server
start_server ours "$ours" "$workers" lua
own=$server
measure_memory idle
use php "$work/page.php"
use ours "$work/page.lua"
measure_memory used
start_server php64 php-fpm8.2 64 php
# Connections that nginx keeps hold children: they are others.
start_server phpweb php-fpm8.2 64 php
port=
if command -v nginx >/dev/null && command -v wrk >/dev/null; then
    port=$((20000 + $$ % 20000))
    start_nginx "$port"
else
    echo 'fpm_compare.sh: nginx or wrk is missing: no rows through nginx' >&2
fi
for round in $(seq "$rounds"); do
    echo "round $round of $rounds" >&2
    measure_round
done
if [ "$requests" -gt 0 ]; then
    echo "$requests requests with scaling, recycling, reloads and status polling" >&2
    MIXED_REQUESTS=$requests MIXED_FIGURES=$work/mixed "$source/tests/fpm/mixed.sh" >"$work/mixed.out" ||
        cat "$work/mixed.out" >&2
    while read -r what figure; do note 0 mixed ours "$what" "$figure"; done <"$work/mixed"
fi
cat "$work/heading"
awk -F '\t' -v workers="$workers" -v idle="$idle" -f "$source/bench/fpm_report.awk" "$work/figures"
