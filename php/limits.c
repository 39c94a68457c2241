/* limits: the memory limit and the accounts, with PHP's arguments and results.
 * Owns        nothing.
 * Thread      any; each its own heap.
 * Invariants  none of its own.
 * Failure     PHP_FAILURE: nothing has changed.
 * Tests       tests/php/limits.sh, tests/php/abi.c
 */
#include "config.h"

#include "php/error.h"
#include "php/face.h"
#include "php/host.h"

#define NO_HARD_LIMIT_BELOW 100     /* percent */

php_result php_set_memory_limit(size_t limit)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap == NULL) {
        return PHP_FAILURE;
    }
    /* The host sets the limit again when it has reported an error, just before its bailout. */
    php_end_report(heap);
    return zend_set_memory_limit(limit) ? PHP_SUCCESS : PHP_FAILURE;
}

php_result php_set_memory_hard_limit_percent(int64_t percent)
{
    const zend_mm_heap *heap = zend_mm_find_current_heap();
    bool is_sound = percent == -1 || percent >= NO_HARD_LIMIT_BELOW;
    if (heap == NULL || !is_sound || heap->limit < heap->real_size) {
        return PHP_FAILURE;
    }
    php_hard_limit_percent = percent;
    return PHP_SUCCESS;
}

bool php_is_reporting(void)
{
    return zend_alloc_in_memory_limit_error_reporting()
        || (php_host.own_is_reporting != NULL && php_host.own_is_reporting());
}

size_t php_memory_usage(bool real)
{
    return zend_memory_usage(real);
}

size_t php_memory_peak_usage(bool real)
{
    return zend_memory_peak_usage(real);
}
