/* globals: alloc_globals. The calling thread's view of them is thread_heap.h. */
#ifndef TSRMALLOC_GLOBALS_H
#define TSRMALLOC_GLOBALS_H

#include "alloc/thread_heap.h"

/* What TSRM (or, without ZTS, one static) holds per thread. */
typedef struct zend_alloc_globals {
    zend_mm_heap *mm_heap;      /* NULL: none yet, the next allocation tries to make one */
} zend_alloc_globals;

#endif
