#!/bin/sh
# run: the table: a row for each worker, a total, and numbers that follow from the trace.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# field ROW COLUMN: one cell of the table; sizes and times have a unit, so count from the left.
field() {
    awk -v row="$1" -v column="$2" '$1 == row { print $column; exit }' "$work/out"
}

cell() {
    value=$(field "$1" "$2")
    [ "$value" = "$3" ] || { echo "row $1 column $2: '$value'"; cat "$work/out"; return 1; }
}

rows() {
    count=$(awk '$1 ~ /^[0-9]+$/ && $2 ~ /^[0-9]+$/' "$work/out" | wc -l)
    [ "$count" -eq "$1" ] || { echo "$count rows"; cat "$work/out"; return 1; }
}

run "$data/small.zmt"
check "one worker: exit status 0" status_is 0
check "one worker: nothing on stderr" nothing_on err
check "one worker: one row" rows 1
check "one worker: requests" cell 0 2 3
check "one worker: operations" cell 0 3 22
check "one worker: the total is the worker" cell total 3 22
check "the trace is described" out "small.zmt: 3 requests, 22 operations, at most 6 blocks"

run -n 5 "$data/small.zmt"
check "-n 5: requests" cell 0 2 15
check "-n 5: operations" cell 0 3 110

run -n 2 "$data/small.zmt" "$data/over_8m.zmt"
check "two files: exit status 0" status_is 0
check "two files: requests of both" cell 0 2 12
check "two files: operations of both" cell 0 3 64

run -t "$many" -n 3 "$data/small.zmt"
check "$many workers: exit status 0" status_is 0
check "$many workers: a row each" rows "$many"
check "$many workers: requests of the last" cell $((many - 1)) 2 9
check "$many workers: requests in total" cell total 2 $((many * 9))
check "$many workers: operations in total" cell total 3 $((many * 66))
check "no block was freed by another thread" cell total 11 0

run --verify "$data/small.zmt"
check "--verify: exit status 0" status_is 0
check "--verify: operations" cell 0 3 22

run -d memory_limit=-1 "$data/small.zmt"
check "no limit: exit status 0" status_is 0

# The largest request holds one block of 3 MiB and small ones; the heap itself takes 2 MiB at least.
run "$data/small.zmt"
check "peak size is that of the largest request" cell 0 5 3.0
check "real peak is what the heap held" cell 0 7 5.0

check_summary
