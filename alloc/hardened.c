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

#include "alloc/hot.h"
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
    uint8_t bins[QUARANTINE_COUNT];     /* of what rests at each place */
};

void zend_mm_hardened_refresh(zend_mm_heap *heap)
{
    if (heap->hardened != NULL) {
        heap->hardened->random_state = zend_mm_os_random() | 1;
    }
}

bool zend_mm_hardened_start(zend_mm_heap *heap)
{
    heap->hardened = calloc(1, sizeof *heap->hardened);
    zend_mm_hardened_refresh(heap);
    return heap->hardened != NULL;
}

/* A number in 0 .. count - 1 that another process cannot guess. */
static uint32_t random_below(zend_mm_hardened *hardened, uint32_t count)
{
    uint64_t state = hardened->random_state;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    hardened->random_state = state;
    return (uint32_t)((state >> 32) * count >> 32);
}

/* ---- the quarantine ---- */

/* What a slot that rests looks like. The C library's functions beat a loop for the short ones, too. */
static const unsigned char freed_bytes[ZEND_MM_MAX_SMALL_SIZE] = {
    [0 ... ZEND_MM_MAX_SMALL_SIZE - 1] = FREED_BYTE,
};

/* The process ends if somebody wrote to a slot that rests. */
static void check_filled(void *slot, uint32_t bin)
{
    if (!zend_mm_likely(memcmp(slot, freed_bytes, zend_mm_bin_infos[bin].slot_size) == 0)) {
        zend_mm_panic("a free slot was overwritten", slot, (int)bin);
    }
}

/* Hand a slot from the quarantine to the heap below. */
static void release(zend_mm_heap *heap, void *slot, uint32_t bin)
{
    check_filled(slot, bin);
    heap->quarantined_size -= zend_mm_bin_infos[bin].slot_size;
    /* It was live for the heap below, so it is none of the two that were freed there last. */
    (void)zend_mm_hot_push(heap, &heap->free_buckets[bin], slot);
}

bool zend_mm_hardened_flush(zend_mm_heap *heap)
{
    zend_mm_hardened *hardened = heap->hardened;
    if (hardened == NULL || hardened->quarantine_count == 0) {
        return false;
    }
    while (hardened->quarantine_count > 0) {
        size_t place = --hardened->quarantine_count;
        release(heap, hardened->quarantine[place], hardened->bins[place]);
    }
    return true;
}

