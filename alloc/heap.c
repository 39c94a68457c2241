/* heap: the life of a heap: start, request end, end.
 * Owns        the zend_mm_heap struct and, through it, everything the heap holds.
 * Thread      the heap's owner; start and end also in a thread that acts for the owner.
 * Invariants  after start or reset: size == 0, real_size == block_size (0 if the storage has just
 *             refused to give the first unit back: the next allocation asks again)
 * Failure     start: NULL, nothing is held. End: none.
 * Tests       tests/unit/heap.c, tests/fault/heap_fault.c
 */
#include "config.h"

#include "alloc/heap.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/environment.h"
#include "alloc/hardened.h"
#include "alloc/observer.h"
#include "alloc/os.h"
#include "alloc/os_shadow.h"
#include "alloc/panic.h"
#include "alloc/quarantine.h"
#include "alloc/storage_guarded.h"
#include "alloc/tracked.h"
#include "tsrm/startup_trace.h"

/* ---- accounting ---- */

static size_t small_size(const zend_mm_heap *heap)
{
    size_t size = 0;
#define ADD(index, slot_size, slots, pages) \
    size += heap->free_buckets[index].used_count * (slot_size);
    ZEND_MM_BINS(ADD)
#undef ADD
    return size;
}

size_t zend_mm_heap_size(const zend_mm_heap *heap)
{
    return small_size(heap) + heap->large_size + heap->huge.size - heap->quarantined_size;
}

void zend_mm_heap_note_peak(zend_mm_heap *heap)
{
    size_t size = zend_mm_heap_size(heap) - heap->moving_size;
    if (size > heap->peak) {
        heap->peak = size;
    }
    /* Counting every slot as live, the heap has to grow by this much for a sum to be worth it. */
    size_t most = heap->runs_size + heap->large_size + heap->huge.size;
    heap->peak_note_at = most + most / ZEND_MM_PEAK_PRECISION;
    zend_mm_publish(heap);
}

void zend_mm_heap_grown(zend_mm_heap *heap)
{
    if (heap->runs_size + heap->large_size + heap->huge.size > heap->peak_note_at) {
        zend_mm_heap_note_peak(heap);
    }
}

/* ---- start ---- */

/* atomic: relaxed; counts forks in the child, while it has one thread. */
static _Atomic uint32_t fork_generation;

/* The first key comes from the system; the next ones are mixed from it, the clock and each other,
 * so that a request end needs no system call for one. */
static void renew_link_key(zend_mm_heap *heap)
{
    uint32_t generation = atomic_load_explicit(&fork_generation, memory_order_relaxed);
    if (heap->key_state == 0 || heap->key_generation != generation) {
        heap->key_state = zend_mm_os_random();
        heap->key_generation = generation;
    }
    heap->key_state += UINT64_C(0x9E3779B97F4A7C15) ^ zend_mm_os_now();
    uint64_t key = heap->key_state;
    key = (key ^ key >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    key = (key ^ key >> 27) * UINT64_C(0x94D049BB133111EB);
    heap->link_key = (uintptr_t)(key ^ key >> 31);
}

static void after_fork(void)
{
    zend_mm_pools_after_fork();
    atomic_fetch_add_explicit(&fork_generation, 1, memory_order_relaxed);
}

/* With the first heap: a program may make its own without start_memory_manager(). false: the system
 * has no memory for it; a heap without it would be wrong in a child, so there is none yet. */
static bool register_fork_handler(void)
{
    static atomic_flag is_registered = ATOMIC_FLAG_INIT;
    if (!atomic_flag_test_and_set(&is_registered) && !zend_mm_os_at_fork(after_fork)) {
        atomic_flag_clear(&is_registered);
        return false;
    }
    return true;
}

void zend_mm_heap_refresh_key(zend_mm_heap *heap)
{
    uintptr_t old_key = heap->link_key;
    renew_link_key(heap);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        zend_mm_slot *slot = heap->free_buckets[bin].first;
        while (slot != NULL) {
            uintptr_t opened = zend_mm_link_open(slot, old_key);
            if ((opened & ZEND_MM_LINK_INVALID) != 0) {
                zend_mm_panic("a free slot was overwritten", slot, (int)bin);
            }
            slot->link = zend_mm_link_encode(zend_mm_link_next(opened), heap->link_key);
            slot = zend_mm_link_next(opened);
        }
    }
}

