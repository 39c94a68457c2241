/* heap_gc: free slots become free pages again, where all slots of a run are free.
 * Owns        the scratch count in the first word of each small run, 0 outside a gc.
 * Thread      the heap's owner.
 * Invariants  the order of the free slots that stay is kept.
 * Failure     none; a damaged list ends the process.
 * Tests       tests/unit/heap_gc.c, tests/stress/heap_model.c
 */
#include "config.h"

#include "alloc/heap.h"
#include "alloc/panic.h"

static uint32_t *run_word(const void *slot)
{
    zend_mm_segment *segment = zend_mm_segment_of(slot);
    uint32_t page = zend_mm_page_of(slot);
    uint32_t number = (segment->map[page] & ZEND_MM_WORD_OFFSET_MASK) >> ZEND_MM_PAGE_SHIFT;
    return &segment->map[page - number];
}

static uint32_t free_count(uint32_t word)
{
    return word >> ZEND_MM_WORD_COUNT_SHIFT;
}

static bool is_whole_run_free(const void *slot, uint32_t bin)
{
    return free_count(*run_word(slot)) == zend_mm_bin_infos[bin].slot_count;
}

static zend_mm_slot *next_slot(const zend_mm_heap *heap, zend_mm_slot *slot, uint32_t bin)
{
    uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
    if ((opened & ZEND_MM_LINK_INVALID) != 0) {
        zend_mm_panic("a free slot was overwritten", slot, (int)bin);
    }
    return zend_mm_link_next(opened);
}

/* Count a bin's free slots, run by run, in the runs' first words. */
static void count_free_slots(zend_mm_heap *heap, uint32_t bin)
{
    for (zend_mm_slot *slot = heap->free_buckets[bin].first; slot != NULL;
            slot = next_slot(heap, slot, bin)) {
        if (zend_mm_owner_of(slot) != heap->index) {
            zend_mm_panic("a free slot was overwritten", slot, (int)bin);
        }
        *run_word(slot) += 1u << ZEND_MM_WORD_COUNT_SHIFT;
    }
    const zend_mm_carve *carve = &heap->carve[bin];
    if (carve->next != carve->end) {
        uint32_t left = (uint32_t)(carve->end - carve->next) / zend_mm_bin_infos[bin].slot_size;
        *run_word(carve->next) += left << ZEND_MM_WORD_COUNT_SHIFT;
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

/* Free the runs that are counted full, and clear the counts of the others. Returns pages freed. */
static size_t free_runs_of(zend_mm_heap *heap, zend_mm_segment *segment)
{
    size_t freed = 0;
    for (uint32_t page = ZEND_MM_FIRST_PAGE; page < ZEND_MM_PAGE_COUNT; page++) {
        uint32_t word = segment->map[page];
        uint32_t kind = word & ZEND_MM_WORD_BIN_MASK;
        if (kind >= ZEND_MM_BIN_COUNT || (word & ZEND_MM_WORD_OFFSET_MASK) != 0) {
            continue;
        }
        const zend_mm_bin_info *info = &zend_mm_bin_infos[kind];
        segment->map[page] = kind;
        if (free_count(word) == info->slot_count) {
            void *run = zend_mm_page_address(segment, page);
            (void)zend_mm_run_free(&heap->free_runs, run, info->page_count);
            heap->runs_size -= (size_t)info->page_count * ZEND_MM_PAGE_SIZE;
            freed += info->page_count;
        }
    }
    return freed;
}

size_t zend_mm_heap_gc(zend_mm_heap *heap)
{
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