static void quarantine(zend_mm_heap *heap, void *slot, uint32_t bin)
{
    zend_mm_hardened *hardened = heap->hardened;
    size_t size = zend_mm_bin_infos[bin].slot_size;
    memset(slot, FREED_BYTE, size);
    heap->quarantined_size += size;
    size_t place = hardened->quarantine_count;
    if (place < QUARANTINE_COUNT) {
        hardened->quarantine_count++;
    } else {
        place = random_below(hardened, QUARANTINE_COUNT);
        release(heap, hardened->quarantine[place], hardened->bins[place]);
    }
    hardened->quarantine[place] = slot;
    hardened->bins[place] = (uint8_t)bin;
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
        uint32_t other = random_below(heap->hardened, index + 1);
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

/* The bucket of a slot of this heap, live or not; NULL for anything else, in a build without checks on
 * the hot path, too. */
static inline zend_mm_bucket *bucket_of(zend_mm_heap *heap, const void *block)
{
    if (!zend_mm_likely(zend_mm_owner_of(block) == heap->index)) {
        return NULL;
    }
    uint32_t mark = *zend_mm_mark_of(block);
    zend_mm_bucket *bucket = zend_mm_hot_bucket_of_mark(heap, mark);
    return zend_mm_likely(zend_mm_is_slot_start(bucket, mark, block)) ? bucket : NULL;
}

static inline uint32_t bin_of_bucket(const zend_mm_heap *heap, const zend_mm_bucket *bucket)
{
    return (uint32_t)(bucket - heap->free_buckets);
}

/* Set the bit of a slot that was just allocated. */
static inline void *slot_born(zend_mm_heap *heap, void *slot)
{
    if (!zend_mm_likely(zend_mm_live_bits_set(&heap->hardened->live, zend_mm_number_of(slot), slot))) {
        zend_mm_heap_free(heap, slot);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return NULL;
    }
    return slot;
}

/* The same for any block. */
static void *born(zend_mm_heap *heap, void *block)
{
    return block != NULL && bucket_of(heap, block) != NULL ? slot_born(heap, block) : block;
}

/* A block of the heap below; a slot is one of those that were carved with it. */
static void *alloc(zend_mm_heap *heap, size_t size)
{
    if (size > ZEND_MM_MAX_SMALL_SIZE) {
        return zend_mm_heap_alloc(heap, size);
    }
    uint32_t bin = zend_mm_bin_of(size);
    bool was_empty = heap->free_buckets[bin].first == NULL;
    void *slot = zend_mm_heap_alloc(heap, size);
    if (slot != NULL && was_empty && bucket_of(heap, slot) != NULL) {
        slot = shuffle(heap, bin, slot);
    }
    return slot;
}

static __attribute__((noinline)) void *alloc_slow(zend_mm_heap *heap, size_t size)
{
    void *block = alloc(heap, size);
    if (block == NULL && zend_mm_hardened_flush(heap)) {
        block = alloc(heap, size);
    }
    return born(heap, block);
}

void *zend_mm_base_alloc(zend_mm_heap *heap, size_t size)
{
    if (heap->hardened == NULL) {
        return zend_mm_heap_alloc(heap, size);
    }
    void *slot = ZEND_MM_CHECK_LINK && zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE)
        ? zend_mm_hot_pop(heap, zend_mm_hot_bucket_of_size(heap, size)) : NULL;
    return zend_mm_likely(slot != NULL) ? slot_born(heap, slot) : alloc_slow(heap, size);
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

/* Whoever frees or resizes a slot must own it: its bit must be set. */
static void panic_twice(const void *slot, uint32_t bin)
{
    zend_mm_panic("a block was freed twice", slot, (int)bin);
}

void zend_mm_base_free(zend_mm_heap *heap, void *block)
{
    zend_mm_bucket *bucket = heap->hardened == NULL ? NULL : bucket_of(heap, block);
    if (!zend_mm_likely(bucket != NULL)) {
        zend_mm_heap_free(heap, block);
        return;
    }
    uint32_t bin = bin_of_bucket(heap, bucket);
    if (!zend_mm_likely(
            zend_mm_live_bits_clear(&heap->hardened->live, zend_mm_number_of(block), block))) {
        panic_twice(block, bin);
    }
    quarantine(heap, block, bin);
}

static void *move(zend_mm_heap *heap, void *block, size_t old_size, size_t size, size_t copy_size)
{
    /* The peak must not show the moment in which both blocks are live. */
    heap->moving_size = old_size;
    void *moved = zend_mm_base_alloc(heap, size);
    heap->moving_size = 0;
    if (moved != NULL) {
        size_t kept = copy_size < old_size ? copy_size : old_size;
        memcpy(moved, block, kept < size ? kept : size);
        zend_mm_base_free(heap, block);
    }
    return moved;
}

static void *resize_slot(zend_mm_heap *heap, uint32_t bin, void *slot, size_t size,
    size_t copy_size)
{
    if (!zend_mm_live_bits_is_set(&heap->hardened->live, zend_mm_number_of(slot), slot)) {
        panic_twice(slot, bin);
    }
    return size <= ZEND_MM_MAX_SMALL_SIZE && zend_mm_bin_of(size) == bin
        ? slot : move(heap, slot, zend_mm_bin_infos[bin].slot_size, size, copy_size);
}

/* A large or huge block; or none at all, which the heap below finds. */
static void *resize_pages(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    size_t old_size = zend_mm_heap_find_size(heap, block);
    if (old_size > 0 && size <= ZEND_MM_MAX_SMALL_SIZE) {
        return move(heap, block, old_size, size, copy_size);
    }
    void *resized = zend_mm_heap_realloc(heap, block, size, copy_size);
    if (resized == NULL && zend_mm_hardened_flush(heap)) {
        resized = zend_mm_heap_realloc(heap, block, size, copy_size);
    }
    return resized;
}

void *zend_mm_base_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    if (heap->hardened == NULL) {
        return zend_mm_heap_realloc(heap, block, size, copy_size);
    }
    if (block == NULL) {
        return zend_mm_base_alloc(heap, size);
    }
    const zend_mm_bucket *bucket = bucket_of(heap, block);
    return bucket != NULL
        ? resize_slot(heap, bin_of_bucket(heap, bucket), block, size, copy_size)
        : resize_pages(heap, block, size, copy_size);
}

/* ---- ends ---- */

void zend_mm_hardened_reset(zend_mm_heap *heap)
{
    zend_mm_hardened *hardened = heap->hardened;
    while (hardened->quarantine_count > 0) {
        size_t place = --hardened->quarantine_count;
        check_filled(hardened->quarantine[place], hardened->bins[place]);
    }
    heap->quarantined_size = 0;
    zend_mm_live_bits_reset(&hardened->live);
    zend_mm_hardened_refresh(heap);
}

void zend_mm_hardened_end(zend_mm_heap *heap)
{
    zend_mm_hardened_reset(heap);
    zend_mm_live_bits_free(&heap->hardened->live);
    free(heap->hardened);
    heap->hardened = NULL;
}
