/* segment_pool: a bounded stack of segment addresses per built-in mmap storage.
 * Owns        the segments on the stack, and the places that note them. Places are never unmapped: a
 *             thread may look at one that another has just taken.
 * Thread      any. Nobody waits for anybody, as the producers of a ck_ring would: a thread that lost its
 *             time slice in the middle holds no other up.
 * Invariants  I1  a segment in the pool has no owner in the segment map
 *             I2  existing == segments of heaps + segments in the pool
 *             I3  a place is filled, or emptied, or in one thread's hand, or behind begun_count
 * Failure     a full pool refuses; the caller unmaps.
 * Tests       tests/unit/segment_pool.c, tests/stress/pool_threads.c, tests/stress/pool_progress.c
 */
#include "config.h"

/* Builds for ThreadSanitizer have CK made of compiler builtins, which cannot exchange two words. */
#undef CK_USE_CC_BUILTINS

#include "alloc/segment_pool.h"

#include "alloc/tsan.h"

/* Apart from the pools: all zero, they are no part of the library's file. */
static zend_mm_pool_place mmap_anon_places[ZEND_MM_POOL_CAPACITY];
static zend_mm_pool_place mmap_zero_places[ZEND_MM_POOL_CAPACITY];

zend_mm_segment_pool zend_mm_mmap_anon_pool = { .places = mmap_anon_places };
zend_mm_segment_pool zend_mm_mmap_zero_pool = { .places = mmap_zero_places };

/* ---- the one wrapper around the stacks ---- */

static void push(ck_stack_t *stack, zend_mm_pool_place *place)
{
    zend_mm_tsan_release(place);
    ck_pr_fence_release();
    ck_stack_push_mpmc(stack, &place->link);
}

/* NULL: there is none. Each attempt reads both words again, the count of takes before the topmost place.
 * ck_stack_pop_mpmc goes on with what a failed exchange read instead: on ARM that may be the place as it was
 * before a take with the count as it is after it, and then what lies below the place may change unseen. */
static zend_mm_pool_place *pop(ck_stack_t *stack)
{
    ck_stack_entry_t *place;
    while (!ck_stack_trypop_mpmc(stack, &place)) {
        if (CK_STACK_ISEMPTY(stack)) {
            return NULL;
        }
    }
    ck_pr_fence_acquire();
    zend_mm_tsan_acquire(place);
    return (zend_mm_pool_place *)place;
}

/* ---- segments ---- */

/* A place that has no segment; NULL when all have one. */
static zend_mm_pool_place *find_place(zend_mm_segment_pool *pool)
{
    zend_mm_pool_place *place = pop(&pool->emptied);
    unsigned int begun = atomic_load_explicit(&pool->begun_count, memory_order_relaxed);
    while (place == NULL && begun < ZEND_MM_POOL_CAPACITY) {
        if (atomic_compare_exchange_weak_explicit(&pool->begun_count, &begun, begun + 1,
                memory_order_relaxed, memory_order_relaxed)) {
            place = &pool->places[begun];
        }
    }
    return place;
}

void *zend_mm_pool_take(zend_mm_segment_pool *pool)
{
    zend_mm_pool_place *place = pop(&pool->filled);
    if (place == NULL) {
        return NULL;
    }
    atomic_fetch_sub_explicit(&pool->size, 1, memory_order_relaxed);
    void *segment = place->segment;
    push(&pool->emptied, place);
    return segment;
}

bool zend_mm_pool_give(zend_mm_segment_pool *pool, void *segment)
{
    zend_mm_pool_place *place = find_place(pool);
    if (place == NULL) {
        return false;
    }
    place->segment = segment;
    atomic_fetch_add_explicit(&pool->size, 1, memory_order_relaxed);
    push(&pool->filled, place);
    return true;
}

bool zend_mm_pool_drop(zend_mm_segment_pool *pool, zend_mm_pool_slack slack)
{
    /* Claimed before it is looked at, so that two threads do not both drop the last one. */
    int64_t existing = atomic_fetch_sub_explicit(&pool->existing, 1, memory_order_relaxed);
    int64_t expected = atomic_load_explicit(&pool->expected, memory_order_relaxed);
    int64_t kept = expected > 0 ? expected + (int64_t)slack : 0;
    if (existing * ZEND_MM_POOL_FRACTION > kept) {
        return true;
    }
    zend_mm_pool_count(pool, 1);
    return false;
}

void *zend_mm_pool_take_excess(zend_mm_segment_pool *pool, zend_mm_pool_slack slack)
{
    if (!zend_mm_pool_drop(pool, slack)) {
        return NULL;
    }
    void *segment = zend_mm_pool_take(pool);
    if (segment == NULL) {
        zend_mm_pool_count(pool, 1);
    }
    return segment;
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
    return atomic_load_explicit(&pool->size, memory_order_relaxed);
}

size_t zend_mm_pooled_size(void)
{
    return ((size_t)zend_mm_pool_size(&zend_mm_mmap_anon_pool)
        + zend_mm_pool_size(&zend_mm_mmap_zero_pool)) * ZEND_MM_SEGMENT_SIZE;
}

/* A thread that the child does not have may have counted a segment that it never gave, or not yet one that
 * it took. */
static void pool_after_fork(zend_mm_segment_pool *pool)
{
    const ck_stack_entry_t *place;
    unsigned int size = 0;
    CK_STACK_FOREACH(&pool->filled, place) {
        size++;
    }
    atomic_store_explicit(&pool->size, size, memory_order_relaxed);
}

void zend_mm_pools_after_fork(void)
{
    pool_after_fork(&zend_mm_mmap_anon_pool);
    pool_after_fork(&zend_mm_mmap_zero_pool);
}
