/* observer: callbacks that are told of a heap's calls. */
#ifndef TSRMALLOC_OBSERVER_H
#define TSRMALLOC_OBSERVER_H

#include "alloc/heap.h"

/* Tell every observer. Nothing while an observer runs: what it allocates itself is not told. */
void zend_mm_observers_tell_malloc(zend_mm_heap *heap, void *block, size_t size);
void zend_mm_observers_tell_realloc(zend_mm_heap *heap, void *old_block, size_t old_size,
    void *block, size_t size);
void zend_mm_observers_tell_free(zend_mm_heap *heap, void *block, size_t size);
void zend_mm_observers_tell_gc(zend_mm_heap *heap, size_t freed_size);
void zend_mm_observers_tell_reset(zend_mm_heap *heap, bool full);

/* The heap ends: its observers go. */
void zend_mm_observers_free(zend_mm_heap *heap);

#endif
