#!/bin/sh
# startup_trace: the flow as it ran, for every thread: the functions, nested as documented.
set -u
. "$abs_top_srcdir/tests/cli/support.sh"

# section NAME: the lines of one thread, without times and decisions.
section() {
    awk -v name="$1" '
        /^main thread$/ || /^worker [0-9]+$/ { inside = $0 == name; next }
        !/^  / { inside = 0 }
        inside { match($0, /^ */); print RLENGTH / 2 - 1 " " $1 }
    ' "$work/out"
}

# nested NAME FUNCTION...: each function stands deeper than, and behind, the one before.
nested() {
    name=$1
    shift
    section "$name" | awk -v chain="$*" '
        BEGIN { count = split(chain, wanted, " "); at = 1; depth = -1 }
        at <= count && $2 == wanted[at] && $1 > depth { depth = $1; at++ }
        END { exit at <= count }
    ' || { section "$name"; return 1; }
}

count_of() {
    found=$(section "$1" | grep -c " $2\$")
    [ "$found" -eq "$3" ] || { section "$1"; return 1; }
}

flow="php_module_startup zend_startup start_memory_manager"
heap="alloc_globals_ctor zend_mm_startup zend_mm_startup_ex zend_mm_init"

run -t "$many" --startup-trace "$data/small.zmt"
check "exit status 0" status_is 0
# Word splitting is meant here and below.
# shellcheck disable=SC2086
check "main thread: the flow of the design, in its order" nested "main thread" $flow $heap
check "main thread: sapi_startup" count_of "main thread" sapi_startup 1
check "main thread: configuration" nested "main thread" php_module_startup php_init_config
check "main thread: modules" nested "main thread" php_module_startup zend_startup_modules
check "main thread: one heap" count_of "main thread" alloc_globals_ctor 1
check "every step has ended" sh -c "! grep -q 'not finished' '$work/out'"
check "nothing was lost" sh -c "! grep -q 'were not kept' '$work/out'"
check "the storage is named" out "mmap_anon"
check "the limit is named" out "memory_limit 128M"
if [ "$TSRMALLOC_ZTS" = yes ]; then
    index=0
    while [ "$index" -lt "$many" ]; do
        # shellcheck disable=SC2086
        check "worker $index: a heap of its own" nested "worker $index" $heap
        check "worker $index: made once" count_of "worker $index" alloc_globals_ctor 1
        check "worker $index: its start" count_of "worker $index" sapi_thread_start 1
        index=$((index + 1))
    done
fi

# Every thread's heap is its own, made by its own ctor call, on the storage that was asked for.
if [ "$TSRMALLOC_ZTS" = yes ]; then heaps=$((many + 1)); else heaps=1; fi
heaps_are() {
    calls=$(grep -c " alloc_globals_ctor .*$1" "$work/out")
    apart=$(sed -n 's/.* alloc_globals_ctor .*mm_heap = //p' "$work/out" | sort -u | wc -l)
    [ "$calls" -eq "$heaps" ] && [ "$apart" -eq "$heaps" ] || { cat "$work/out"; return 1; }
}
storages_are() {
    found=$(grep -c " zend_mm_startup_ex .*'$1'" "$work/out")
    [ "$found" -eq "$heaps" ] || { cat "$work/out"; return 1; }
}
for storage in malloc mmap_anon mmap_zero; do
    ZEND_MM_MEM_TYPE=$storage run -t "$many" --startup-trace "$data/small.zmt"
    check "$storage: exit status 0" status_is 0
    check "$storage: a heap for each thread" heaps_are "USE_ZEND_ALLOC = 1"
    check "$storage: on that storage" storages_are "$storage"
done
USE_ZEND_ALLOC=0 run -t "$many" --startup-trace "$data/small.zmt"
check "USE_ZEND_ALLOC=0: a heap for each thread" heaps_are "USE_ZEND_ALLOC = 0"
check "USE_ZEND_ALLOC=0: no storage" sh -c "! grep -q zend_mm_startup_ex '$work/out'"

USE_ZEND_ALLOC=0 run --startup-trace "$data/small.zmt"
check "USE_ZEND_ALLOC=0: exit status 0" status_is 0
check "USE_ZEND_ALLOC=0: the heap is not made" count_of "main thread" zend_mm_startup 0
check "USE_ZEND_ALLOC=0: the ctor says so" out "USE_ZEND_ALLOC"

run "$data/small.zmt"
check "without the option there is no tree" sh -c "! grep -q php_module_startup '$work/out'"

check_summary
