/* process_stats: every heap of the process, readable by any thread while they run.
 * Owns        nothing; the snapshots are the heaps'.
 * Thread      publishing: the heap's owner. Reading: any.
 * Invariants  what is read of one heap was true of it at one moment: its last publication.
 * Failure     none.
 * Tests       tests/unit/process_stats.c, tests/stress/stats_threads.c
 */
#include "config.h"

#include "alloc/process_stats.h"

#include "alloc/heap.h"
#include "alloc/process_limit.h"
#include "alloc/segment_pool.h"

static void store(zend_mm_snapshot *snapshot, zend_mm_published which, uint64_t value)
{
    atomic_store_explicit(&snapshot->values[which], value, memory_order_relaxed);
}

void zend_mm_publish(zend_mm_heap *heap)
{
    zend_mm_snapshot *snapshot = &heap->snapshot;
    size_t size = zend_mm_heap_size(heap);
    zend_mm_heap_state state = heap->overflow ? ZEND_MM_HEAP_REPORTING
        : size != 0 ? ZEND_MM_HEAP_IN_REQUEST : ZEND_MM_HEAP_IDLE;
    ck_sequence_write_begin(&snapshot->sequence);
    store(snapshot, ZEND_MM_PUBLISHED_STATE, state);
    store(snapshot, ZEND_MM_PUBLISHED_SIZE, size);
    store(snapshot, ZEND_MM_PUBLISHED_PEAK, heap->peak > size ? heap->peak : size);
    store(snapshot, ZEND_MM_PUBLISHED_REAL_SIZE, heap->real_size);
    store(snapshot, ZEND_MM_PUBLISHED_REAL_PEAK, heap->real_peak);
    store(snapshot, ZEND_MM_PUBLISHED_CACHED_SIZE, heap->huge.cached_size);
    store(snapshot, ZEND_MM_PUBLISHED_LIMIT, heap->limit);
    store(snapshot, ZEND_MM_PUBLISHED_RESETS, heap->reset_count);
    ck_sequence_write_end(&snapshot->sequence);
    atomic_store_explicit(&snapshot->is_listed, !heap->internal, memory_order_relaxed);
}

static void read_snapshot(zend_mm_snapshot *snapshot, uint64_t *values)
{
    unsigned int version;
    do {
        version = ck_sequence_read_begin(&snapshot->sequence);
        for (int which = 0; which < ZEND_MM_PUBLISHED_COUNT; which++) {
            values[which] = atomic_load_explicit(&snapshot->values[which], memory_order_relaxed);
        }
    } while (ck_sequence_read_retry(&snapshot->sequence, version));
}

static uint64_t thread_of(const zend_mm_snapshot *snapshot)
{
    bool is_listed = atomic_load_explicit(&snapshot->is_listed, memory_order_relaxed) != 0;
    return is_listed ? atomic_load_explicit(&snapshot->thread, memory_order_relaxed) : 0;
}

/* What the heap with this index has published; false: there is none that is listed. A struct that a new
 * heap takes has no thread until that is ready: what was read across such a moment is nobody's. */
static bool read_heap(uint16_t index, zend_mm_process_heap *out)
{
    if (!zend_mm_registry_is_taken(index)) {
        return false;
    }
    zend_mm_heap *heap = zend_mm_registry_heap(index);
    uint64_t thread, values[ZEND_MM_PUBLISHED_COUNT];
    do {
        thread = heap != NULL ? thread_of(&heap->snapshot) : 0;
        if (thread == 0) {
            return false;
        }
        read_snapshot(&heap->snapshot, values);
    } while (thread_of(&heap->snapshot) != thread);
    *out = (zend_mm_process_heap){
        .heap_index = index,
        .thread = thread,
        .state = (zend_mm_heap_state)values[ZEND_MM_PUBLISHED_STATE],
        .size = (size_t)values[ZEND_MM_PUBLISHED_SIZE],
        .peak = (size_t)values[ZEND_MM_PUBLISHED_PEAK],
        .real_size = (size_t)values[ZEND_MM_PUBLISHED_REAL_SIZE],
        .real_peak = (size_t)values[ZEND_MM_PUBLISHED_REAL_PEAK],
        .cached_size = (size_t)values[ZEND_MM_PUBLISHED_CACHED_SIZE],
        .limit = (size_t)values[ZEND_MM_PUBLISHED_LIMIT],
        .remote_free_count =
            atomic_load_explicit(&heap->remote.free_count, memory_order_relaxed),
        .reset_count = values[ZEND_MM_PUBLISHED_RESETS],
    };
    return true;
}

size_t zend_mm_process_stats(zend_mm_process_statistics *process, zend_mm_process_heap *heaps,
    size_t capacity)
{
    size_t count = 0;
    for (uint32_t index = 1; index <= ZEND_MM_HEAP_INDEX_MAX; index++) {
        zend_mm_process_heap heap;
        if (read_heap((uint16_t)index, &heap)) {
            if (count < capacity) {
                heaps[count] = heap;
            }
            count++;
        }
    }
    if (process != NULL) {
        process->heap_count = count;
        process->usage = zend_mm_process_usage();
        process->limit = zend_mm_process_limit();
        process->pooled_size = zend_mm_pooled_size();
        zend_mm_process_counts(&process->take_count, &process->give_count);
    }
    return count;
}
