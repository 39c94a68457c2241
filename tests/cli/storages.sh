#!/bin/sh
# storages: every shipped trace, checked byte by byte, on 1 and 8 workers, for each storage.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# With a sanitizer, or in a debug build, fewer workers: the same paths in a third of the time.
[ "$many" -eq 1 ] || [ "$TSRMALLOC_SANITIZE$TSRMALLOC_DEBUG" = nono ] || many=3

# operations FILE: what the header says, the sum that the table must show.
operations() {
    gzip -dc "$1" | sed -n 's/^# ops: //p;/^[a-z]/q'
}

total() {
    grep -q "^ total  *[0-9]*  *$1 " "$work/out" || { cat "$work/out"; return 1; }
}

verify() {
    for trace in "$traces"/*.zmt.gz; do
        sum=$(operations "$trace")
        for workers in 1 $many; do
            run --verify -t "$workers" "$trace"
            name="$1, $workers workers, $(basename "$trace")"
            check "$name: exit status 0" status_is 0
            check "$name: all operations" total $((sum * workers))
            [ "$many" -gt 1 ] || break
        done
    done
}

for storage in malloc mmap_anon mmap_zero; do
    ZEND_MM_MEM_TYPE=$storage
    export ZEND_MM_MEM_TYPE
    verify "$storage"
done
unset ZEND_MM_MEM_TYPE
USE_ZEND_ALLOC=0
export USE_ZEND_ALLOC
verify "USE_ZEND_ALLOC=0"

check_summary
