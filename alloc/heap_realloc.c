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

/* The word of a live block's first page; the process ends when `block` is none of this heap. */
static uint32_t live_word(const zend_mm_heap *heap, const void *block)
{
    if (zend_mm_owner_of(block) != heap->index) {
        zend_mm_panic("not a block of this thread's heap", block, ZEND_MM_NO_BIN);
    }
    uint32_t word = zend_mm_segment_of(block)->map[zend_mm_page_of(block)];
    uint32_t kind = word & ZEND_MM_WORD_BIN_MASK;
    if (kind < ZEND_MM_BIN_COUNT) {
        if (!zend_mm_is_slot_start(&heap->free_buckets[kind], word, block)) {
            zend_mm_panic("an address inside a block", block, (int)kind);
        }
    } else if ((word & (ZEND_MM_WORD_FIRST | ZEND_MM_WORD_FREE)) != ZEND_MM_WORD_FIRST
            || kind != ZEND_MM_WORD_KIND_RUN
            || ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) != 0) {
        zend_mm_panic("an address where no block starts", block, ZEND_MM_NO_BIN);
    }
    return word;
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

static size_t size_of_word(uint32_t word)
{
    uint32_t kind = word & ZEND_MM_WORD_BIN_MASK;
    if (kind < ZEND_MM_BIN_COUNT) {
        return zend_mm_bin_infos[kind].slot_size;
    }
    return (size_t)zend_mm_word_length(word) << ZEND_MM_PAGE_SHIFT;
}

size_t zend_mm_heap_usable_size(const zend_mm_heap *heap, const void *block)
{
    const zend_mm_huge *huge = find_huge(heap, block);
    return huge != NULL ? huge->size : size_of_word(live_word(heap, block));
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
static bool resize_run(zend_mm_heap *heap, void *block, uint32_t word, size_t size)
{
    uint32_t length = zend_mm_word_length(word);
    uint32_t new_length = (uint32_t)((size + ZEND_MM_PAGE_SIZE - 1) >> ZEND_MM_PAGE_SHIFT);
    zend_mm_segment *segment = zend_mm_segment_of(block);
    uint32_t first = zend_mm_page_of(block);
    if (new_length < length) {
        zend_mm_run_shrink(&heap->free_runs, segment, first, new_length);
    } else if (new_length > length
            && !zend_mm_run_grow(&heap->free_runs, segment, first, new_length)) {
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
    uint32_t word = live_word(heap, block);
    uint32_t kind = word & ZEND_MM_WORD_BIN_MASK;
    if (kind < ZEND_MM_BIN_COUNT) {
        if (size <= ZEND_MM_MAX_SMALL_SIZE && zend_mm_bin_of(size) == kind) {
            return block;
        }
    } else if (size > ZEND_MM_MAX_SMALL_SIZE && size <= ZEND_MM_MAX_LARGE_SIZE
            && resize_run(heap, block, word, size)) {
        return block;
    }
    return move(heap, block, size_of_word(word), size, copy_size);
}
