/* segment_pool: 2 MiB segments that left one heap and wait for the next, shared by all heaps of one
 * storage type. What it may keep follows from what requests used: each heap expects a number of
 * segments (a moving average of its requests' peaks, never less than it holds now). After a request
 * has ended, no more exist than all heaps together expect, rounded to whole ones; after a heap has ended,
 * one more.
 */
#ifndef TSRMALLOC_SEGMENT_POOL_H
#define TSRMALLOC_SEGMENT_POOL_H

#include <ck_ring.h>
#include <stdatomic.h>

#include "alloc/zend_alloc.h"

#define ZEND_MM_POOL_CAPACITY 1024      /* segments; a power of two */
#define ZEND_MM_POOL_FRACTION 256       /* expectations are counted in 1/256 of a segment */

/* How much more than expected may exist, in 1/256 segments. */
typedef enum zend_mm_pool_slack {
    ZEND_MM_POOL_SLACK_REQUEST = ZEND_MM_POOL_FRACTION / 2,     /* a request ended: round */
    ZEND_MM_POOL_SLACK_HEAP = ZEND_MM_POOL_FRACTION,    /* a heap ended: the next one begins with it */
} zend_mm_pool_slack;

typedef struct zend_mm_segment_pool {
    ck_ring_t ring;                     /* lock-free: ck_ring mpmc, in segment_pool.c only */
    ck_ring_buffer_t *buffer;           /* const: POOL_CAPACITY of them */
    _Atomic int64_t expected;           /* atomic: relaxed adds; 1/256 segments, over all heaps */
    _Atomic int64_t existing;           /* atomic: relaxed adds; segments in heaps and pool */
} zend_mm_segment_pool;

extern zend_mm_segment_pool zend_mm_mmap_anon_pool;
extern zend_mm_segment_pool zend_mm_mmap_zero_pool;

/* A segment that is ready to be used, contents undefined; NULL when the pool is empty. */
void *zend_mm_pool_take(zend_mm_segment_pool *pool);

/* Keep `segment` for later. false: the pool is full, the caller gives it to the storage. */
bool zend_mm_pool_give(zend_mm_segment_pool *pool, void *segment);

/* A segment that exists beyond what is expected and `slack`, no longer counted: the caller gives it to the
 * storage. NULL: there is none, or none in the pool. */
void *zend_mm_pool_take_excess(zend_mm_segment_pool *pool, zend_mm_pool_slack slack);

/* The storage made `count` segments for a heap of this pool, or (count < 0) took them back. */
void zend_mm_pool_count(zend_mm_segment_pool *pool, int64_t count);

/* A heap's expectation changed by `difference` 1/256 segments. */
void zend_mm_pool_expect(zend_mm_segment_pool *pool, int64_t difference);

/* Segments waiting now. */
unsigned int zend_mm_pool_size(zend_mm_segment_pool *pool);
/* Bytes waiting in all pools. */
size_t zend_mm_pooled_size(void);

/* In a forked child: drop what other threads were doing to the pools at the time of the fork. */
void zend_mm_pools_after_fork(void);

#endif
