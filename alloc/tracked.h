/* tracked: USE_ZEND_ALLOC=0 with USE_TRACKED_ALLOC: blocks of the C library that are remembered. */
#ifndef TSRMALLOC_TRACKED_H
#define TSRMALLOC_TRACKED_H

#include "alloc/heap.h"

/* Remember blocks from now on; `heap` has no storage. false: no memory. */
bool zend_mm_tracked_start(zend_mm_heap *heap);
/* As the functions of heap.h. */
void *zend_mm_tracked_alloc(zend_mm_heap *heap, size_t size);
void zend_mm_tracked_free(zend_mm_heap *heap, void *block);
void *zend_mm_tracked_realloc(zend_mm_heap *heap, void *block, size_t size);
size_t zend_mm_tracked_size(const zend_mm_heap *heap, const void *block);
/* 0 for anything else than a live block, or if nothing is remembered. */
size_t zend_mm_tracked_find_size(const zend_mm_heap *heap, const void *block);
/* The request ends. silent: survivors are freed; else they are forgotten, for a leak checker to find,
 * as in PHP. */
void zend_mm_tracked_reset(zend_mm_heap *heap, bool silent);
void zend_mm_tracked_end(zend_mm_heap *heap, bool silent);

#endif
