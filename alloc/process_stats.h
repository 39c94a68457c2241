/* process_stats: what a heap publishes of itself for other threads to read while it runs. */
#ifndef TSRMALLOC_PROCESS_STATS_H
#define TSRMALLOC_PROCESS_STATS_H

#include <ck_sequence.h>
#include <stdatomic.h>
#include <stdint.h>

struct zend_mm_heap;

typedef enum zend_mm_published {
    ZEND_MM_PUBLISHED_STATE,
    ZEND_MM_PUBLISHED_SIZE,
    ZEND_MM_PUBLISHED_PEAK,
    ZEND_MM_PUBLISHED_REAL_SIZE,
    ZEND_MM_PUBLISHED_REAL_PEAK,
    ZEND_MM_PUBLISHED_CACHED_SIZE,
    ZEND_MM_PUBLISHED_LIMIT,
    ZEND_MM_PUBLISHED_RESETS,
    ZEND_MM_PUBLISHED_COUNT,
} zend_mm_published;

/* Written by the owner, read by any thread; survives in the struct's place when the heap ends. */
typedef struct zend_mm_snapshot {
    ck_sequence_t sequence;             /* one writer: the owner, in zend_mm_publish */
    _Atomic uint64_t is_listed;         /* atomic: relaxed; 0 for an internal heap, and before the first
                                         * publication */
    _Atomic uint64_t thread;            /* atomic: relaxed; number of the thread that uses the heap */
    _Atomic uint64_t values[ZEND_MM_PUBLISHED_COUNT];   /* atomic: relaxed, under `sequence` */
} zend_mm_snapshot;

/* Publish the heap's accounts. Owner; O(bins). */
void zend_mm_publish(struct zend_mm_heap *heap);

#endif
