/* heap_stats: what a heap tells about itself, and its limit.
 * Owns        nothing.
 * Thread      the heap's owner.
 * Invariants  the identities at the top of heap.h.
 * Failure     a limit below what the heap holds is refused; the old one stays.
 * Tests       tests/unit/heap_stats.c
 */
#include "config.h"

#include <string.h>

#include "alloc/block_table.h"
#include "alloc/globals.h"

/* The calling thread's heap if it has memory of its own, whoever serves the calls above it. */
static zend_mm_heap *built_in_heap(void)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL && (heap->storage != NULL || heap->tracked != NULL) ? heap : NULL;
}

bool is_zend_ptr(const void *address)
{
    const zend_mm_heap *heap = built_in_heap();
    if (heap == NULL) {
        return false;
    }
    if (heap->tracked != NULL) {
        return zend_mm_block_table_find(heap->tracked, address) != NULL;
    }
    uint16_t owner = zend_mm_owner_of(address);
    if (owner == (heap->index | ZEND_MM_OWNER_HUGE)) {
        return zend_mm_huge_find(&heap->huge, address) != NULL;
    }
    return owner == heap->index;
}

bool zend_alloc_in_memory_limit_error_reporting(void)
{
    const zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL && heap->overflow;
}

bool zend_set_memory_limit(size_t limit)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap == NULL) {
        return false;
    }
    if (limit < heap->real_size) {
        (void)zend_mm_heap_reclaim(heap);
        if (limit < heap->real_size) {
            return false;
        }
    }
    heap->limit = limit;
    zend_mm_publish(heap);
    return true;
}

size_t zend_memory_usage(int real TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    zend_mm_heap *heap = built_in_heap();
    if (heap == NULL) {
        return 0;
    }
    if (real) {
        return heap->real_size;
    }
    zend_mm_heap_note_peak(heap);
    return zend_mm_heap_size(heap);
}

size_t zend_memory_peak_usage(int real TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    zend_mm_heap *heap = built_in_heap();
    if (heap == NULL) {
        return 0;
    }
    zend_mm_heap_note_peak(heap);
    return real ? heap->real_peak : heap->peak;
}

void zend_memory_reset_peak_usage(void)
{
    zend_mm_heap *heap = built_in_heap();
    if (heap != NULL) {
        heap->peak = zend_mm_heap_size(heap);
        heap->peak_note_at = 0;
        heap->real_peak = heap->real_size;
    }
}

static void fill(zend_mm_heap *heap, zend_mm_heap_statistics *statistics)
{
    zend_mm_heap_note_peak(heap);
    (void)zend_mm_heap_release_held(heap);
    statistics->storage = heap->storage->handlers->name;
    statistics->heap_index = heap->index;
    statistics->size = zend_mm_heap_size(heap);
    statistics->peak = heap->peak;
    statistics->real_size = heap->real_size;
    statistics->real_peak = heap->real_peak;
    statistics->limit = heap->limit;
    statistics->segment_count = heap->segment_count;
    statistics->largest_free_run = zend_mm_run_longest(&heap->free_runs);
    statistics->huge_count = heap->huge.count;
    statistics->huge_size = heap->huge.size;
    statistics->cached_count = heap->huge.cached_count;
    statistics->cached_size = heap->huge.cached_size;
    statistics->remote_free_count =
        atomic_load_explicit(&heap->remote.free_count, memory_order_relaxed);
    statistics->reset_count = heap->reset_count;
    statistics->reset_duration = heap->reset_duration;
    statistics->reset_storage_duration = heap->reset_storage_duration;
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        statistics->bins[bin].slot_size = zend_mm_bin_infos[bin].slot_size;
        statistics->bins[bin].used_count = heap->free_buckets[bin].used_count;
        statistics->bins[bin].run_count = heap->run_counts[bin];
    }
    for (uint32_t number = 0; number < heap->free_runs.table.end; number++) {
        const zend_mm_segment_info *info = &heap->free_runs.table.infos[number];
        if (info->segment != NULL) {
            statistics->free_page_count += info->free_page_count;
        }
    }
}

bool zend_mm_heap_stats(zend_mm_heap *heap, zend_mm_heap_statistics *statistics)
{
    memset(statistics, 0, sizeof *statistics);
    heap = heap != NULL ? heap : zend_mm_find_current_heap();
    if (heap == NULL) {
        return false;
    }
    if (heap->storage != NULL) {
        fill(heap, statistics);
    } else {
        statistics->storage = "none (USE_ZEND_ALLOC=0)";
        statistics->limit = heap->limit;
    }
    return true;
}
