#!/bin/sh
# recycle: workers that end and begin all the time: nothing is lost, nothing is left behind, none
# serves one request too many; and 64 threads write one log. RECYCLE_REQUESTS (1000;
# recycle_long.sh: 10,000) is how many threads there are in all.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

requests=${RECYCLE_REQUESTS:-1000}
ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
field() { ctl status | sed -n "s/^$1: *\\([0-9]*\\).*/\\1/p"; }
with_control() { sed -i "s|^daemonize = no|&\ncontrol.listen = $work/ctl|" "$work/$1.conf"; }
ask() { "$load" -c 64 -n "$1" --expect pong "$work/$2.sock" /ping; }

# ---- a thread for each request ----

pool one 'pm.max_children = 8' 'pm.max_requests = 1'
with_control one
start_fpm one || exit 1
server=$(pid_of one)
memory() { awk '/^VmRSS:/ { print $2 }' "/proc/$server/status"; }
threads_are() { [ "$(ls "/proc/$server/task" | wc -l)" -eq 9 ]; }
check "the first tenth is answered by a thread each" ask $((requests / 10)) one
before=$(memory)
check "$requests requests are answered by a thread each" ask "$requests" one
after=$(memory)
flat() { echo "from $before KiB to $after KiB"; [ "$after" -le $((before + before / 4 + 2048)) ]; }
if [ "$TSRMALLOC_SANITIZE" = no ]; then
    check "threads that ended leave no memory behind" flat
else
    check_skip "threads that ended leave no memory behind" "a sanitizer keeps some of each thread"
fi
check "nor threads" eventually threads_are
exact() {
    [ "$(field 'worker starts')" -ge $((requests + requests / 10)) ] || { ctl status; return 1; }
}
check "none has served two" exact
signal one QUIT
check "the server ends" ended one

# ---- seven for each, 64 clients ----

pool seven 'pm.max_children = 8' 'pm.max_requests = 7'
with_control seven
start_fpm seven
check "64 clients, seven requests a thread" ask 2000 seven
exact() { [ "$(field 'worker starts')" -ge $((2000 / 7)) ] || { ctl status; return 1; }; }
check "none has served eight" exact
signal seven QUIT
check "that server ends" ended seven

# ---- one log ----

long=$(printf '%0200d' 0)
pool logged 'pm.max_children = 64' "access.log = $work/access" \
    'access.format = "begin %m %r %q %s %{reset_us}e end"'
sed -i 's/%{reset_us}e/%{reset_us}/' "$work/logged.conf"
start_fpm logged
check "64 threads answer 64 clients" "$load" -c 64 -k -n 3000 --expect pong "$work/logged.sock" \
    "/ping?$long"
whole() {
    [ "$(grep -cE "^begin GET /ping $long 200 [0-9.]+ end\$" "$work/access")" -eq 3000 ] &&
        [ "$(wc -l <"$work/access")" -eq 3000 ] || { tail -n 3 "$work/access"; return 1; }
}
check "each request is a whole line of the access log" whole
signal logged QUIT
check "the server with the log ends" ended logged
check_summary
