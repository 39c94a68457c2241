/* process_limit: one budget for all heaps, because N threads times one limit is not what an operator
 * has.
 * Owns        the count of held bytes, and the limit.
 * Thread      any.
 * Invariants  I1  held <= limit at every moment: a size is added by compare-and-swap, and only where
 *                 it fits
 *             I2  what is in a pool is held, though no heap's
 * Failure     false: nothing is counted.
 * Tests       tests/unit/process_limit.c, tests/stress/process_limit_threads.c
 */
#include "config.h"

#include "alloc/process_limit.h"

#include <stdatomic.h>

#include "alloc/os.h"
#include "alloc/segment_pool.h"

/* atomic: sequentially consistent, both: a thread that takes memory writes `held` and reads `limit`,
 * one that sets the limit writes `limit` and reads `held`; one of the two sees the other. */
static _Atomic size_t held;
static _Atomic size_t limit = SIZE_MAX;
/* atomic: relaxed, for statistics. */
static _Atomic uint64_t take_count, give_count;

static void give_up(size_t size)
{
    atomic_fetch_sub(&held, size);
}

void zend_mm_process_release(size_t size)
{
    give_up(size);
    atomic_fetch_add_explicit(&give_count, 1, memory_order_relaxed);
}

static bool try_reserve(size_t size)
{
    size_t now = atomic_load(&held);
    do {
        size_t most = atomic_load(&limit);
        if (size > most || now > most - size) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(&held, &now, now + size));
    /* The limit may have been lowered since it was read. */
    if (now + size <= atomic_load(&limit)) {
        atomic_fetch_add_explicit(&take_count, 1, memory_order_relaxed);
        return true;
    }
    give_up(size);
    return false;
}

/* Unmap one segment that waits in a pool; false: there is none. */
static bool empty_pools(void)
{
    zend_mm_segment_pool *const pools[] = { &zend_mm_mmap_anon_pool, &zend_mm_mmap_zero_pool };
    for (size_t index = 0; index < sizeof pools / sizeof pools[0]; index++) {
        void *segment = zend_mm_pool_take(pools[index]);
        if (segment != NULL) {
            zend_mm_pool_count(pools[index], -1);
            zend_mm_os_unmap(segment, ZEND_MM_SEGMENT_SIZE);
            zend_mm_process_release(ZEND_MM_SEGMENT_SIZE);
            return true;
        }
    }
    return false;
}

bool zend_mm_process_reserve(size_t size)
{
    while (!try_reserve(size)) {
        if (!empty_pools()) {
            return try_reserve(size);
        }
    }
    return true;
}

size_t zend_mm_process_limit(void)
{
    return atomic_load(&limit);
}

size_t zend_mm_process_usage(void)
{
    return atomic_load(&held);
}

void zend_mm_process_counts(uint64_t *taken, uint64_t *given)
{
    *taken = atomic_load_explicit(&take_count, memory_order_relaxed);
    *given = atomic_load_explicit(&give_count, memory_order_relaxed);
}

size_t zend_mm_process_trim(size_t keep_size)
{
    size_t given = 0;
    while (zend_mm_pooled_size() > keep_size && empty_pools()) {
        given += ZEND_MM_SEGMENT_SIZE;
    }
    return given;
}

bool zend_mm_set_process_limit(size_t new_limit)
{
    size_t old_limit = atomic_exchange(&limit, new_limit);
    while (atomic_load(&held) > new_limit) {
        if (!empty_pools() && atomic_load(&held) > new_limit) {
            atomic_store(&limit, old_limit);
            return false;
        }
    }
    return true;
}
