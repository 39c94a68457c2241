/* quarantine: blocks that were freed and rest for a while before their memory is used again, so that
 * Valgrind or AddressSanitizer sees who still touches them. First in, first out. */
#ifndef TSRMALLOC_QUARANTINE_H
#define TSRMALLOC_QUARANTINE_H

#include "alloc/heap.h"

#define ZEND_MM_QUARANTINE_COUNT 4096u                  /* blocks */
#define ZEND_MM_QUARANTINE_SIZE ((size_t)4 << 20)       /* bytes, of all together */

/* Owner only. */
typedef struct zend_mm_quarantine {
    size_t size;                /* bytes that rest */
    size_t first, count;        /* places in the ring */
    void *blocks[ZEND_MM_QUARANTINE_COUNT];
} zend_mm_quarantine;

/* `base` is a block of the heap below the debug mode, and hidden. Older ones make room. */
void zend_mm_quarantine_give(zend_mm_heap *heap, void *base);
/* Free all that rests; true: there was something. */
bool zend_mm_quarantine_flush(zend_mm_heap *heap);
/* The request ends, and what rests with it. */
void zend_mm_quarantine_clear(zend_mm_heap *heap);

#endif
