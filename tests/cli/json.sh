#!/bin/sh
# json: --json prints the documented object and nothing else on stdout.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

number='[0-9][0-9]*'
row="\"requests\":$number,\"operations\":$number,\"ns_per_operation\":$number\\.[0-9][0-9]"
row="$row,\"peak\":$number,\"real_peak\":$number,\"reset_ns\":$number,\"growth\":$number}"

# The same check without Python: stdout is one line of exactly these keys in this order.
shape() {
    workers="{\"worker\":0,$row"
    index=1
    while [ "$index" -lt "$1" ]; do
        workers="$workers,{\"worker\":$index,$row"
        index=$((index + 1))
    done
    [ "$(wc -l <"$work/out")" -eq 1 ] &&
        grep -q "^{\"workers\":\[$workers\],\"total\":{$row}\$" "$work/out" || {
            cat "$work/out"
            return 1
        }
}

run --json "$data/small.zmt"
check "exit status 0" status_is 0
check "nothing on stderr" nothing_on err
check "one worker: the documented keys" shape 1
check "one worker: requests and operations" out '"requests":3,"operations":22,'

run --json -t "$many" -n 2 "$data/small.zmt"
check "$many workers: the documented keys" shape "$many"
check "$many workers: the total" out \
    "\"total\":{\"requests\":$((many * 6)),\"operations\":$((many * 44)),"

run --json --startup-trace "$data/small.zmt"
check "with --startup-trace stdout has the object only" shape 1
check "with --startup-trace the tree is on stderr" err "php_module_startup"

run --json -d memory_limit=8M "$data/over_8m.zmt"
check "a limit hit: exit status 255" status_is 255
check "a limit hit: the object all the same" shape 1

if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    run --json -t "$many" "$data/small.zmt"
    check "a JSON parser takes it" python3 -m json.tool "$work/out"
else
    check_skip "a JSON parser takes it" "there is no python3"
fi

check_summary
