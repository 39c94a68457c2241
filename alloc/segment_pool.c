/* segment_pool: a bounded ring of segment addresses per built-in mmap storage.
 * Owns        the segments in the ring; nothing is stored inside them, since another thread may
 *             have unmapped what it just took.
 * Thread      any.
 * Invariants  I1  a segment in the ring has no owner in the segment map
 *             I2  existing == segments of heaps + segments in the ring
 * Failure     a full ring refuses; the caller unmaps.
 * Tests       tests/unit/segment_pool.c, tests/stress/pool_threads.c
 */
#include "config.h"

#include "alloc/segment_pool.h"

#include "alloc/tsan.h"

/* Apart from the pools: all zero, they are no part of the library's file. */
static ck_ring_buffer_t mmap_anon_buffer[ZEND_MM_POOL_CAPACITY];
static ck_ring_buffer_t mmap_zero_buffer[ZEND_MM_POOL_CAPACITY];

zend_mm_segment_pool zend_mm_mmap_anon_pool = {
    .ring = { .size = ZEND_MM_POOL_CAPACITY, .mask = ZEND_MM_POOL_CAPACITY - 1 },
    .buffer = mmap_anon_buffer,
};
zend_mm_segment_pool zend_mm_mmap_zero_pool = {
    .ring = { .size = ZEND_MM_POOL_CAPACITY, .mask = ZEND_MM_POOL_CAPACITY - 1 },
    .buffer = mmap_zero_buffer,
};

void *zend_mm_pool_take(zend_mm_segment_pool *pool)
{
    void *segment = NULL;
    if (!ck_ring_dequeue_mpmc(&pool->ring, pool->buffer, &segment)) {
        return NULL;
    }
    zend_mm_tsan_acquire(segment);
    return segment;
}

bool zend_mm_pool_give(zend_mm_segment_pool *pool, void *segment)
{
    zend_mm_tsan_release(segment);
    return ck_ring_enqueue_mpmc(&pool->ring, pool->buffer, segment);
}

void *zend_mm_pool_take_excess(zend_mm_segment_pool *pool, zend_mm_pool_slack slack)
{
    /* Claimed before it is looked at, so that two threads do not both take the last one. */
    int64_t existing = atomic_fetch_sub_explicit(&pool->existing, 1, memory_order_relaxed);
    int64_t expected = atomic_load_explicit(&pool->expected, memory_order_relaxed);
    if (existing * ZEND_MM_POOL_FRACTION > expected + (int64_t)slack) {
        void *segment = zend_mm_pool_take(pool);
        if (segment != NULL) {
            return segment;
        }
    }
    zend_mm_pool_count(pool, 1);
    return NULL;
}

void zend_mm_pool_count(zend_mm_segment_pool *pool, int64_t count)
{
    atomic_fetch_add_explicit(&pool->existing, count, memory_order_relaxed);
}

void zend_mm_pool_expect(zend_mm_segment_pool *pool, int64_t difference)
{
    atomic_fetch_add_explicit(&pool->expected, difference, memory_order_relaxed);
}

unsigned int zend_mm_pool_size(zend_mm_segment_pool *pool)
{
    return ck_ring_size(&pool->ring);
}

size_t zend_mm_pooled_size(void)
{
    return ((size_t)zend_mm_pool_size(&zend_mm_mmap_anon_pool)
        + zend_mm_pool_size(&zend_mm_mmap_zero_pool)) * ZEND_MM_SEGMENT_SIZE;
}

/* Threads that the child does not have may have claimed a place (p_head) without filling it
 * (p_tail): take the claim back. A segment such a thread had just taken out stays mapped. */
static void pool_after_fork(zend_mm_segment_pool *pool)
{
    pool->ring.p_head = pool->ring.p_tail;
}

void zend_mm_pools_after_fork(void)
{
    pool_after_fork(&zend_mm_mmap_anon_pool);
    pool_after_fork(&zend_mm_mmap_zero_pool);
}
