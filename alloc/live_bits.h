/* live_bits: one bit per 8 bytes of each segment: does a live slot start there?
 * A segment is known by its number in the heap's segment table, which is dense. A number may pass to
 * another segment at any time: where a segment goes away no slot of it is live. */
#ifndef TSRMALLOC_LIVE_BITS_H
#define TSRMALLOC_LIVE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc/segment.h"

#define ZEND_MM_LIVE_BITS_WORD_COUNT (ZEND_MM_SEGMENT_SIZE / ZEND_MM_ALIGNMENT / 64)

/* Owner only. Zeroed: no bit is set. */
typedef struct zend_mm_live_bits {
    uint64_t **segments;    /* by number; NULL: no bit of the segment is set */
    size_t capacity;        /* of `segments`: 0 or a power of two */
} zend_mm_live_bits;

static inline uint64_t zend_mm_live_bit_of(const void *slot)
{
    return UINT64_C(1) << (uintptr_t)slot / ZEND_MM_ALIGNMENT % 64;
}

/* The word with the slot's bit; NULL: there is none yet. */
static inline uint64_t *zend_mm_live_bits_word(const zend_mm_live_bits *live, uint32_t number,
    const void *slot)
{
    uint64_t *bits = number < live->capacity ? live->segments[number] : NULL;
    return bits == NULL ? NULL
        : &bits[((uintptr_t)slot & ZEND_MM_SEGMENT_MASK) / ZEND_MM_ALIGNMENT / 64];
}

/* Bits for a segment that has none. false: no memory. */
bool zend_mm_live_bits_add(zend_mm_live_bits *live, uint32_t number) ZEND_MM_USE_RESULT;

static inline bool zend_mm_live_bits_is_set(const zend_mm_live_bits *live, uint32_t number,
    const void *slot)
{
    const uint64_t *word = zend_mm_live_bits_word(live, number, slot);
    return word != NULL && (*word & zend_mm_live_bit_of(slot)) != 0;
}

/* false: no memory. */
static inline ZEND_MM_USE_RESULT bool zend_mm_live_bits_set(zend_mm_live_bits *live,
    uint32_t number, const void *slot)
{
    uint64_t *word = zend_mm_live_bits_word(live, number, slot);
    if (__builtin_expect(word == NULL, 0)) {
        if (!zend_mm_live_bits_add(live, number)) {
            return false;
        }
        word = zend_mm_live_bits_word(live, number, slot);
    }
    *word |= zend_mm_live_bit_of(slot);
    return true;
}

/* Was it set? */
static inline bool zend_mm_live_bits_clear(zend_mm_live_bits *live, uint32_t number,
    const void *slot)
{
    uint64_t *word = zend_mm_live_bits_word(live, number, slot);
    if (word == NULL) {
        return false;
    }
    uint64_t before = *word;
    *word = before & ~zend_mm_live_bit_of(slot);
    return *word != before;
}

/* Clear all; the memory of the first few segments is kept for the next request. */
void zend_mm_live_bits_reset(zend_mm_live_bits *live);
/* Clear all, and give the memory back. */
void zend_mm_live_bits_free(zend_mm_live_bits *live);

#endif
