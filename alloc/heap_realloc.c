/* heap_realloc: resizing: in place where the bin, the next pages or the mapping allow it.
 * Owns        nothing of its own.
 * Thread      the heap's owner.
 * Invariants  on failure the old block is as before, in size, place and contents.
 * Failure     NULL with heap->failure set.
 * Tests       tests/unit/heap_realloc.c, tests/stress/heap_model.c
 */
#include "config.h"

#include <string.h>

#include "alloc/heap.h"
#include "alloc/panic.h"

/* A live block in a segment: the bin of a small one, the length in pages of a large one. */
typedef struct live_block {
    uint32_t bin;               /* ZEND_MM_BIN_COUNT: large */
    uint32_t length;
} live_block;

/* The process ends when `block` is none of this heap. */
static live_block look_up(const zend_mm_heap *heap, const void *block)
{
    if (zend_mm_owner_of(block) != heap->index) {
        zend_mm_panic("not a block of this thread's heap", block, ZEND_MM_NO_BIN);
    }
    uint32_t page = zend_mm_page_of(block);
    uint32_t mark = *zend_mm_mark_of(block);
    uint32_t bin = zend_mm_mark_bin(mark);
    if (bin < ZEND_MM_BIN_COUNT) {
        if (!zend_mm_is_slot_start(&heap->free_buckets[bin], mark, block)) {
            zend_mm_panic("an address inside a block", block, (int)bin);
        }
        return (live_block){ bin, 0 };
    }
    uint32_t length =
        zend_mm_large_length(zend_mm_segment_info_of(&heap->free_runs, block), page);
    if (length == 0 || ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) != 0
            || zend_mm_heap_is_held(heap, block, length)) {
        zend_mm_panic("an address where no block starts", block, ZEND_MM_NO_BIN);
    }
    return (live_block){ ZEND_MM_BIN_COUNT, length };
}

/* The huge block at `block`, if it is one. */
static zend_mm_huge *find_huge(const zend_mm_heap *heap, const void *block)
{
    if (zend_mm_owner_of(block) != (heap->index | ZEND_MM_OWNER_HUGE)) {
        return NULL;
    }
    zend_mm_huge *huge = zend_mm_huge_find(&heap->huge, block);
    if (huge == NULL) {
        zend_mm_panic("an address inside a huge block", block, ZEND_MM_NO_BIN);
    }
    return huge;
}

static size_t size_of(live_block live)
{
    return live.bin < ZEND_MM_BIN_COUNT ? zend_mm_bin_infos[live.bin].slot_size
                                        : (size_t)live.length << ZEND_MM_PAGE_SHIFT;
}

size_t zend_mm_heap_find_size(const zend_mm_heap *heap, const void *block)
{
    uint16_t owner = zend_mm_owner_of(block);
    if (owner == (heap->index | ZEND_MM_OWNER_HUGE)) {
        const zend_mm_huge *huge = zend_mm_huge_find(&heap->huge, block);
        return huge != NULL ? huge->size : 0;
    }
    if (owner != heap->index) {
        return 0;
    }
    uint32_t page = zend_mm_page_of(block);
    uint32_t mark = *zend_mm_mark_of(block);
    uint32_t bin = zend_mm_mark_bin(mark);
    if (bin < ZEND_MM_BIN_COUNT) {
        return zend_mm_is_slot_start(&heap->free_buckets[bin], mark, block)
            ? zend_mm_bin_infos[bin].slot_size : 0;
    }
    uint32_t length = zend_mm_large_length(zend_mm_segment_info_of(&heap->free_runs, block), page);
    bool is_live = ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) == 0
        && !zend_mm_heap_is_held(heap, block, length);
    return is_live ? (size_t)length << ZEND_MM_PAGE_SHIFT : 0;
}

size_t zend_mm_heap_usable_size(const zend_mm_heap *heap, const void *block)
{
    const zend_mm_huge *huge = find_huge(heap, block);
    return huge != NULL ? huge->size : size_of(look_up(heap, block));
}

static void *move(zend_mm_heap *heap, void *block, size_t old_size, size_t size, size_t copy_size)
{
    /* The peak must not show the moment in which both blocks are live. */
    heap->moving_size = old_size;
    void *moved = zend_mm_heap_alloc(heap, size);
    heap->moving_size = 0;
    if (moved == NULL) {
        return NULL;
    }
    size_t kept = copy_size < old_size ? copy_size : old_size;
    memcpy(moved, block, kept < size ? kept : size);
    zend_mm_heap_free(heap, block);
    return moved;
}

/* Large run to large run: cut the tail off, or take pages behind it. */
static bool resize_run(zend_mm_heap *heap, void *block, uint32_t length, size_t size)
{
    uint32_t new_length = (uint32_t)((size + ZEND_MM_PAGE_SIZE - 1) >> ZEND_MM_PAGE_SHIFT);
    if (new_length < length) {
        zend_mm_run_shrink(&heap->free_runs, block, length, new_length);
    } else if (new_length > length
            && !zend_mm_run_grow(&heap->free_runs, block, length, new_length)) {
        return false;
    }
    heap->large_size += (size_t)new_length << ZEND_MM_PAGE_SHIFT;
    heap->large_size -= (size_t)length << ZEND_MM_PAGE_SHIFT;
    zend_mm_heap_grown(heap);
    return true;
}

void *zend_mm_heap_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    if (block == NULL) {
        return zend_mm_heap_alloc(heap, size);
    }
    zend_mm_huge *huge = find_huge(heap, block);
    if (huge != NULL) {
        void *resized;
        size_t old_size = huge->size;
        if (size > ZEND_MM_MAX_LARGE_SIZE
                && zend_mm_heap_huge_resize(heap, huge, size, &resized)) {
            return resized;
        }
        return move(heap, block, old_size, size, copy_size);
    }
    live_block live = look_up(heap, block);
    if (live.bin < ZEND_MM_BIN_COUNT) {
        if (size <= ZEND_MM_MAX_SMALL_SIZE && zend_mm_bin_of(size) == live.bin) {
            return block;
        }
    } else if (size > ZEND_MM_MAX_SMALL_SIZE && size <= ZEND_MM_MAX_LARGE_SIZE
            && resize_run(heap, block, live.length, size)) {
        return block;
    }
    return move(heap, block, size_of(live), size, copy_size);
}
