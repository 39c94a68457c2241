#!/bin/sh
# As whom the server runs; most of it can be seen by root only.

. "$abs_top_srcdir/tests/fpm/support.sh"

refuses() {
    "$fpm" $2 -t -y "$work/main.conf" >"$work/out" 2>&1
    [ $? -eq 78 ] && grep -q "$1" "$work/out" || { cat "$work/out"; return 1; }
}
# field NAME: of the server's status in /proc.
field() { sed -n "s/^$1:[[:space:]]*//p" "/proc/$(pid_of main)/status"; }
is_user() { [ "$(field Uid | cut -f 2)" -eq "$1" ] && [ "$(field Gid | cut -f 2)" -eq "$2" ]; }

if [ "$(id -u)" -ne 0 ]; then
    pool main 'user = nobody'
    start_fpm main
    ignored() { grep -q "'user' directive is ignored when FPM is not running as root" \
        "$work/main.log" "$work/main.out"; }
    check "without root a user is ignored, and said to be" ignored
    check_skip "the server becomes its user" "this is not root"
    check_summary
    exit
fi

pool main
check "root is refused without -R" refuses 'user has not been defined' ''
pool main 'user = root'
check "so is root as user" refuses 'user and group other than root' ''
pool main 'user = no-such-user'
check "a user that there is not is named" refuses "uid for user 'no-such-user'" ''
pool main 'user = nobody' '[two]' "listen = $work/two.sock" 'pm = static' 'pm.max_children = 1' \
    'user = daemon'
check "two users in one process are refused" refuses 'all pools are threads of one process' ''

user=$(id -u nobody) group=$(id -g nobody)
pool main 'user = nobody' 'rlimit_files = 77' 'process.dumpable = yes'
sed -i 's/^daemonize = no/&\nrlimit_files = 512/' "$work/main.conf"
chmod 777 "$work"
start_fpm main
check "the server becomes its user" is_user "$user" "$group"
files() { [ "$(awk '/Max open files/ { print $4 }' "/proc/$(pid_of main)/limits")" -eq 512 ]; }
check "it has its limit of files" files
check "it serves" "$load" -n 10 --expect pong "$work/main.sock" /ping
sed -i 's/^user = nobody/user = daemon/' "$work/main.conf"
signal main USR2
refused() { grep -q "'user' has changed, which needs a restart" "$work/main.log"; }
check "a reload cannot change the user, and says so" eventually refused
check "it is still the same user" is_user "$user" "$group"
signal main QUIT
check "it ends" ended main

check_summary
