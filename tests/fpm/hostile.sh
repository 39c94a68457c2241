#!/bin/sh
# hostile: broken, slow and malicious clients, with tests/fpm/hostile.c; the server has two workers
# and short deadlines. It answers on, and nothing is left behind.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

cp -r --no-preserve=mode "$abs_top_srcdir/tests/fpm/root" "$work/root"
mkdir "$work/root/folder.lua"
echo 'print("secret")' >"$work/secret.lua"
echo 'notes' >"$work/root/notes.txt"
ln -s "$work/secret.lua" "$work/root/link.lua"
chmod -R u+w,a+rX "$work"
pool www 'pm.max_children = 2' 'request_header_timeout = 1s' 'request_body_timeout = 1s' \
    'request_send_timeout = 1s' 'keepalive_timeout = 1s' 'security.limit_extensions = .lua'
start_fpm www || exit 1

try() { "$abs_top_builddir/tests/fpm/hostile" "$1" "$work/www.sock" "$work/root"; }
both_are_idle() {
    "$load" --may-differ -n 1 "$work/www.sock" '/status?json' &&
        "$load" -n 20 -c 2 --expect pong "$work/www.sock" /ping
}
check "every row of broken input is answered as the parser says" try rows
check "clients that stop in the middle hold nobody up" try silence
check "clients that give up leave nothing running" try abort
check "scripts outside the root cannot be reached" try paths
check "both workers are there" both_are_idle
signal www QUIT
check "the server ends" ended www
check_summary
