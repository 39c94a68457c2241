#!/bin/sh
# Process managers with a real server: who is started, who ends, who is counted.

. "$abs_top_srcdir/tests/fpm/support.sh"

ask() { "$load" -c "${2:-1}" -n "${3:-1}" --expect pong "$work/$1.sock" /ping; }
# value NAME FIELD: of the status page, which its own listener serves.
value() {
    SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET QUERY_STRING='' \
        cgi-fcgi -bind -connect "$work/$1.status" | tr -d '\r' | sed -n "s/^$2: *//p"
}
is() { [ "$(value "$1" "$2")" -eq "$3" ] || { value "$1" "$2"; return 1; }; }
with_manager() {
    manager_name=$1
    shift
    pool "$manager_name" "pm.status_listen = $work/$manager_name.status" "$@"
}

needs cgi-fcgi "process managers are seen in the status page" || { check_summary; exit; }

with_manager static
start_fpm static
check "a static pool has all its workers" eventually is static 'total processes' 4
check "its status has a listener of its own, which counts nothing" is static 'accepted conn' 0
check "a static pool answers" ask static 8 100
check "each request is counted" eventually is static 'accepted conn' 100
signal static TERM

with_manager ondemand 'pm = ondemand' 'pm.process_idle_timeout = 1s'
start_fpm ondemand
check "an ondemand pool begins without workers" is ondemand 'total processes' 0
check "a connection makes it start one" ask ondemand
check "which is there then" is ondemand 'total processes' 1
check "and leaves when it was idle" eventually is ondemand 'total processes' 0
check "the next connection starts another" ask ondemand
signal ondemand TERM

with_manager dynamic 'pm = dynamic' 'pm.start_servers = 3' 'pm.min_spare_servers = 1' \
    'pm.max_spare_servers = 3' 'pm.max_children = 6'
start_fpm dynamic
check "a dynamic pool begins with pm.start_servers" is dynamic 'total processes' 3
check "it answers more clients than it has workers" ask dynamic 16 500
check "it ends with no more idle than pm.max_spare_servers" \
    eventually is dynamic 'total processes' 3
signal dynamic TERM

with_manager recycled 'pm.max_requests = 10'
start_fpm recycled
check "no request is lost while workers end behind pm.max_requests" ask recycled 8 1000
check "kept connections outlive their worker" \
    "$load" -c 4 -k -n 500 --expect pong "$work/recycled.sock" /ping
started() { test "$(SCRIPT_NAME=/status SCRIPT_FILENAME=/status REQUEST_METHOD=GET \
    QUERY_STRING=full cgi-fcgi -bind -connect "$work/recycled.status" |
    sed -n 's/^worker starts: *//p' | tr -d '\r')" -ge 150; }
check "none has served more than its ten" eventually started
signal recycled TERM

pool idle
start_fpm idle
check "500 idle connections do not hold four workers" \
    "$load" -c 4 -k -n 1000 --idle 500 --expect pong "$work/idle.sock" /ping
signal idle QUIT

check "all servers end well" eval 'for name in static ondemand dynamic recycled idle; do
    ended $name || exit; done'

check_summary
