/* hardened: a heap that remembers which slots are live, and does not reuse one at once.
 * Owns        heap->hardened: the bits of live slots, the quarantine.
 * Thread      the heap's owner.
 * Invariants  I1  a slot's bit is set from its allocation to its free
 *             I2  a slot in the quarantine is live for the heap below, and filled with FREED_BYTE from
 *                 its start to its end
 * Failure     NULL with heap->failure set; misuse and damage end the process.
 * Tests       tests/unit/hardened.c, tests/death/hardened.c
 */
#include "config.h"

#include "alloc/hardened.h"

#include <string.h>

#include "alloc/live_bits.h"
#include "alloc/os.h"
#include "alloc/panic.h"

#define QUARANTINE_COUNT 512u   /* slots; each freed one takes the place of a random other */
#define FREED_BYTE 0xDB

typedef struct zend_mm_hardened zend_mm_hardened;
struct zend_mm_hardened {
    zend_mm_live_bits live;
    uint64_t random_state;
    size_t quarantine_count;    /* places in use */
    void *quarantine[QUARANTINE_COUNT];
};

bool zend_mm_hardened_start(zend_mm_heap *heap)
{
    heap->hardened = calloc(1, sizeof *heap->hardened);
    if (heap->hardened == NULL) {
        return false;
    }
    heap->hardened->random_state = zend_mm_os_random() | 1;
    return true;
}

/* A number in 0 .. count - 1 that another process cannot guess. */
static uint32_t stress_below(zend_mm_hardened *hardened, uint32_t count)
{
    uint64_t state = hardened->random_state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    hardened->random_state = state;
    return (uint32_t)((state >> 32) * count >> 32);
}

/* ---- the quarantine ---- */

static bool is_filled(const void *slot, size_t size)
{
    const unsigned char *bytes = slot;
    return bytes[0] == FREED_BYTE && memcmp(bytes, bytes + 1, size - 1) == 0;
}

/* The size of a slot that rests; the process ends if somebody wrote to it. */
static size_t check_filled(const zend_mm_heap *heap, const void *slot)
{
    size_t size = zend_mm_heap_find_size(heap, slot);
    if (!is_filled(slot, size)) {
        zend_mm_panic("a free slot was overwritten", slot, (int)zend_mm_bin_of(size));
    }
    return size;
}

/* Hand a slot from the quarantine to the heap below. */
static void release(zend_mm_heap *heap, void *slot)
{
    heap->quarantined_size -= check_filled(heap, slot);
    zend_mm_heap_free(heap, slot);
}

bool zend_mm_hardened_flush(zend_mm_heap *heap)
{
    zend_mm_hardened *hardened = heap->hardened;
    if (hardened == NULL || hardened->quarantine_count == 0) {
        return false;
    }
    while (hardened->quarantine_count > 0) {
        release(heap, hardened->quarantine[--hardened->quarantine_count]);
    }
    return true;
}

static void quarantine(zend_mm_heap *heap, void *slot, size_t size)
{
    zend_mm_hardened *hardened = heap->hardened;
    memset(slot, FREED_BYTE, size);
    heap->quarantined_size += size;
    if (hardened->quarantine_count < QUARANTINE_COUNT) {
        hardened->quarantine[hardened->quarantine_count++] = slot;
        return;
    }
    uint32_t place = stress_below(hardened, QUARANTINE_COUNT);
    void *evicted = hardened->quarantine[place];
    hardened->quarantine[place] = slot;
    release(heap, evicted);
}

/* ---- random order ---- */

/* The free slots of a bin that was just carved, shuffled together with `slot`, which was the first of
 * them; the one that is to be handed out. */
static void *shuffle(zend_mm_heap *heap, uint32_t bin, void *slot)
{
    void *slots[ZEND_MM_PAGE_SIZE / ZEND_MM_ALIGNMENT + 1] = { slot };
    uint32_t count = 1;
    zend_mm_bucket *bucket = &heap->free_buckets[bin];
    while (count < sizeof slots / sizeof slots[0] && bucket->first != NULL) {
        slots[count++] = bucket->first;
        bucket->first = zend_mm_link_next(zend_mm_link_open(bucket->first, heap->link_key));
    }
    for (uint32_t index = count - 1; index > 0; index--) {
        uint32_t other = stress_below(heap->hardened, index + 1);
        void *swapped = slots[index];
        slots[index] = slots[other];
        slots[other] = swapped;
    }
    for (uint32_t index = 1; index < count; index++) {
        ((zend_mm_slot *)slots[index])->link = zend_mm_link_encode(bucket->first, heap->link_key);
        bucket->first = slots[index];
    }
    bucket->second = bucket->first;
    return slots[0];
}

