#!/bin/sh
# reload_load: requests that take 50 ms while the configuration is read again and again: none
# fails, none is refused. What reloads add to the 99th percentile is printed, not asserted: machines
# differ. RELOAD_REQUESTS (300; reload_load_long.sh: 4,000) is how many there are on either side.
set -u
# shellcheck source=tests/fpm/support.sh
. "$abs_top_srcdir/tests/fpm/support.sh"

requests=${RELOAD_REQUESTS:-300}
if ! "$fpm" -m | grep -qx lua; then
    check_skip "requests of 50 ms live through reloads" "this build has no Lua"
    check_summary
    exit
fi
cp -r "$abs_top_srcdir/tests/fpm/root" "$work/root"
chmod -R u+w,a+rX "$work/root"
pool www 'pm.max_children = 8'
start_fpm www || exit 1

# The script is in the body, which is larger than what is read ahead, when the pause comes.
ask() {
    "$load" --json -c 8 -n "$requests" -b 100000 --pause 50 -s "$work/root/echo.lua" \
        --expect 'method POST
body 100000
' "$@" "$work/www.sock" /echo.lua
}
reloads() { grep -c 'Reloading in progress' "$work/www.log"; }
ready() { grep -c 'ready to handle connections' "$work/www.log"; }
is_ready_again() { [ "$(ready)" -gt "$1" ]; }
ask_with_reloads() {
    ask "$@" >"$work/with.json" &
    asker=$!
    while kill -0 $asker 2>/dev/null; do
        before=$(ready)
        signal www USR2
        eventually is_ready_again "$before" || break
    done
    wait $asker
}
is_clean() { [ "$asked" -eq 0 ] || { cat "$1"; return 1; }; }
# figure FILE NAME: microseconds.
figure() { sed -n "s/.*\"$2\":\\([0-9.]*\\).*/\\1/p" "$work/$1.json"; }
take_50_ms() { figure without p50; figure without p50 | awk '{ exit !($1 >= 50000) }'; }

for way in new kept; do
    set --
    [ $way = new ] || set -- -k
    ask "$@" >"$work/without.json"
    asked=$?
    check "$way connections: $requests requests" is_clean "$work/without.json"
    check "each takes 50 ms" take_50_ms
    before_all=$(reloads)
    ask_with_reloads "$@"
    asked=$?
    count=$(($(reloads) - before_all))
    check "$way connections: as many with $count reloads: none fails, none is refused" \
        is_clean "$work/with.json"
    check "there were reloads" [ $count -ge 5 ]
    echo "$(figure without p99) $(figure with p99) $(figure with max)" |
        awk '{ printf "p99 %.1f ms, with reloads %.1f ms: %.1f ms are added; slowest %.1f ms\n",
            $1 / 1000, $2 / 1000, ($2 - $1) / 1000, $3 / 1000 }'
done
signal www QUIT
check "the server ends" ended www
check_summary
