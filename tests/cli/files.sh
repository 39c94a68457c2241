#!/bin/sh
# files: one that cannot be used is exit status 1, named with its line, before anything runs.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

unusable() {
    sentence=$1
    expected=$2
    shift 2
    run "$@"
    check "$sentence: exit status 1" status_is 1
    check "$sentence: says so" err "$expected"
    check "$sentence: nothing on stdout" nothing_on out
}

unusable "a file that is not there" "nowhere.zmt: No such file or directory" nowhere.zmt
unusable "a directory" "$data: Is a directory" "$data"
unusable "an id that is not live" \
    "bad_dead_id.zmt:17: found '1', expected an id that is live" "$data/bad_dead_id.zmt"
unusable "a file that is no trace" ":1: found '" "$abs_top_srcdir/configure.ac"
unusable "a bad file behind a good one" "bad_dead_id.zmt:17:" \
    "$data/small.zmt" "$data/bad_dead_id.zmt"

head -c 100000 "$traces/dokuwiki-opcache.zmt.gz" >"$work/cut.zmt.gz"
unusable "a gzip file that was cut" "found 'unexpected end of file', expected intact gzip data" \
    "$work/cut.zmt.gz"

cp "$traces/dokuwiki-opcache.zmt.gz" "$work/damaged.zmt.gz"
printf 'damaged' | dd of="$work/damaged.zmt.gz" bs=1 seek=300000 conv=notrunc 2>/dev/null
unusable "a gzip file that was damaged" "$work/damaged.zmt.gz:" "$work/damaged.zmt.gz"

gzip -c "$data/small.zmt" >"$work/small.zmt.gz"
run "$work/small.zmt.gz"
check "gzip and plain are told apart by content: exit status 0" status_is 0
check "a gzip file has the same operations" out "3 requests, 22 operations"

check_summary