/* Every free structure empty, as for a heap that holds nothing. */
void zend_mm_init(zend_mm_heap *heap)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_init");
    zend_mm_buckets_init(heap->free_buckets);
    memset(heap->carve, 0, sizeof heap->carve);
    zend_mm_free_runs_clear(&heap->free_runs);
    heap->huge = (zend_mm_huge_table){ 0 };
    memset(heap->held_runs, 0, sizeof heap->held_runs);
    heap->large_size = 0;
    memset(heap->run_counts, 0, sizeof heap->run_counts);
    heap->runs_size = 0;
    heap->peak_note_at = 0;
    heap->reserve = NULL;       /* taken with the first unit */
    heap->peak = 0;
    renew_link_key(heap);
    tsrm_startup_trace_leave(token, "zend_mm_init", "%d bins, %d run classes, rest_count = 0",
        ZEND_MM_BIN_COUNT, ZEND_MM_RUN_CLASS_COUNT);
}

/* Move the heap's struct into the pages kept for it in its own first segment. */
static zend_mm_heap *move_inside(zend_mm_heap *heap)
{
    zend_mm_heap *inside =
        zend_mm_page_address(heap->first_unit, ZEND_MM_FIRST_PAGE);
    memcpy(inside, heap, sizeof *heap);
    zend_mm_segment_table_moved(&inside->free_runs.table);
    return inside;
}

static size_t rounded_block_size(size_t block_size)
{
    if (block_size == 0 || (block_size & (block_size - 1)) != 0) {
        fprintf(stderr, "'block_size' must be a power of two\n");
        exit(255);
    }
    return block_size < ZEND_MM_SEGMENT_SIZE ? ZEND_MM_SEGMENT_SIZE : block_size;
}

static void set_up(zend_mm_heap *heap, zend_mm_storage *storage, size_t block_size,
    size_t reserve_size, bool internal, bool wants_huge_pages)
{
    heap->internal = internal;
    heap->storage = storage;
    heap->block_size = block_size;
    heap->reserve_size = reserve_size;
    heap->limit = SIZE_MAX;
    heap->maps_lazily = zend_mm_storage_pool(storage->handlers) != NULL;
    heap->wants_huge_pages = wants_huge_pages && heap->maps_lazily;
    /* A pool holds single segments, and only of heaps that any thread's heap may follow. */
    heap->pool = block_size == ZEND_MM_SEGMENT_SIZE && !internal
        ? zend_mm_storage_pool(storage->handlers) : NULL;
    zend_mm_remote_init(&heap->remote);
    zend_mm_segment_table_init(&heap->free_runs.table);
}

static zend_mm_heap *startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, bool internal, bool wants_huge_pages, void *params)
{
    block_size = rounded_block_size(block_size);
    zend_mm_storage *storage = register_fork_handler() ? handlers->init(params) : NULL;
    if (storage == NULL) {
        fprintf(stderr, "Cannot initialize zend_mm storage [%s]\n", handlers->name);
        return NULL;
    }
    storage->handlers = handlers;
    zend_mm_heap *heap = zend_mm_registry_acquire();
    if (heap == NULL) {
        fprintf(stderr, "Cannot allocate heap for zend_mm storage [%s]\n", handlers->name);
        goto fail_heap;
    }
    set_up(heap, storage, block_size, reserve_size, internal, wants_huge_pages);
    zend_mm_init(heap);
    if (!zend_mm_heap_take_first_unit(heap)) {
        goto fail_unit;
    }
    heap->average_segments = heap->expected_segments;
    atomic_store_explicit(&heap->snapshot.thread, zend_mm_os_thread_id(), memory_order_relaxed);
    zend_mm_publish(heap);
    return internal ? move_inside(heap) : heap;

fail_unit:
    zend_mm_segment_table_free(&heap->free_runs.table);
    zend_mm_registry_release(heap->index);
fail_heap:
    handlers->dtor(storage);
    return NULL;
}

static zend_mm_heap *traced_startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, bool internal, bool wants_huge_pages, void *params)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_startup_ex");
    zend_mm_heap *heap =
        startup_ex(handlers, block_size, reserve_size, internal, wants_huge_pages, params);
    if (heap != NULL) {
        tsrm_startup_trace_leave(token, "zend_mm_startup_ex",
            "storage '%s', first segment at %p, heap %u", handlers->name,
            (void *)heap->first_unit, (unsigned int)heap->index);
    } else {
        tsrm_startup_trace_leave(token, "zend_mm_startup_ex",
            "storage '%s' gave nothing: no heap", handlers->name);
    }
    return heap;
}

