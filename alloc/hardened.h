/* hardened: ZEND_MM_HARDENED=1: every free of a small block is looked up in a bitmap of live slots,
 * freed slots rest in a quarantine, new ones are handed out in random order.
 *
 * The base functions are what lies below debug: the hardened heap where it is one, else the heap.
 */
#ifndef TSRMALLOC_HARDENED_H
#define TSRMALLOC_HARDENED_H

#include "alloc/heap.h"

/* Harden `heap` from now on; it has no blocks yet. false: no memory. */
bool zend_mm_hardened_start(zend_mm_heap *heap);

/* What is random from here on the heap of no other process, parent or child, repeats. */
void zend_mm_hardened_refresh(zend_mm_heap *heap);

/* As the functions of heap.h. */
void *zend_mm_base_alloc(zend_mm_heap *heap, size_t size);
void *zend_mm_base_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size);
void zend_mm_base_free(zend_mm_heap *heap, void *block);
void *zend_mm_base_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size);

/* Free what rests in the quarantine; true: there was something. */
bool zend_mm_hardened_flush(zend_mm_heap *heap);
/* The request ends: nothing is live. */
void zend_mm_hardened_reset(zend_mm_heap *heap);
void zend_mm_hardened_end(zend_mm_heap *heap);

#endif
