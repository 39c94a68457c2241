#!/bin/sh
# tsrmalloc-fpmctl and the control socket.

. "$abs_top_srcdir/tests/fpm/support.sh"

ctl() { "$abs_top_builddir/tsrmalloc-fpmctl" "$work/ctl" "$@"; }
says() { says_pattern=$1; shift; ctl "$@" >"$work/out" 2>&1; grep -q "$says_pattern" "$work/out" ||
    { cat "$work/out"; return 1; }; }
exits() { exits_status=$1; shift; "$@" >"$work/out" 2>&1; [ $? -eq "$exits_status" ] ||
    { cat "$work/out"; return 1; }; }

pool main
sed -i "s|^daemonize = no|&\ncontrol.listen = $work/ctl|" "$work/main.conf"
start_fpm main
check "status names the pool and its workers" says 'total processes: *4' status
check "status is given in each format" says '"pool":"www"' status json
check "each thread's heap is listed" says 'heap .*: thread [1-9]' heaps
check "reload is the signal USR2" says ok reload
reloaded() { [ "$(grep -c 'ready to handle' "$work/main.log")" -eq 2 ]; }
check "and has reloaded" reloaded
check "reopen is the signal USR1" says ok reopen
check "an unknown command is refused, with those that there are" exits 1 ctl dance
check "without a command there is the usage" exits 64 "$abs_top_builddir/tsrmalloc-fpmctl" x
check "without a server that is said" exits 69 \
    "$abs_top_builddir/tsrmalloc-fpmctl" "$work/none" status
rights() { [ "$(stat -c %a "$work/ctl")" = 600 ]; }
check "only the server's user may use the socket" rights
signal main QUIT
check "the server ends" ended main
check "its control socket is gone" test ! -e "$work/ctl"

check_summary
