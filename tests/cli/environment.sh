#!/bin/sh
# environment: the variables of the heap, their error texts and exit status 255.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

exact() {
    printf '%s\n' "$1" | cmp -s - "$work/err" || { cat "$work/err"; return 1; }
}

with() {
    variable=$1
    shift
    status=0
    env "$variable" "$cli" "$@" >"$work/out" 2>"$work/err" || status=$?
}

types="  supported types:
    'malloc'
    'mmap_anon'
    'mmap_zero'"

with ZEND_MM_MEM_TYPE=floppy "$data/small.zmt"
check "an unknown storage: exit status 255" status_is 255
check "an unknown storage: text" exact "Wrong or unsupported zend_mm storage type 'floppy'
$types"
with ZEND_MM_MEM_TYPE= "$data/small.zmt"
check "an empty storage is unknown, not unset: exit status 255" status_is 255
check "an empty storage: text" exact "Wrong or unsupported zend_mm storage type ''
$types"
with ZEND_MM_MEM_TYPE=MALLOC "$data/small.zmt"
check "storages are compared exactly" status_is 255

for size in 3M 3000000 2097153; do
    with ZEND_MM_SEG_SIZE=$size "$data/small.zmt"
    check "segment size $size: exit status 255" status_is 255
    check "segment size $size: text" exact "ZEND_MM_SEG_SIZE must be a power of two"
done
for size in 1M 65536 16; do
    with ZEND_MM_SEG_SIZE=$size "$data/small.zmt"
    check "segment size $size: exit status 255" status_is 255
    check "segment size $size: text" exact "ZEND_MM_SEG_SIZE is too small"
done
for size in 2M 4m 2097152 0x800000; do
    with ZEND_MM_SEG_SIZE=$size --verify -t "$many" "$data/small.zmt"
    check "segment size $size: exit status 0" status_is 0
done

with ZEND_MM_REMOTE_FREE=maybe "$data/small.zmt"
check "an unknown way with remote frees: exit status 255" status_is 255
check "an unknown way with remote frees: text" exact \
    "ZEND_MM_REMOTE_FREE must be 'accept' or 'panic', not 'maybe'"
with ZEND_MM_REMOTE_FREE=panic --verify -t "$many" "$data/small.zmt"
check "a replay frees nothing remotely" status_is 0

for compact in 0 1M 64M; do
    with ZEND_MM_COMPACT=$compact --verify -n 3 "$data/small.zmt"
    check "compact $compact: exit status 0" status_is 0
done

for value in 0 "" no; do
    with USE_ZEND_ALLOC=$value -i
    check "USE_ZEND_ALLOC='$value' is the C library" out "C library"
done
with USE_ZEND_ALLOC=1 -i
check "USE_ZEND_ALLOC=1 is the heap" out "storage             mmap_anon"
with USE_ZEND_ALLOC=0 -t "$many" -n 2 --verify "$data/small.zmt"
check "the C library replays too" status_is 0

check_summary
