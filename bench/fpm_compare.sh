#!/bin/sh
# fpm_compare: tsrmalloc-fpm and php-fpm side by side: ping, a page, latencies, memory; directly and
# through nginx. Both servers run all the time, with as many workers; each round measures one after
# the other, and the figures are medians over the rounds. Run in a build directory:
#     ../bench/fpm_compare.sh [--rounds N] [--seconds N] [--workers N] [--idle N]
# Needs php-fpm8.2, curl, jq; nginx and wrk for the rows through nginx. Prints Markdown.
set -eu

rounds=5 seconds=3 workers=8 idle=10000
while [ $# -ge 2 ]; do
    case $1 in
        --rounds) rounds=$2 ;;
        --seconds) seconds=$2 ;;
        --workers) workers=$2 ;;
        --idle) idle=$2 ;;
        *) echo "fpm_compare.sh: $1: expected --rounds, --seconds, --workers or --idle" >&2; exit 64 ;;
    esac
    shift 2
done
source=$(cd "$(dirname "$0")/.." && pwd)
ours=$PWD/tsrmalloc-fpm load=$PWD/tsrmalloc-fcgi-load
work=$(mktemp -d)
chmod 755 "$work"
processes=
stop() { for process in $processes; do kill "$process" 2>/dev/null || true; done; wait; processes=; }
trap 'stop; rm -rf "$work"' EXIT
for program in php-fpm8.2 curl jq "$ours" "$load"; do
    command -v "$program" >/dev/null || { echo "fpm_compare.sh: $program is missing" >&2; exit 1; }
done
cp "$source"/bench/pages/page.* "$work"
chmod 644 "$work"/page.*
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

start_servers() {
    configuration php "$1" php
    configuration ours "$1" lua
    # shellcheck disable=SC2086
    php-fpm8.2 -F $as_root -y "$work/php.conf" >"$work/php.out" 2>&1 &
    php=$!
    # shellcheck disable=SC2086
    "$ours" -F $as_root -y "$work/ours.conf" >"$work/ours.out" 2>&1 &
    own=$!
    processes="$processes $php $own"
    for name in php ours; do
        wait_for "$name" "$load" -n 1 --expect pong "$work/$name.sock" /ping
    done
}

# location SERVER PAGE PARAM: params of a location replace those around it. Kept connections would
# hold php-fpm's children, so each server has what suits it.
location() {
    keep=on
    [ "$1" = ours ] || keep=off
    echo "location /$1/$2 { fastcgi_keep_conn $keep; include /etc/nginx/fastcgi_params;"
    echo "    fastcgi_param $3; fastcgi_pass $1; }"
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
    upstream php { server unix:$work/php.sock; }
    upstream ours { server unix:$work/ours.sock; keepalive 64; }
    root $work;
    server {
        listen 127.0.0.1:$1;
$(location php ping "SCRIPT_NAME /ping; fastcgi_param SCRIPT_FILENAME /ping")
$(location ours ping "SCRIPT_NAME /ping; fastcgi_param SCRIPT_FILENAME /ping")
$(location php page "SCRIPT_FILENAME $work/page.php")
$(location ours page "SCRIPT_FILENAME $work/page.lua")
    }
}
CONF
    nginx -p "$work" -c "$work/nginx.conf" 2>>"$work/nginx.log" &
    processes="$processes $!"
    wait_for nginx curl -fsS "http://127.0.0.1:$1/ours/ping"
}

# ---- measuring ----

# note ROW SERVER FIGURES: rate, p50, p99 and errors, with tabs between them.
note() { printf '%s\t%s\t%s\n' "$@" >>"$work/figures"; }

# direct ROW SERVER URI OPTION...: with our load generator.
direct() {
    row=$1 server=$2 uri=$3
    shift 3
    "$load" --json -d "$seconds" --may-differ "$@" "$work/$server.sock" "$uri" >"$work/json" || true
    note "$row" "$server" "$(jq -r '[.requests_per_second, .latency_us.p50, .latency_us.p99,
        ([.errors[]] | add)] | @tsv' "$work/json")"
}

# in_us FIGURE: wrk's 1.23ms as microseconds.
in_us() {
    echo "$1" | awk '/us$/ { print $1 + 0; next } /ms$/ { print $1 * 1000; next } { print $1 * 1e6 }'
}

