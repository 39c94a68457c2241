/* segment_pool: 2 MiB segments that left one heap and wait for the next, shared by all heaps of one
 * storage type. What it may keep follows from what requests used: each heap expects a number of
 * segments (a moving average of its requests' peaks, never less than it holds now). After a request
 * has ended, no more exist than all heaps together expect, rounded to whole ones; after a heap has ended,
 * one more, unless it was the last heap: then none, so that what the process does at its end has the room.
 */
#ifndef TSRMALLOC_SEGMENT_POOL_H
#define TSRMALLOC_SEGMENT_POOL_H

#include <ck_stack.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "alloc/zend_alloc.h"

#define ZEND_MM_POOL_CAPACITY 1024      /* segments */
#define ZEND_MM_POOL_FRACTION 256       /* expectations are counted in 1/256 of a segment */

/* How much more than expected may exist, in 1/256 segments. */
typedef enum zend_mm_pool_slack {
    ZEND_MM_POOL_SLACK_NONE = 0,        /* what may be the last request of a program ended */
    ZEND_MM_POOL_SLACK_REQUEST = ZEND_MM_POOL_FRACTION / 2,     /* a worker's request ended: round */
    ZEND_MM_POOL_SLACK_HEAP = ZEND_MM_POOL_FRACTION,    /* a heap ended: the next one begins with it */
} zend_mm_pool_slack;

/* Where the pool notes a segment: never in the segment itself, which another thread may have unmapped. */
typedef struct zend_mm_pool_place {
    ck_stack_entry_t link;              /* first: a place is found by it */
    void *segment;                      /* of the thread that has the place in hand */
} zend_mm_pool_place;

/* A pair of words, which one instruction exchanges: the address of the topmost place, and how often one
 * was taken. */
#define ZEND_MM_POOL_STACK alignas(2 * sizeof(void *)) ck_stack_t

typedef struct zend_mm_segment_pool {
    ZEND_MM_POOL_STACK filled;          /* atomic: ck_stack mpmc; places with a segment */
    ZEND_MM_POOL_STACK emptied;         /* atomic: ck_stack mpmc; places that had one */
    zend_mm_pool_place *places;         /* const: POOL_CAPACITY of them */
    _Atomic unsigned int begun_count;   /* atomic: compare-and-swap; places from the first that had one */
    _Atomic unsigned int size;          /* atomic: relaxed adds; at least as many as are in `filled` */
    _Atomic int64_t expected;           /* atomic: relaxed adds; 1/256 segments, over all heaps */
    _Atomic int64_t existing;           /* atomic: relaxed adds; segments in heaps and pool */
} zend_mm_segment_pool;

extern zend_mm_segment_pool zend_mm_mmap_anon_pool;
extern zend_mm_segment_pool zend_mm_mmap_zero_pool;

/* The segment that was given last, ready to be used, contents undefined; NULL when the pool is empty. */
void *zend_mm_pool_take(zend_mm_segment_pool *pool);

/* Keep `segment` for later. false: the pool is full, the caller gives it to the storage. */
bool zend_mm_pool_give(zend_mm_segment_pool *pool, void *segment);

/* Do more segments exist than are expected, and `slack` where any are? Then one of the caller's is no longer
 * counted, and it gives that to the storage. */
bool zend_mm_pool_drop(zend_mm_segment_pool *pool, zend_mm_pool_slack slack);

/* The same, of one that the pool has. NULL: no more exist, or the pool has none. */
void *zend_mm_pool_take_excess(zend_mm_segment_pool *pool, zend_mm_pool_slack slack);

/* The storage made `count` segments for a heap of this pool, or (count < 0) took them back. */
void zend_mm_pool_count(zend_mm_segment_pool *pool, int64_t count);

/* A heap's expectation changed by `difference` 1/256 segments. */
void zend_mm_pool_expect(zend_mm_segment_pool *pool, int64_t difference);

/* Segments waiting now, those that are just coming or leaving included. */
unsigned int zend_mm_pool_size(zend_mm_segment_pool *pool);
/* Bytes waiting in all pools. */
size_t zend_mm_pooled_size(void);

/* In a forked child: count again. A segment or a place that another thread had just in hand is lost. */
void zend_mm_pools_after_fork(void);

#endif
