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

#include <stdio.h>
#include <string.h>

#include "alloc/environment.h"
#include "alloc/os.h"
#include "alloc/segment_pool.h"
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
    return small_size(heap) + heap->large_size + heap->huge.size;
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
}

void zend_mm_heap_grown(zend_mm_heap *heap)
{
    if (heap->runs_size + heap->large_size + heap->huge.size > heap->peak_note_at) {
        zend_mm_heap_note_peak(heap);
    }
}

/* ---- start ---- */

/* The first key comes from the system; the next ones are mixed from it, the clock and each other,
 * so that a request end needs no system call for one. */
static void renew_link_key(zend_mm_heap *heap)
{
    if (heap->key_state == 0) {
        heap->key_state = zend_mm_os_random();
    }
    heap->key_state += UINT64_C(0x9E3779B97F4A7C15) ^ zend_mm_os_now();
    uint64_t key = heap->key_state;
    key = (key ^ key >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    key = (key ^ key >> 27) * UINT64_C(0x94D049BB133111EB);
    heap->link_key = (uintptr_t)(key ^ key >> 31);
}

/* Every free structure empty, as for a heap that holds nothing. */
void zend_mm_init(zend_mm_heap *heap)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_init");
    zend_mm_buckets_init(heap->free_buckets);
    memset(heap->carve, 0, sizeof heap->carve);
    zend_mm_free_runs_init(&heap->free_runs);
    heap->huge = (zend_mm_huge_table){ 0 };
    heap->large_size = 0;
    heap->runs_size = 0;
    heap->peak_note_at = 0;
    heap->reserve = NULL;       /* taken with the first unit */
    heap->peak = 0;
    renew_link_key(heap);
    tsrm_startup_trace_leave(token, "zend_mm_init", "%d bins, %d run classes, rest_count = 0",
        ZEND_MM_BIN_COUNT, ZEND_MM_RUN_CLASS_COUNT);
}

/* Move the heap's struct into the page kept for it in its own first segment. */
static zend_mm_heap *move_inside(zend_mm_heap *heap)
{
    zend_mm_heap *inside =
        zend_mm_page_address(heap->first_unit, ZEND_MM_FIRST_PAGE);
    memcpy(inside, heap, sizeof *heap);
    for (zend_mm_segment *segment = inside->segments; segment != NULL; segment = segment->next) {
        segment->heap = inside;
    }
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
    size_t reserve_size, bool internal)
{
    heap->use_zend_alloc = true;
    heap->internal = internal;
    heap->storage = storage;
    heap->block_size = block_size;
    heap->reserve_size = reserve_size;
    heap->limit = SIZE_MAX;
    /* A pool holds single segments, and only of heaps that any thread's heap may follow. */
    heap->pool = block_size == ZEND_MM_SEGMENT_SIZE && !internal
        ? zend_mm_storage_pool(storage->handlers) : NULL;
    zend_mm_remote_init(&heap->remote);
}

static zend_mm_heap *startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, bool internal, void *params)
{
    block_size = rounded_block_size(block_size);
    zend_mm_storage *storage = handlers->init(params);
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
    set_up(heap, storage, block_size, reserve_size, internal);
    zend_mm_init(heap);
    if (!zend_mm_heap_take_first_unit(heap)) {
        goto fail_unit;
    }
    heap->average_segments = heap->expected_segments;
    return internal ? move_inside(heap) : heap;

fail_unit:
    zend_mm_registry_release(heap->index);
fail_heap:
    handlers->dtor(storage);
    return NULL;
}

zend_mm_heap *zend_mm_startup_ex(const zend_mm_mem_handlers *handlers, size_t block_size,
    size_t reserve_size, int internal, void *params)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_startup_ex");
    zend_mm_heap *heap =
        startup_ex(handlers, block_size, reserve_size, internal != 0, params);
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

zend_mm_heap *zend_mm_startup(void)
{
    uint64_t token = tsrm_startup_trace_enter("zend_mm_startup");
    zend_mm_settings settings = zend_mm_environment_settings();
    zend_mm_heap *heap = zend_mm_startup_ex(&settings.storage->handlers, settings.block_size,
        ZEND_MM_DEFAULT_RESERVE_SIZE, 0, NULL);
    if (heap != NULL) {
        heap->compact_size = settings.compact_size;
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
static void compact(zend_mm_heap *heap)
{
    zend_mm_heap_give_units(heap, false);
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
    zend_mm_heap_collapse_full_segments(heap);
    zend_mm_heap_huge_free_all(heap);
    if (is_compacting) {
        compact(heap);
    } else {
        zend_mm_heap_give_units(heap, true);
        zend_mm_init(heap);
        if (heap->first_unit != NULL) {
            zend_mm_heap_reinit_first_unit(heap);
        }
    }
    zend_mm_heap_trim_pool(heap);
    heap->overflow = false;
    heap->real_peak = heap->real_size;
    heap->peak_segment_count = heap->segment_count;
    heap->reset_count++;
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
    }
    zend_mm_heap_give_units(heap, false);
    zend_mm_heap_trim_pool(heap);
    storage->handlers->dtor(storage);
    zend_mm_registry_release(index);
}

void zend_mm_shutdown(zend_mm_heap *heap, int full, int silent)
{
    (void)silent;
    if (!heap->use_zend_alloc) {
        if (full) {
            zend_mm_os_aligned_free(heap);
        }
        return;
    }
    if (full) {
        end(heap);
    } else {
        reset(heap);
    }
}

size_t zend_mm_gc(zend_mm_heap *heap)
{
    if (!heap->use_zend_alloc) {
        return 0;
    }
    (void)zend_mm_heap_drain_remote(heap);
    (void)zend_mm_heap_huge_drop_cache(heap);
    return zend_mm_heap_gc(heap);
}