/* In a debug build a heap that the program makes for itself is debugged as the threads' heaps are, but
 * no tool is told of its blocks. */
static bool start_debug_build(zend_mm_heap *heap)
{
    zend_mm_debug_settings settings;
    return !zend_mm_environment_debug(&settings) || zend_mm_debug_start(heap, &settings);
}

zend_mm_heap *zend_mm_startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, int internal, void *params)
{
    zend_mm_heap *heap =
        traced_startup_ex(handlers, block_size, reserve_size, internal != 0, false, params);
    if (heap != NULL && ZEND_DEBUG && !start_debug_build(heap)) {
        zend_mm_shutdown(heap, 1, 1);
        return NULL;
    }
    return heap;
}

/* The modes that the environment asks for. false: no memory for one of them. */
static bool start_modes(zend_mm_heap *heap, const zend_mm_settings *settings)
{
    if (settings->is_hardened && !zend_mm_hardened_start(heap)) {
        return false;
    }
    zend_mm_debug_settings debug = settings->debug;
    debug.uses_shadow = settings->wants_redzones && zend_mm_os_has_shadow();
    if ((settings->is_debugged || debug.uses_shadow) && !zend_mm_debug_start(heap, &debug)) {
        return false;
    }
    heap->compact_size = settings->compact_size;
    heap->sees_calls = heap->hardened != NULL || heap->debug != NULL;
    return true;
}

zend_mm_heap *zend_mm_startup(void)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_startup");
    zend_mm_settings settings = zend_mm_environment_settings();
    /* Of a hardened heap each mapping lies between guard pages, where mappings can. */
    bool is_guarded = settings.is_hardened
        && zend_mm_storage_pool(&settings.storage->handlers) != NULL;
    zend_mm_heap *heap = traced_startup_ex(
        is_guarded ? &zend_mm_guarded_handlers : &settings.storage->handlers, settings.block_size,
        ZEND_MM_DEFAULT_RESERVE_SIZE, false, settings.wants_huge_pages, NULL);
    if (heap != NULL && !start_modes(heap, &settings)) {
        zend_mm_shutdown(heap, 1, 1);
        heap = NULL;
    }
    tsrm_startup_trace_leave(token, "zend_mm_startup",
        "ZEND_MM_MEM_TYPE = %s, ZEND_MM_SEG_SIZE = %zu, ZEND_MM_COMPACT = %zu",
        settings.storage->handlers.name, settings.block_size, settings.compact_size);
    return heap;
}

/* ---- request end ---- */

static bool is_compact_due(const zend_mm_heap *heap)
{
    return heap->storage->handlers->compact != NULL && !heap->internal
        && heap->compact_size != 0 && heap->real_peak > heap->compact_size;
}

/* The average of what requests used moves half way to this request's peak. */
static void learn_from_request(zend_mm_heap *heap)
{
    uint64_t peak = (uint64_t)heap->peak_segment_count * ZEND_MM_POOL_FRACTION;
    heap->average_segments = (uint32_t)((heap->average_segments + peak) / 2);
    uint32_t kept = (uint32_t)(heap->block_size >> ZEND_MM_SEGMENT_SHIFT) * ZEND_MM_POOL_FRACTION;
    zend_mm_heap_expect(heap, heap->average_segments > kept ? heap->average_segments : kept);
}

/* All units go, the storage compacts itself, and one unit is taken anew. */
static void compact(zend_mm_heap *heap, zend_mm_pool_slack slack)
{
    zend_mm_heap_give_units(heap, false, slack);
    heap->storage->handlers->compact(heap->storage);
    zend_mm_init(heap);
    (void)zend_mm_heap_take_first_unit(heap);
}

