/* live_bits: which slots are live, beside the heap.
 * Owns        a bitmap of 32 KiB per segment that has had a live slot since the last reset, and of the
 *             first few segments always.
 * Thread      the heap's owner.
 * Invariants  a bitmap is found by a number alone: nothing is read near the slot.
 * Failure     set: false, nothing has changed.
 * Tests       tests/unit/live_bits.c
 */
#include "config.h"

#include "alloc/live_bits.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY ((size_t)16)
#define KEPT_COUNT 4u       /* bitmaps that a reset clears, and does not free */

static bool grow(zend_mm_live_bits *live, uint32_t number)
{
    size_t capacity = live->capacity == 0 ? FIRST_CAPACITY : live->capacity;
    while (capacity <= number) {
        capacity *= 2;
    }
    uint64_t **segments = realloc(live->segments, capacity * sizeof(uint64_t *));
    if (segments == NULL) {
        return false;
    }
    memset(segments + live->capacity, 0, (capacity - live->capacity) * sizeof(uint64_t *));
    live->segments = segments;
    live->capacity = capacity;
    return true;
}

bool zend_mm_live_bits_add(zend_mm_live_bits *live, uint32_t number)
{
    if (number >= live->capacity && !grow(live, number)) {
        return false;
    }
    live->segments[number] = calloc(ZEND_MM_LIVE_BITS_WORD_COUNT, sizeof(uint64_t));
    return live->segments[number] != NULL;
}

void zend_mm_live_bits_reset(zend_mm_live_bits *live)
{
    for (size_t number = 0; number < live->capacity; number++) {
        uint64_t *bits = live->segments[number];
        if (number < KEPT_COUNT && bits != NULL) {
            memset(bits, 0, ZEND_MM_LIVE_BITS_WORD_COUNT * sizeof *bits);
        } else {
            free(bits);
            live->segments[number] = NULL;
        }
    }
}

void zend_mm_live_bits_free(zend_mm_live_bits *live)
{
    for (size_t number = 0; number < live->capacity; number++) {
        free(live->segments[number]);
    }
    free(live->segments);
    *live = (zend_mm_live_bits){ 0 };
}
