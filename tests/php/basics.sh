#!/bin/sh
# basics: a PHP program with the drop-in behaves as one without; what callers depend on.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

TSRMALLOC_INFO=1
export TSRMALLOC_INFO
ours "$scripts/hello.php"
unset TSRMALLOC_INFO
check "TSRMALLOC_INFO=1 says that the drop-in serves" err ": served PHP 8."
check "a script runs with the drop-in" out_is hello

same "an idle request holds 2097152 bytes" "$scripts/idle.php"
ours "$scripts/idle.php"
check "it is the drop-in that says so" out "real 2097152, peak 2097152"
same "phpinfo: the memory manager is enabled" "$scripts/phpinfo.php"
same "arrays, strings, objects, generators, closures, exceptions, references" "$scripts/values.php"
same "sizes of all bins, large and huge blocks, grown and cut" "$scripts/sizes.php"
same "fatal errors, exit() and exceptions give the same status: error" "$scripts/error.php"
same "fatal errors, exit() and exceptions give the same status: exit" "$scripts/exit.php"
same "a destructor, a shutdown function and an output handler run at the end" "$scripts/end.php"
same "fibers" "$scripts/fibers.php"

ours "$scripts/gc.php"
check "gc_mem_caches() gives bytes back" out "gc gave back"
check "memory_reset_peak_usage() takes the peak down" out "peak was reset"

# Without the heap everything comes from malloc, and statistics are 0.
USE_ZEND_ALLOC=0
export USE_ZEND_ALLOC
same "USE_ZEND_ALLOC=0: the same output" "$scripts/values.php"
same "USE_ZEND_ALLOC=0: no statistics" "$scripts/idle.php"
same "USE_ZEND_ALLOC=0: phpinfo says disabled" "$scripts/phpinfo.php"
USE_TRACKED_ALLOC=1
export USE_TRACKED_ALLOC
same "USE_TRACKED_ALLOC=1: the same output" "$scripts/values.php"
same "USE_TRACKED_ALLOC=1: a limit holds" -d memory_limit=4M "$scripts/limit_text.php"
unset USE_ZEND_ALLOC USE_TRACKED_ALLOC
for value in yes '' 0x1; do
    USE_ZEND_ALLOC=$value
    export USE_ZEND_ALLOC
    same "USE_ZEND_ALLOC='$value' turns the heap off, as in PHP 8" "$scripts/phpinfo.php"
done
unset USE_ZEND_ALLOC

USE_ZEND_ALLOC_HUGE_PAGES=1
export USE_ZEND_ALLOC_HUGE_PAGES
same "USE_ZEND_ALLOC_HUGE_PAGES=1: the same output" "$scripts/values.php"
unset USE_ZEND_ALLOC_HUGE_PAGES
for debug in poison_alloc=0x5a,poison_free=0xa5,padding=16 check_freelists_on_shutdown=1; do
    ZEND_MM_DEBUG=$debug
    export ZEND_MM_DEBUG
    same "ZEND_MM_DEBUG=$debug: the same output" "$scripts/values.php"
done
unset ZEND_MM_DEBUG
ZEND_MM_HARDENED=1
export ZEND_MM_HARDENED
same "ZEND_MM_HARDENED=1: the same output" "$scripts/end.php"
unset ZEND_MM_HARDENED

check_summary
