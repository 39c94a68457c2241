#!/bin/sh
# Listening sockets: rights, addresses, who may connect, whose path it is.

. "$abs_top_srcdir/tests/fpm/support.sh"

log_has() { grep -q "$2" "$work/$1.log" || { cat "$work/$1.log"; return 1; }; }
ask() { "$load" -n 1 --expect pong --timeout 5 "$@" /ping; }
fails() { ! "$@"; }

pool main 'listen.mode = 0600'
start_fpm main
mode_is() { [ "$(stat -c %a "$work/main.sock")" = 600 ]; }
check "a unix socket has its mode" mode_is
second() {
    cp "$work/main.conf" "$work/second.conf"
    sed -i "s|error_log = .*|error_log = $work/second.log|" "$work/second.conf"
    root=
    [ "$(id -u)" -ne 0 ] || root=-R
    "$fpm" -F $root -y "$work/second.conf"
    [ $? -eq 78 ] && log_has second 'seems to already listen'
}
check "a socket on which another server answers is left to it" second
check "which still answers" ask "$work/main.sock"
kill -KILL "$(pid_of main)"
ended main 137
check "a killed server leaves its socket" test -S "$work/main.sock"
rm "$work/main.log"
start_fpm main
check "the next one takes it over" ask "$work/main.sock"
signal main QUIT
ended main
touch "$work/main.sock"
no_file() {
    "$fpm" -F $([ "$(id -u)" -ne 0 ] || echo -R) -y "$work/main.conf"
    [ $? -eq 78 ] && [ -f "$work/main.sock" ] && log_has main 'something that is no socket'
}
check "a file in its place is not removed" no_file

# Access lists: by whom they let in, and by what getfacl reads.
acl() {
    pool acl 'listen.mode = 0600' "$@"
    start_fpm acl
}
if ! command -v getfacl >/dev/null; then
    check_skip "a socket has its access list" "getfacl is not installed"
elif ! grep -q '^#define TSRMALLOC_ACL 1' "$abs_top_builddir/config.h"; then
    check_skip "a socket has its access list" "this build has no libacl"
elif acl 'listen.acl_users = nobody,1234' 'listen.acl_groups = daemon' >"$work/out" 2>&1; then
    entry() {
        getfacl -cpn "$work/acl.sock" | grep -qx "$1" ||
            { getfacl -cpn "$work/acl.sock"; return 1; }
    }
    check "a socket has its access list: a user's name" entry "user:$(id -u nobody):rw-"
    check "a user's number" entry 'user:1234:rw-'
    check "a group" entry "group:$(getent group daemon | cut -d : -f 3):rw-"
    check "its owner's rights are what they were" entry 'user::rw-'
    check "others have none" entry 'other::---'
    signal acl QUIT
    ended acl
else
    check_skip "a socket has its access list" \
        "the file system has none: $(tail -n 1 "$work/acl.log")"
fi
unknown() {
    pool acl 'listen.acl_users = nobody, no-such-user'
    "$fpm" -t $([ "$(id -u)" -ne 0 ] || echo -R) -y "$work/acl.conf" >"$work/out" 2>&1
    [ $? -eq 78 ] && grep -qE "number of 'no-such-user'|need a build with libacl" "$work/out" ||
        { cat "$work/out"; return 1; }
}
check "a user of the list that is not there is named" unknown

# A port that is free now; if somebody takes it before us, the test is skipped.
port=$((20000 + $$ % 20000))
pool tcp "listen = 127.0.0.1:$port"
pool six "listen = [::1]:$port"
pool any "listen = $port" 'listen.allowed_clients = 127.0.0.1, nonsense'
if start_fpm tcp >"$work/out" 2>&1; then
    check "IPv4 answers" ask "127.0.0.1:$port"
    signal tcp QUIT
    check "and ends" ended tcp
    start_fpm any
    check "a port alone is every address" ask "127.0.0.1:$port"
    check "a wrong address of listen.allowed_clients is named" log_has any \
        "Wrong IP address 'nonsense'"
    if [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6; then
        check "who is not in the list is dropped" fails ask "[::1]:$port"
        check "and named" log_has any "IP address '::1' has been dropped"
    else
        check_skip "who is not in the list is dropped" "there is no IPv6 address"
    fi
    signal any QUIT
    ended any
else
    check_skip "IPv4 answers" "port $port is taken"
fi

check_summary
