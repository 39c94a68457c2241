#!/bin/sh
# limit: a request that hits its limit ends alone; the rest runs, the exit status is 255.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

message="Allowed memory size of 8388608 bytes exhausted (tried to allocate 16777216 bytes)"

lines() {
    count=$(grep -cF -e "$message" "$work/err")
    [ "$count" -eq "$1" ] || { cat "$work/err"; return 1; }
}

run -d memory_limit=8M "$data/over_8m.zmt"
check "exit status 255" status_is 255
check "the message has worker and request" err "worker 0, request 2: $message"
check "the message stands once" lines 1
check "the request after it runs: 3 requests, 3 + 2 + 2 operations" out \
    "     0         3            7"

run -d memory_limit=8M -t "$many" -n 10 "$data/over_8m.zmt"
check "$many workers: exit status 255" status_is 255
check "$many workers: a message for each turn of each worker" lines $((many * 10))
check "$many workers: all requests run" out \
    " total $(printf '%9d %12d' $((many * 30)) $((many * 70)))"

run -d memory_limit=8M --verify "$data/over_8m.zmt"
check "--verify: exit status 255" status_is 255
check "--verify: the message" err "worker 0, request 2: $message"

run -d memory_limit=32M "$data/over_8m.zmt"
check "a limit that is high enough: exit status 0" status_is 0

run -d memory_limit=8M -d memory_limit=32M "$data/over_8m.zmt"
check "the last of two limits counts" status_is 0

run -d memory_limit=1K "$data/small.zmt"
check "a limit below an empty heap is raised, and said" err \
    "memory_limit of 1024 bytes is less than an empty heap holds, raised to 2097152 bytes"
check "the raised limit holds" err "Allowed memory size of 2097152 bytes exhausted"

# 4 GiB and 8 bytes: sizes beyond 32 bits reach the heap unchanged.
run "$data/wide.zmt"
check "a size beyond 32 bits is refused by the default limit" err \
    "Allowed memory size of 134217728 bytes exhausted (tried to allocate 4294967304 bytes)"
check "so is growing to it" err "request 2: Allowed memory size"

check_summary
