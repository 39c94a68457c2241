/* live_bits: which slots are live, beside the heap.
 * Owns        a bitmap of 32 KiB per segment that has had a live slot since the last clearing.
 * Thread      the heap's owner.
 * Invariants  at most half of the places are used.
 * Failure     set: false, nothing has changed.
 * Tests       tests/unit/live_bits.c
 */
#include "config.h"

#include "alloc/live_bits.h"

#include <stdlib.h>

#include "alloc/segment.h"

#define WORD_COUNT (ZEND_MM_SEGMENT_SIZE / ZEND_MM_ALIGNMENT / 64)
#define FIRST_CAPACITY ((size_t)16)

static uintptr_t number_of(const void *slot)
{
    return (uintptr_t)slot >> ZEND_MM_SEGMENT_SHIFT;
}

static size_t index_in_segment(const void *slot)
{
    return ((uintptr_t)slot & ZEND_MM_SEGMENT_MASK) / ZEND_MM_ALIGNMENT;
}

/* Where a segment's bits are, or where they would go. */
static zend_mm_segment_bits *place_of(const zend_mm_live_bits *live, uintptr_t number)
{
    size_t place = (size_t)((uint64_t)number * UINT64_C(0x9E3779B97F4A7C15) >> 32);
    place &= live->capacity - 1;
    while (live->segments[place].number != 0 && live->segments[place].number != number) {
        place = (place + 1) & (live->capacity - 1);
    }
    return &live->segments[place];
}

static bool grow(zend_mm_live_bits *live)
{
    zend_mm_live_bits larger = { .capacity = live->capacity == 0 ? FIRST_CAPACITY
                                                                  : live->capacity * 2 };
    larger.segments = calloc(larger.capacity, sizeof *larger.segments);
    if (larger.segments == NULL) {
        return false;
    }
    for (size_t place = 0; place < live->capacity; place++) {
        if (live->segments[place].number != 0) {
            *place_of(&larger, live->segments[place].number) = live->segments[place];
        }
    }
    larger.count = live->count;
    free(live->segments);
    *live = larger;
    return true;
}

/* The word with the slot's bit; NULL: no bit of the segment is set. */
static uint64_t *word_of(const zend_mm_live_bits *live, const void *slot)
{
    if (live->capacity == 0) {
        return NULL;
    }
    const zend_mm_segment_bits *segment = place_of(live, number_of(slot));
    return segment->number == 0 ? NULL : &segment->bits[index_in_segment(slot) / 64];
}

static uint64_t bit_of(const void *slot)
{
    return UINT64_C(1) << index_in_segment(slot) % 64;
}

bool zend_mm_live_bits_is_set(const zend_mm_live_bits *live, const void *slot)
{
    const uint64_t *word = word_of(live, slot);
    return word != NULL && (*word & bit_of(slot)) != 0;
}

bool zend_mm_live_bits_set(zend_mm_live_bits *live, const void *slot)
{
    uint64_t *word = word_of(live, slot);
    if (word == NULL) {
        if ((live->count + 1) * 2 > live->capacity && !grow(live)) {
            return false;
        }
        uint64_t *bits = calloc(WORD_COUNT, sizeof *bits);
        if (bits == NULL) {
            return false;
        }
        *place_of(live, number_of(slot)) = (zend_mm_segment_bits){ number_of(slot), bits };
        live->count++;
        word = &bits[index_in_segment(slot) / 64];
    }
    *word |= bit_of(slot);
    return true;
}

void zend_mm_live_bits_clear(zend_mm_live_bits *live, const void *slot)
{
    uint64_t *word = word_of(live, slot);
    if (word != NULL) {
        *word &= ~bit_of(slot);
    }
}

void zend_mm_live_bits_free(zend_mm_live_bits *live)
{
    for (size_t place = 0; place < live->capacity; place++) {
        free(live->segments[place].bits);
    }
    free(live->segments);
    *live = (zend_mm_live_bits){ 0 };
}