# through ROW SERVER URI CLIENTS: with wrk and nginx.
through() {
    wrk --latency -t 1 -c "$4" -d "$seconds" "http://127.0.0.1:$port/$2$3" >"$work/wrk"
    rate=$(awk '/^Requests.sec/ { print $2 }' "$work/wrk")
    half=$(in_us "$(awk '$1 == "50%" { print $2 }' "$work/wrk")")
    most=$(in_us "$(awk '$1 == "99%" { print $2 }' "$work/wrk")")
    bad=$(awk '/Non-2xx/ { bad += $NF }
        /Socket errors/ { gsub(",", ""); bad += $4 + $6 + $8 + $10 }
        END { print bad + 0 }' "$work/wrk")
    note "$1" "$2" "$rate	$half	$most	$bad"
}

measure_round() {
    for server in php ours; do
        script=$work/page.$([ $server = php ] && echo php || echo lua)
        direct "ping, 1 client, keep-alive" "$server" /ping -k
        direct "ping, 64 clients, new connections" "$server" /ping -c 64
        # php-fpm serves as many kept connections as it has children.
        direct "ping, $workers clients, keep-alive" "$server" /ping -k -c "$workers"
        direct "page, $workers clients, keep-alive" "$server" /page -k -c "$workers" -s "$script"
        direct "page, 64 clients, new connections" "$server" /page -c 64 -s "$script"
        if [ -n "$port" ]; then
            through "nginx: ping, 1 client" "$server" /ping 1
            through "nginx: ping, 64 clients" "$server" /ping 64
            through "nginx: page, 64 clients" "$server" /page 64
        fi
    done
    direct "ping, 64 clients, keep-alive" ours /ping -k -c 64
    direct "ping, $workers clients, $idle idle connections" ours /ping -k -c "$workers" \
        --idle "$idle"
}

# ---- memory ----

# memory_of PROCESS: Pss of it and its children, in KiB.
memory_of() {
    for process in "$1" $(cat "/proc/$1/task/$1/children"); do
        awk '/^Pss:/ { print $2 }' "/proc/$process/smaps_rollup"
    done | awk '{ sum += $1 } END { print sum }'
}

# use SERVER: every worker has served a page.
use() {
    "$load" -c "$workers" -n $((workers * 200)) --may-differ -s "$2" "$work/$1.sock" /page >/dev/null
}

measure_memory() {
    for part in idle used; do
        if [ $part = used ]; then
            use php "$work/page.php"
            use ours "$work/page.lua"
        fi
        echo "$1 php $part $(memory_of "$php")" >>"$work/memory"
        echo "$1 ours $part $(memory_of "$own")" >>"$work/memory"
    done
}

# ---- the report ----

print_rows() {
    echo '| | php-fpm req/s | ours req/s | ratio | php-fpm p50 / p99 (us) | ours p50 / p99 (us) | errors |'
    echo '|---|---|---|---|---|---|---|'
    awk -F '\t' '
        function median(key, what,    n, i, j, t, v) {
            n = count[key]
            for (i = 1; i <= n; i++) v[i] = figure[key, what, i]
            for (i = 1; i < n; i++) for (j = i + 1; j <= n; j++) if (v[j] < v[i]) {
                t = v[i]; v[i] = v[j]; v[j] = t }
            return n == 0 ? "" : v[int((n + 1) / 2)]
        }
        function pair(key) {
            return count[key] == 0 ? "-" : sprintf("%.0f / %.0f", median(key, 2), median(key, 3))
        }
        { key = $1 SUBSEP $2; n = ++count[key]
          if (!($1 in seen)) { seen[$1] = 1; order[++rows] = $1 }
          for (i = 1; i <= 3; i++) figure[key, i, n] = $(i + 2) + 0
          errors[$1] += $6 }
        END { for (row = 1; row <= rows; row++) {
            name = order[row]; php = name SUBSEP "php"; ours = name SUBSEP "ours"
            a = median(php, 1); b = median(ours, 1)
            printf "| %s | %s | %.0f | %s | %s | %s | %d |\n", name,
                a == "" ? "-" : sprintf("%.0f", a), b,
                a == "" || a == 0 ? "-" : sprintf("%.2f", b / a), pair(php), pair(ours), errors[name]
        } }' "$work/figures"
}

print_memory() {
    echo
    echo "Memory (Pss of all processes) that one worker more takes, from $workers to $((2 * workers)):"
    echo
    echo '| | php-fpm | ours |'
    echo '|---|---|---|'
    awk '
        function one(server, part) {
            return (size[many, server, part] - size[few, server, part]) / (many - few) / 1024
        }
        { size[$1, $2, $3] = $4 }
        few == 0 || $1 < few { few = $1 }
        $1 > many { many = $1 }
        END {
            printf "| idle | %.2f MiB | %.2f MiB |\n", one("php", "idle"), one("ours", "idle")
            printf "| has served pages | %.2f MiB | %.2f MiB |\n", one("php", "used"),
                one("ours", "used")
        }' "$work/memory"
}

for many in $((2 * workers)) "$workers"; do
    stop
    start_servers "$many"
    measure_memory "$many"
done
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
print_rows
print_memory