/* ---- calls ---- */

static bool is_small(const zend_mm_heap *heap, const void *block)
{
    size_t size = zend_mm_heap_find_size(heap, block);
    return size > 0 && size <= ZEND_MM_MAX_SMALL_SIZE;
}

/* Set the bit of what was just allocated, if it is a slot. */
static void *born(zend_mm_heap *heap, void *block)
{
    if (block != NULL && is_small(heap, block)
            && !zend_mm_live_bits_set(&heap->hardened->live, block)) {
        zend_mm_heap_free(heap, block);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return NULL;
    }
    return block;
}

static void *alloc(zend_mm_heap *heap, size_t size)
{
    if (size > ZEND_MM_MAX_SMALL_SIZE) {
        return zend_mm_heap_alloc(heap, size);
    }
    uint32_t bin = zend_mm_bin_of(size);
    bool was_empty = heap->free_buckets[bin].first == NULL;
    void *slot = zend_mm_heap_alloc(heap, size);
    if (slot != NULL && was_empty && is_small(heap, slot)) {
        slot = shuffle(heap, bin, slot);
    }
    return slot;
}

void *zend_mm_base_alloc(zend_mm_heap *heap, size_t size)
{
    if (heap->hardened == NULL) {
        return zend_mm_heap_alloc(heap, size);
    }
    void *block = alloc(heap, size);
    if (block == NULL && zend_mm_hardened_flush(heap)) {
        block = alloc(heap, size);
    }
    return born(heap, block);
}

void *zend_mm_base_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size)
{
    void *block = zend_mm_heap_alloc_aligned(heap, alignment, size);
    if (heap->hardened == NULL) {
        return block;
    }
    if (block == NULL && zend_mm_hardened_flush(heap)) {
        block = zend_mm_heap_alloc_aligned(heap, alignment, size);
    }
    return born(heap, block);
}

/* The bit of a slot must be set: whoever frees or resizes it must own it. */
static void check_live(const zend_mm_heap *heap, const void *slot, size_t size)
{
    if (!zend_mm_live_bits_is_set(&heap->hardened->live, slot)) {
        zend_mm_panic("a block was freed twice", slot, (int)zend_mm_bin_of(size));
    }
}

void zend_mm_base_free(zend_mm_heap *heap, void *block)
{
    if (heap->hardened == NULL || !is_small(heap, block)) {
        zend_mm_heap_free(heap, block);
        return;
    }
    size_t size = zend_mm_heap_find_size(heap, block);
    check_live(heap, block, size);
    zend_mm_live_bits_clear(&heap->hardened->live, block);
    quarantine(heap, block, size);
}

static void *move(zend_mm_heap *heap, void *block, size_t old_size, size_t size, size_t copy_size)
{
    void *moved = zend_mm_base_alloc(heap, size);
    if (moved != NULL) {
        size_t kept = copy_size < old_size ? copy_size : old_size;
        memcpy(moved, block, kept < size ? kept : size);
        zend_mm_base_free(heap, block);
    }
    return moved;
}

void *zend_mm_base_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    if (heap->hardened == NULL) {
        return zend_mm_heap_realloc(heap, block, size, copy_size);
    }
    if (block == NULL) {
        return zend_mm_base_alloc(heap, size);
    }
    size_t old_size = zend_mm_heap_find_size(heap, block);
    if (is_small(heap, block)) {
        check_live(heap, block, old_size);
        if (size <= ZEND_MM_MAX_SMALL_SIZE && zend_mm_bin_of(size) == zend_mm_bin_of(old_size)) {
            return block;
        }
    }
    if (old_size > 0 && (old_size <= ZEND_MM_MAX_SMALL_SIZE || size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return move(heap, block, old_size, size, copy_size);
    }
    void *resized = zend_mm_heap_realloc(heap, block, size, copy_size);
    if (resized == NULL && zend_mm_hardened_flush(heap)) {
        resized = zend_mm_heap_realloc(heap, block, size, copy_size);
    }
    return resized;
}

/* ---- ends ---- */

void zend_mm_hardened_reset(zend_mm_heap *heap)
{
    zend_mm_hardened *hardened = heap->hardened;
    while (hardened->quarantine_count > 0) {
        (void)check_filled(heap, hardened->quarantine[--hardened->quarantine_count]);
    }
    heap->quarantined_size = 0;
    zend_mm_live_bits_free(&hardened->live);
}

void zend_mm_hardened_end(zend_mm_heap *heap)
{
    zend_mm_hardened_reset(heap);
    free(heap->hardened);
    heap->hardened = NULL;
}
