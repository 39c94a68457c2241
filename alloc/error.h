/* error: how a failed allocation is reported. */
#ifndef TSRMALLOC_ERROR_H
#define TSRMALLOC_ERROR_H

#include "alloc/heap.h"

/* Report why the last allocation of `size` bytes from `heap` failed (heap->failure; heap may be
 * NULL: there is none), then bail out. */
void zend_mm_raise(zend_mm_heap *heap, size_t size) ZEND_MM_NORETURN;

/* Report `count * size + offset` as an overflow, then bail out. */
void zend_mm_raise_overflow(size_t count, size_t size, size_t offset) ZEND_MM_NORETURN;

#endif