static void reset(zend_mm_heap *heap)
{
    uint64_t start = zend_mm_os_now();
    uint64_t storage_before = heap->storage_duration;
    learn_from_request(heap);
    /* Blocks other threads gave back die with the rest: the list goes before its memory does. */
    (void)zend_mm_remote_take(&heap->remote);
    bool is_compacting = is_compact_due(heap);
    /* The end of a program takes memory, too: its peak is lower for what its only request gave back. */
    zend_mm_pool_slack slack = zend_mm_heap_is_worker(heap)
        ? ZEND_MM_POOL_SLACK_REQUEST : ZEND_MM_POOL_SLACK_NONE;
    zend_mm_heap_collapse_full_segments(heap);
    zend_mm_heap_huge_free_all(heap);
    if (is_compacting) {
        compact(heap, slack);
    } else {
        zend_mm_heap_give_units(heap, true, slack);
        zend_mm_init(heap);
        if (heap->first_unit != NULL) {
            zend_mm_heap_reinit_first_unit(heap);
        }
    }
    zend_mm_heap_trim_pool(heap, slack);
    heap->overflow = false;
    heap->real_peak = heap->real_size;
    heap->peak_segment_count = heap->segment_count;
    heap->reset_count++;
    zend_mm_publish(heap);
    heap->reset_duration = zend_mm_os_now() - start;
    heap->reset_storage_duration = heap->storage_duration - storage_before;
    zend_mm_heap_assert_valid(heap);
}

/* ---- end ---- */

static void end(zend_mm_heap *heap)
{
    (void)zend_mm_remote_take(&heap->remote);
    zend_mm_heap_expect(heap, 0);
    zend_mm_heap_huge_free_all(heap);
    /* An internal heap's struct goes away with its first unit: keep what is needed after. */
    zend_mm_storage *storage = heap->storage;
    uint16_t index = heap->index;
    zend_mm_heap copy;
    if (heap->internal) {
        memcpy(&copy, heap, sizeof copy);
        heap = &copy;
        zend_mm_segment_table_moved(&heap->free_runs.table);
    }
    zend_mm_heap_give_units(heap, false, ZEND_MM_POOL_SLACK_HEAP);
    zend_mm_heap_trim_pool(heap, ZEND_MM_POOL_SLACK_HEAP);
    zend_mm_segment_table_free(&heap->free_runs.table);
    storage->handlers->dtor(storage);
    zend_mm_registry_release(index);
}

void zend_mm_shutdown(zend_mm_heap *heap, int full, int silent)
{
    zend_mm_observers_tell_reset(heap, full != 0);
    if (heap->custom._shutdown != NULL) {
        heap->custom._shutdown(full != 0, silent != 0);
    }
    if (full) {
        zend_mm_observers_free(heap);
    }
    if (heap->tracked != NULL) {
        (full ? zend_mm_tracked_end : zend_mm_tracked_reset)(heap, silent != 0);
    }
    if (heap->debug != NULL) {
        (full ? zend_mm_debug_end : zend_mm_debug_reset)(heap, silent != 0);
    }
    if (heap->hardened != NULL) {
        (full ? zend_mm_hardened_end : zend_mm_hardened_reset)(heap);
    }
    if (heap->storage != NULL) {
        (full ? end : reset)(heap);
    } else if (full) {
        zend_mm_os_aligned_free(heap);
    }
}

/* ---- on demand ---- */

static size_t collect(zend_mm_heap *heap)
{
    if (heap->custom._gc != NULL) {
        return heap->custom._gc();
    }
    if (heap->storage == NULL) {
        return 0;
    }
    (void)zend_mm_heap_drain_remote(heap);
    (void)zend_mm_quarantine_flush(heap);
    (void)zend_mm_hardened_flush(heap);
    (void)zend_mm_heap_huge_drop_cache(heap);
    return zend_mm_heap_gc(heap);
}

size_t zend_mm_gc(zend_mm_heap *heap)
{
    size_t freed = collect(heap);
    zend_mm_publish(heap);
    zend_mm_observers_tell_gc(heap, freed);
    return freed;
}

size_t zend_mm_trim(zend_mm_heap *heap, size_t keep_size)
{
    size_t held = heap->real_size;
    if (heap->storage == NULL || held <= keep_size) {
        return 0;
    }
    /* The remote list comes first: a huge block on it lands in the cache. */
    (void)zend_mm_heap_drain_remote(heap);
    (void)zend_mm_quarantine_flush(heap);
    (void)zend_mm_hardened_flush(heap);
    (void)zend_mm_heap_huge_drop_cache(heap);
    if (heap->real_size > keep_size) {
        (void)zend_mm_heap_gc(heap);
    }
    zend_mm_publish(heap);
    /* What was drained may have been given back on the way, but never is more held than before. */
    return held - heap->real_size;
}
