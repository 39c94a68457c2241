/* heap_aligned: blocks at a multiple of more than 8 bytes.
 * Owns        nothing of its own.
 * Thread      the heap's owner.
 * Invariants  what it gives is a slot, a run or a huge block like any other: efree() and erealloc()
 *             need not know (a block that erealloc() moves loses its alignment).
 * Failure     NULL with heap->failure set, the heap as before.
 * Tests       tests/unit/heap_aligned.c
 */
#include "config.h"

#include "alloc/heap.h"

/* Slots of a bin start at multiples of their size from the start of a page, so a bin whose size is a
 * multiple of the alignment has nothing but aligned slots. The size of the smallest such bin that
 * holds `size`; 0 when there is none. */
static size_t aligned_slot_size(size_t alignment, size_t size)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        size_t slot_size = zend_mm_bin_infos[bin].slot_size;
        if (slot_size >= size && slot_size % alignment == 0) {
            return slot_size;
        }
    }
    return 0;
}

/* A run so long that an aligned one of `count` pages is inside, whatever its start; what lies around
 * that one is free again at once. */
static void *alloc_aligned_run(zend_mm_heap *heap, size_t alignment, uint32_t count)
{
    uint32_t step = (uint32_t)(alignment >> ZEND_MM_PAGE_SHIFT);
    uint32_t length = count + step - 1;
    char *run = zend_mm_heap_alloc_pages(heap, length);
    if (run == NULL) {
        return NULL;
    }
    uint32_t head = (step - zend_mm_page_of(run) % step) % step;
    if (head + count < length) {
        zend_mm_run_shrink(&heap->free_runs, run, length, head + count);
    }
    if (head > 0) {
        zend_mm_run_split(&heap->free_runs, run, head);
        zend_mm_heap_free_pages(heap, run, head);
    }
    heap->large_size += (size_t)count << ZEND_MM_PAGE_SHIFT;
    zend_mm_heap_grown(heap);
    return run + ((size_t)head << ZEND_MM_PAGE_SHIFT);
}

void *zend_mm_heap_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size)
{
    if (alignment == 0 || (alignment & (alignment - 1)) != 0 || alignment > ZEND_MM_MAX_ALIGNMENT) {
        heap->failure = ZEND_MM_FAILURE_ALIGNMENT;
        return NULL;
    }
    if (alignment <= ZEND_MM_PAGE_SIZE) {
        size_t slot_size = aligned_slot_size(alignment, size);
        /* Large and huge blocks start at pages. */
        size_t page_sized = size > ZEND_MM_MAX_SMALL_SIZE ? size : ZEND_MM_MAX_SMALL_SIZE + 1;
        return zend_mm_heap_alloc(heap, slot_size != 0 ? slot_size : page_sized);
    }
    (void)zend_mm_heap_drain_remote(heap);
    size_t step = alignment >> ZEND_MM_PAGE_SHIFT;
    size_t count = size == 0 ? 1 : (size - 1) / ZEND_MM_PAGE_SIZE + 1;
    if (count + step - 1 <= ZEND_MM_USABLE_PAGE_COUNT) {
        return alloc_aligned_run(heap, alignment, (uint32_t)count);
    }
    /* A huge block is 2 MiB-aligned. */
    return zend_mm_heap_huge_alloc(heap, size != 0 ? size : 1);
}
