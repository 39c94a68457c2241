/* live_bits: one bit per 8 bytes of each segment: does a live slot start there? */
#ifndef TSRMALLOC_LIVE_BITS_H
#define TSRMALLOC_LIVE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct zend_mm_segment_bits {
    uintptr_t number;       /* of the segment's 2 MiB; 0: free place */
    uint64_t *bits;         /* C library memory */
} zend_mm_segment_bits;

/* Owner only. Zeroed: no bit is set. */
typedef struct zend_mm_live_bits {
    zend_mm_segment_bits *segments;     /* open addressing, linear probing */
    size_t capacity;                    /* 0 or a power of two */
    size_t count;
} zend_mm_live_bits;

bool zend_mm_live_bits_is_set(const zend_mm_live_bits *live, const void *slot);
/* false: no memory. */
bool zend_mm_live_bits_set(zend_mm_live_bits *live, const void *slot);
void zend_mm_live_bits_clear(zend_mm_live_bits *live, const void *slot);
/* Clear all, and give the memory back. */
void zend_mm_live_bits_free(zend_mm_live_bits *live);

#endif
