#!/bin/sh
# What a service manager sees: sockets that it, or another program, passes, and what the server
# tells it.

. "$abs_top_srcdir/tests/fpm/support.sh"

root=
[ "$(id -u)" -ne 0 ] || root=-R

if needs systemd-socket-activate "a socket of the service manager is served"; then
    pool main
    start main systemd-socket-activate -l "$work/main.sock" "$fpm" -F $root -y "$work/main.conf"
    check "the service manager's socket is there first" eventually listens "$work/main.sock"
    check "a connection starts the server, which answers it" \
        "$load" -n 10 --expect pong "$work/main.sock" /ping
    signal main QUIT
    check "it ends" ended main
    check "the socket is left to its owner" test -S "$work/main.sock"
fi

if needs spawn-fcgi "a socket as standard input is served"; then
    pool spawned
    start spawned spawn-fcgi -n -s "$work/spawned.sock" -- "$fpm" -F $root -y "$work/spawned.conf"
    check "the server starts" eventually is_ready spawned
    check "a socket as standard input is served" \
        "$load" -n 10 --expect pong "$work/spawned.sock" /ping
    signal spawned QUIT
    check "that server ends" ended spawned
    check "and leaves the socket to its owner" test -S "$work/spawned.sock"
fi

if needs perl "the server tells what it does"; then
    cat >"$work/receive" <<'PERL'
use Socket;
socket(my $file, PF_UNIX, SOCK_DGRAM, 0) or die;
bind($file, pack_sockaddr_un($ARGV[0])) or die;
$| = 1;
while (defined recv($file, my $text, 4096, 0)) { print "$text\n"; }
PERL
    start receive perl "$work/receive" "$work/notify"
    eventually test -S "$work/notify"
    pool told
    NOTIFY_SOCKET=$work/notify
    export NOTIFY_SOCKET
    start_fpm told
    told() { grep -q "$1" "$work/receive.out" || { cat "$work/receive.out"; return 1; }; }
    check "READY when it serves" eventually told 'READY=1'
    check "how many requests there were, and that it lives" eventually told 'Requests: .*slow'
    check "WATCHDOG, so that the service manager sees a server that hangs" \
        eventually told 'WATCHDOG=1'
    signal told USR2
    check "RELOADING while it reloads" eventually told 'RELOADING=1'
    signal told QUIT
    check "STOPPING when it ends" eventually told 'STOPPING=1'
    check "and it ends" ended told
    signal receive TERM
fi

check_summary
