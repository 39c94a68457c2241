/* dispatch: what a call becomes in a heap that must see every call (heap->sees_calls).
 *
 *   the e* family -> custom handlers, if set -> own: tracked | passed on | debug -> heap
 *   zend_mm_alloc()  ------------------------>  own
 *
 * So custom handlers may call zend_mm_alloc() and the like, and reach the heap below them. Observers
 * are told what the caller of the outermost of the two has got.
 */
#ifndef TSRMALLOC_DISPATCH_H
#define TSRMALLOC_DISPATCH_H

#include "alloc/heap.h"

typedef enum zend_mm_entrance {
    ZEND_MM_ENTRANCE_THREAD,    /* the e* family: custom handlers are asked */
    ZEND_MM_ENTRANCE_HEAP,      /* a call that names its heap */
} zend_mm_entrance;

/* As the functions of heap.h; NULL and heap->failure on failure. `heap` sees calls. */
void *zend_mm_dispatch_alloc(zend_mm_heap *heap, size_t size, zend_mm_entrance entrance);
void *zend_mm_dispatch_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size,
    zend_mm_entrance entrance);
void zend_mm_dispatch_free(zend_mm_heap *heap, void *block, zend_mm_entrance entrance);
void *zend_mm_dispatch_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size,
    zend_mm_entrance entrance);
/* Free a block that another thread gave back; custom handlers have no part in it. */
void zend_mm_dispatch_drained(zend_mm_heap *heap, void *block);
/* 0 where nobody knows. */
size_t zend_mm_dispatch_usable_size(zend_mm_heap *heap, const void *block);

#endif
