/* safe_size: count * size + offset, or the overflow error. */
#ifndef TSRMALLOC_SAFE_SIZE_H
#define TSRMALLOC_SAFE_SIZE_H

#include "alloc/error.h"

static inline size_t zend_mm_safe_size(size_t count, size_t size, size_t offset)
{
    size_t product, sum;
    if (__builtin_mul_overflow(count, size, &product)
            || __builtin_add_overflow(product, offset, &sum)) {
        zend_mm_raise_overflow(count, size, offset);
    }
    return sum;
}

#endif
