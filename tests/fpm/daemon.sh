#!/bin/sh
# Into the background: the command ends when the server serves, and says so.

. "$abs_top_srcdir/tests/fpm/support.sh"

root=
[ "$(id -u)" -ne 0 ] || root=-R
background() { "$fpm" $root -D "$@"; }
gone() { ! kill -0 "$1" 2>/dev/null; }

pool main
check "the command ends with 0" background -y "$work/main.conf" -g "$work/main.pid"
started="$started main"
check "behind it the server answers" "$load" -n 1 --expect pong "$work/main.sock" /ping
check "the pid file names it" kill -0 "$(pid_of main)"
files_are_closed() {
    for file in 0 1 2; do
        [ "$(readlink "/proc/$(pid_of main)/fd/$file")" = /dev/null ] || return
    done
}
check "it holds no terminal" files_are_closed
pid=$(pid_of main)
kill -QUIT "$pid"
check "it ends" eventually gone "$pid"
check "and takes its pid file along" test ! -e "$work/main.pid"
echo 0 >"$work/main.status"

fails_with() {
    background -y "$work/main.conf" >"$work/out" 2>&1
    [ $? -eq "$1" ] || { cat "$work/out"; return 1; }
}
sed -i "s|^listen = .*|listen = $work/none/x.sock|" "$work/main.conf"
check "a server that cannot start makes the command fail" fails_with 70
sed -i 's|^pm = .*|pm = fast|' "$work/main.conf"
check "a wrong configuration does so before" fails_with 78

check_summary
