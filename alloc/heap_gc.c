/* heap_gc: free slots become free pages again, where all slots of a run are free.
 * Owns        the scratch counts in the segments' headers.
 * Thread      the heap's owner.
 * Invariants  the order of the free slots that stay is kept.
 * Failure     none; a damaged list ends the process.
 * Tests       tests/unit/heap_gc.c, tests/death/double_free.c, tests/death/overwritten.c
 */
#include "config.h"

#include <string.h>

#include "alloc/heap.h"
#include "alloc/panic.h"

/* How many slots are free in the run that a slot is in. */
static uint16_t *free_count(const void *slot)
{
    uint32_t number = (*zend_mm_mark_of(slot) & ZEND_MM_MARK_OFFSET_MASK) >> ZEND_MM_PAGE_SHIFT;
    zend_mm_segment_rest *rest = zend_mm_segment_rest_of(zend_mm_segment_of(slot));
    return &rest->free_counts[zend_mm_page_of(slot) - number];
}

static bool is_whole_run_free(const void *slot, uint32_t bin)
{
    return *free_count(slot) == zend_mm_bin_infos[bin].slot_count;
}

static void clear_counts(zend_mm_heap *heap)
{
    for (uint32_t number = 0; number < heap->free_runs.table.end; number++) {
        zend_mm_segment *segment = heap->free_runs.table.infos[number].segment;
        if (segment != NULL) {
            zend_mm_segment_rest *rest = zend_mm_segment_rest_of(segment);
            memset(rest->free_counts, 0, sizeof rest->free_counts);
        }
    }
}

static zend_mm_slot *next_slot(const zend_mm_heap *heap, zend_mm_slot *slot, uint32_t bin)
{
    uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
    if ((opened & ZEND_MM_LINK_INVALID) != 0) {
        zend_mm_panic("a free slot was overwritten", slot, (int)bin);
    }
    return zend_mm_link_next(opened);
}

/* One more free slot in its run. A run has no more than all: a list that is a circle, because a block is
 * on it twice, ends here and not never. */
static void count_slot(const zend_mm_heap *heap, const zend_mm_slot *slot, uint32_t bin)
{
    if (zend_mm_owner_of(slot) != heap->index || zend_mm_mark_bin(*zend_mm_mark_of(slot)) != bin) {
        zend_mm_panic("a free slot was overwritten", slot, (int)bin);
    }
    if (is_whole_run_free(slot, bin)) {
        zend_mm_panic("a block was freed twice", slot, (int)bin);
    }
    ++*free_count(slot);
}

/* Count a bin's free slots, run by run. */
static void count_free_slots(zend_mm_heap *heap, uint32_t bin)
{
    for (zend_mm_slot *slot = heap->free_buckets[bin].first; slot != NULL;
            slot = next_slot(heap, slot, bin)) {
        count_slot(heap, slot, bin);
    }
    const zend_mm_carve *carve = &heap->carve[bin];
    if (carve->next != carve->end) {
        uint32_t left = (uint32_t)(carve->end - carve->next) / zend_mm_bin_infos[bin].slot_size;
        *free_count(carve->next) = (uint16_t)(*free_count(carve->next) + left);
    }
}

/* Take the slots of entirely free runs off the bin's list. */
static void unlink_free_runs(zend_mm_heap *heap, uint32_t bin)
{
    zend_mm_bucket *bucket = &heap->free_buckets[bin];
    zend_mm_slot *kept = NULL;      /* the last slot that stays */
    zend_mm_slot *slot = bucket->first;
    bucket->first = NULL;
    while (slot != NULL) {
        zend_mm_slot *next = next_slot(heap, slot, bin);
        if (!is_whole_run_free(slot, bin)) {
            if (kept == NULL) {
                bucket->first = slot;
            } else {
                kept->link = zend_mm_link_encode(slot, heap->link_key);
            }
            kept = slot;
        }
        slot = next;
    }
    if (kept != NULL) {
        kept->link = zend_mm_link_encode(NULL, heap->link_key);
    }
    bucket->second = bucket->first;
    zend_mm_carve *carve = &heap->carve[bin];
    if (carve->next != carve->end && is_whole_run_free(carve->next, bin)) {
        carve->next = carve->end = NULL;
    }
}

/* Free the runs whose slots are all free. Returns pages freed. */
static size_t free_runs_of(zend_mm_heap *heap, zend_mm_segment *segment)
{
    size_t freed = 0;
    for (uint32_t page = ZEND_MM_FIRST_PAGE; page < ZEND_MM_PAGE_COUNT; page++) {
        void *run = zend_mm_page_address(segment, page);
        uint32_t mark = *zend_mm_mark_of(run), bin = zend_mm_mark_bin(mark);
        if (bin < ZEND_MM_BIN_COUNT && zend_mm_mark_is_first(mark)
                && is_whole_run_free(run, bin)) {
            const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
            (void)zend_mm_run_free(&heap->free_runs, run, info->page_count);
            heap->run_counts[bin]--;
            heap->runs_size -= (size_t)info->page_count * ZEND_MM_PAGE_SIZE;
            freed += info->page_count;
        }
    }
    return freed;
}

size_t zend_mm_heap_gc(zend_mm_heap *heap)
{
    (void)zend_mm_heap_release_held(heap);
    clear_counts(heap);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        count_free_slots(heap, bin);
    }
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        unlink_free_runs(heap, bin);
    }
    size_t freed = 0;
    for (uint32_t number = 0; number < heap->free_runs.table.end; number++) {
        zend_mm_segment *segment = heap->free_runs.table.infos[number].segment;
        if (segment != NULL) {
            freed += free_runs_of(heap, segment);
        }
    }
    zend_mm_heap_give_free_units(heap);
    zend_mm_heap_assert_valid(heap);
    return freed * ZEND_MM_PAGE_SIZE;
}
