#!/bin/sh
# limits: PHP's memory limit, as it is met anywhere in a program, and the limit of the process.
set -u
. "$abs_top_srcdir/tests/php/support.sh"

for limit in 2M 4M 32M; do
    same "memory_limit=$limit: the text, and what a shutdown function sees" \
        -d "memory_limit=$limit" "$scripts/limit_text.php"
    ours -d "memory_limit=$limit" "$scripts/limit_text.php"
    check "memory_limit=$limit: exit status 255" status_is 255
done
same "memory_limit=1M is refused, 2M is not" "$scripts/limit_set.php"
for place in main shutdown output destructor end handler handled include sort generator; do
    same "the limit is hit in: $place" -d memory_limit=8M "$scripts/limit_in.php" "$place"
    check "exit status 255" status_is 255
done
ours -d memory_limit=8M "$scripts/limit_in.php" compile
if nm -D "$php_library" | grep -q zend_set_memory_hard_limit_percent; then
    check "far past the limit, where PHP cannot stop: the hard limit" err \
        "Hard memory limit of 16777216 bytes exhausted (tried to allocate "
    check "with exit status 137, as without the drop-in" status_is 137
else
    check "a limit far passed while compiling: exit status 255" status_is 255
fi
same "a limit raised and lowered by the script" "$scripts/limit_raised.php"
same "a huge block that cannot be had" -d memory_limit=64M "$scripts/limit_huge.php"

TSRMALLOC_PROCESS_LIMIT=16M
export TSRMALLOC_PROCESS_LIMIT
ours "$scripts/limit_text.php"
check "TSRMALLOC_PROCESS_LIMIT=16M: the request ends at it" out \
    "Allowed process memory size of 16777216 bytes exhausted (tried to allocate N bytes)"
check "with exit status 255" status_is 255
for wrong in 1 x 3q 64MB; do
    TSRMALLOC_PROCESS_LIMIT=$wrong
    ours "$scripts/hello.php"
    check "TSRMALLOC_PROCESS_LIMIT=$wrong is named as wrong" err \
        "TSRMALLOC_PROCESS_LIMIT=$wrong: expected"
    check "with exit status 64" status_is 64
done
check_summary
