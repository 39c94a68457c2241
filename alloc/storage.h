/* storage: the built-in storage handlers, found by their name. */
#ifndef TSRMALLOC_STORAGE_H
#define TSRMALLOC_STORAGE_H

#include "alloc/zend_alloc.h"

typedef struct zend_mm_segment_pool zend_mm_segment_pool;

/* One built-in storage. A pool (segments that outlive their heap) exists for the mmap ones only. */
typedef struct zend_mm_storage_type {
    zend_mm_mem_handlers handlers;
    zend_mm_segment_pool *pool;
} zend_mm_storage_type;

/* The table, in the order of ZEND_MM_MEM_TYPE's error text; ends with a NULL name. */
extern const zend_mm_storage_type zend_mm_storage_types[];

/* The storage named exactly `name`; NULL name: the default one. NULL when there is none. */
const zend_mm_storage_type *zend_mm_storage_find(const char *name);

/* The pool of these handlers; NULL for handlers that are not built in, or have none. */
zend_mm_segment_pool *zend_mm_storage_pool(const zend_mm_mem_handlers *handlers);

#endif
