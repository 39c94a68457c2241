#!/bin/sh
# Configurations: what is wrong is said with file, line and reason, and nothing is started.

. "$abs_top_srcdir/tests/fpm/support.sh"

conf=$work/t.conf
root=
[ "$(id -u)" -ne 0 ] || root=-R

good="[www]
listen = $work/t.sock
pm = static
pm.max_children = 2"

# refuses TEXT PATTERN: exit status 78, a line with the pattern, no socket.
refuses() {
    printf '%s\n' "$1" >"$conf"
    "$fpm" -t $root -y "$conf" >"$work/out" 2>&1
    status=$?
    [ $status -eq 78 ] && grep -q "$2" "$work/out" &&
        grep -q 'ERROR: FPM initialization failed' "$work/out" && [ ! -e "$work/t.sock" ] ||
        { echo "status $status"; cat "$work/out"; return 1; }
}
wrong() { check "refused: $2" refuses "$1" "$2"; }

wrong "[global]
foo = 1
$good" "\[$conf:2\] unknown entry 'foo' in section \[global\]"
wrong "$good
pm.max_children = x" "\[$conf:5\] unable to parse value 'x' for entry 'pm.max_children'"
wrong "[global]
daemonize = maybe
$good" "\[$conf:2\].*invalid boolean value"
wrong "[global]
process_control_timeout = 10x
$good" "\[$conf:2\].*not a time"
wrong "[global]
log_limit = 100
$good" 'log_limit(100) must be from 512'
wrong "[global" "\[$conf:1\] syntax error: a '\]' is missing"
wrong 'pm' "\[$conf:1\] syntax error"
wrong '[global]' 'No pool defined'
wrong '[www]' '\[pool www\] no listen address'
wrong '[www]
listen = 1' 'the process manager is missing'
wrong '[www]
listen = 1
pm = fast' "\[$conf:3\].*invalid process manager"
wrong '[www]
listen = 1
pm = static' 'pm.max_children must be a positive value'
wrong "$good
listen = 127.0.0.1:69002" "invalid port value '69002'"
wrong "$good
listen.mode = 999" 'listen.mode = 999: an octal number'
wrong "$good
listen.owner = no-such-user" "cannot get uid for user 'no-such-user'"
wrong "$good
ping.path = ping" "the ping path 'ping' must start with a '/'"
wrong "$good
request_slowlog_timeout = 1" "'slowlog' must be specified"
wrong "$good
access.log = $work/a
access.format = %Z" 'access.format'
wrong "$good
php_value[] = 1" "You must provide a key for field 'php_value'"
wrong "$good
php_admin_value[memory_limit] = much" 'memory_limit'
wrong "$good
apparmor_hat = x" 'apparmor_hat'
wrong "$good
[two]
listen = $work/t.sock
pm = static
pm.max_children = 1" "already used in another pool 'www'"
wrong "include = $conf" 'files are included 5 deep at most'
wrong "include = $work/none.conf" 'Nothing matches the include pattern'

accepts() {
    printf '%s\n' "$1" >"$conf"
    "$fpm" "$2" $root -y "$conf" >"$work/out" 2>&1 && grep -q "$3" "$work/out" ||
        { cat "$work/out"; return 1; }
}
check "a right one is said to be so" accepts "$good" -t 'test is successful'
check "-tt shows every directive" accepts "$good" -tt 'pm.max_children = 2'
check "-tt shows the defaults" accepts "$good" -tt 'request_body_timeout = 60s'
mkdir "$work/d"
echo '[b]' >"$work/d/2.conf"
printf '%s\n' "$good" >"$work/d/1.conf"
echo 'pm.max_children = 9' >>"$work/d/1.conf"
rm "$work/d/2.conf"
check "files are included by a pattern" accepts "include = $work/d/*.conf" -tt \
    'pm.max_children = 9'

if getent passwd www-data >/dev/null; then
    check "the example is right" "$fpm" -t -y "$abs_top_srcdir/sapi_stubs/fpm/tsrmalloc-fpm.conf"
else
    check_skip "the example is right" "there is no user www-data"
fi

exits() { "$fpm" $2 >"$work/out" 2>&1; [ $? -eq "$1" ] || { cat "$work/out"; return 1; }; }
check "an unknown option is wrong usage" exits 64 --bogus
check "a word behind the options is wrong usage" exits 64 "-t word"
check "a file that is not there is a wrong configuration" exits 78 "-y $work/none -t"
check "-v says what it is" exits 0 -v
check "-h helps" exits 0 -h

check_summary
