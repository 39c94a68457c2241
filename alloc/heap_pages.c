/* heap_pages: page runs for a heap, and the segments behind them, under its limit.
 * Owns        the heap's segments and the units they are cut from.
 * Thread      the heap's owner.
 * Invariants  I1  every segment of the heap is in its table, and names it in the segment map
 *             I2  unit->free_segment_count counts the entirely free segments of a unit
 *             I3  spare_unit is entirely free; at most one other unit than the first is
 *             I4  real_size counts whole units
 *             I5  in a heap that hides memory, pages are hidden from when their unit is taken to when
 *                 it is given; the headers never are
 * Failure     NULL or false with heap->failure set; the heap is as before.
 * Tests       tests/unit/heap_pages.c, tests/fault/heap_fault.c
 */
#include "config.h"

#include <stdio.h>

#include "alloc/heap.h"
#include "alloc/os.h"
#include "alloc/os_shadow.h"

/* Huge pages behind a segment cost some 0.3 ms, once, so a request end does a few. */
#define COLLAPSE_MAX 8u
/* From this reset on, only every power of two. */
#define COLLAPSE_EAGER_COUNT 16u
/* So much of a segment must be resident: the rest, a sixteenth, becomes it. */
#define COLLAPSE_SIZE (ZEND_MM_SEGMENT_SIZE / 16 * 15)
/* From so many segments on, the next one is huge from the start: that pays for blocks that are written;
 * of blocks that are not, the whole segment becomes resident when one of its pages does. */
#define LARGE_HEAP_COUNT 8u
/* In a heap that touches ahead most page faults are saved already: there half a segment, the average of
 * what is resident in vain, has to be little beside the others. */
#define LARGE_TOUCHING_HEAP_COUNT 32u

/* In a heap that touches ahead, pages that no run had are made resident so many at a time: one call costs
 * less than their page faults (of 32 pages a PHP program of 35 ms was 2 % faster; of 16 half as much is
 * touched in vain, for twice the calls). */
#define AHEAD_COUNT 16u
/* Longer runs are buffers, of which a program may never touch the end. */
#define AHEAD_LENGTH_MAX 8u
/* A heap that stays below so many pages would get some in vain. */
#define AHEAD_START 128u

static uint32_t segments_per_unit(const zend_mm_heap *heap)
{
    return (uint32_t)(heap->block_size >> ZEND_MM_SEGMENT_SHIFT);
}

static zend_mm_segment_info *info_at(zend_mm_heap *heap, uint32_t number)
{
    return &heap->free_runs.table.infos[number];
}

/* The first segment of the unit that a segment is in, by number. */
static uint32_t unit_of(const zend_mm_heap *heap, uint32_t number)
{
    return number - number % segments_per_unit(heap);
}

static zend_mm_segment *segment_at(zend_mm_segment *unit, size_t number)
{
    return (zend_mm_segment *)(void *)((char *)unit + number * ZEND_MM_SEGMENT_SIZE);
}

static bool is_entirely_free(const zend_mm_segment_info *info)
{
    return info->free_page_count == ZEND_MM_USABLE_PAGE_COUNT;
}

void zend_mm_heap_expect(zend_mm_heap *heap, uint32_t expected)
{
    if (heap->pool != NULL) {
        zend_mm_pool_expect(heap->pool, (int64_t)expected - (int64_t)heap->expected_segments);
    }
    heap->expected_segments = expected;
}

bool zend_mm_heap_is_within_limit(const zend_mm_heap *heap, size_t size)
{
    return heap->overflow || (heap->real_size <= heap->limit
        && size <= heap->limit - heap->real_size);
}

/* ---- units ---- */

/* Memory for a unit: from the pool, which is warm, else from the storage. */
static void *obtain_unit(zend_mm_heap *heap)
{
    if (heap->pool != NULL) {
        void *segment = zend_mm_pool_take(heap->pool);
        if (segment != NULL) {
            return segment;
        }
    }
    void *unit = zend_mm_heap_storage_alloc(heap, heap->block_size, heap->block_size);
    if (unit == NULL) {
        return NULL;
    }
    if (!zend_mm_is_mappable(unit, heap->block_size)) {
        fprintf(stderr, "zend_mm storage [%s] gave a block at %p, expected one aligned to %zu\n",
            heap->storage->handlers->name, unit, ZEND_MM_SEGMENT_SIZE);
        zend_mm_heap_storage_free(heap, unit, heap->block_size, heap->block_size);
        return NULL;
    }
    if (heap->pool != NULL) {
        zend_mm_pool_count(heap->pool, 1);
        bool is_large = heap->segment_count
            >= (heap->touches_ahead ? LARGE_TOUCHING_HEAP_COUNT : LARGE_HEAP_COUNT);
        if (is_large && !heap->wants_huge_pages) {
            zend_mm_os_advise_huge_pages(unit, ZEND_MM_SEGMENT_SIZE);
        }
        zend_mm_segment_rest_of(unit)->has_huge_pages = is_large || heap->wants_huge_pages;
    }
    return unit;
}

static void hide_pages(const zend_mm_heap *heap, zend_mm_segment *unit)
{
    for (uint32_t index = 0; index < segments_per_unit(heap); index++) {
        zend_mm_os_shadow_hide(zend_mm_page_address(segment_at(unit, index), ZEND_MM_FIRST_PAGE),
            (size_t)ZEND_MM_USABLE_PAGE_COUNT << ZEND_MM_PAGE_SHIFT);
    }
}

static void init_unit(zend_mm_heap *heap, zend_mm_segment *unit, uint32_t first)
{
    uint32_t count = segments_per_unit(heap);
    for (uint32_t index = count; index-- > 0;) {
        zend_mm_segment_init(segment_at(unit, index), first + index, &heap->free_runs);
    }
    info_at(heap, first)->free_segment_count = count;
    if (heap->hides_memory) {
        hide_pages(heap, unit);
    }
}

static void own_unit(zend_mm_heap *heap, zend_mm_segment *unit)
{
    for (uint32_t index = 0; index < segments_per_unit(heap); index++) {
        zend_mm_set_owner(segment_at(unit, index), heap->index);
    }
    heap->segment_count += segments_per_unit(heap);
}

static bool take_unit(zend_mm_heap *heap)
{
    zend_mm_segment_table *table = &heap->free_runs.table;
    uint32_t first;
    if (!zend_mm_segment_table_take(table, segments_per_unit(heap), &first)) {
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return false;
    }
    zend_mm_heap_yield(heap, heap->block_size);
    zend_mm_segment *unit = obtain_unit(heap);
    if (unit == NULL) {
        zend_mm_segment_table_give(table, segments_per_unit(heap), first);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return false;
    }
    init_unit(heap, unit, first);
    own_unit(heap, unit);
    if (heap->first_unit == NULL) {
        heap->first_unit = unit;
    }
    heap->real_size += heap->block_size;
    if (heap->real_size > heap->real_peak) {
        heap->real_peak = heap->real_size;
    }
    if (heap->segment_count > heap->peak_segment_count) {
        heap->peak_segment_count = heap->segment_count;
    }
    if (heap->segment_count * ZEND_MM_POOL_FRACTION > heap->expected_segments) {
        zend_mm_heap_expect(heap, (uint32_t)heap->segment_count * ZEND_MM_POOL_FRACTION);
    }
    return true;
}

/* A unit, whatever is in it, is no longer the heap's; its free runs are no longer on any list. */
static zend_mm_segment *disown_unit(zend_mm_heap *heap, uint32_t first)
{
    zend_mm_segment *unit = info_at(heap, first)->segment;
    for (uint32_t index = 0; index < segments_per_unit(heap); index++) {
        zend_mm_set_owner(segment_at(unit, index), ZEND_MM_OWNER_NONE);
    }
    zend_mm_segment_table_give(&heap->free_runs.table, segments_per_unit(heap), first);
    heap->segment_count -= segments_per_unit(heap);
    heap->real_size -= heap->block_size;
    if (heap->hides_memory) {
        zend_mm_os_shadow_show(unit, heap->block_size);
    }
    return unit;
}

/* Past the pool: what lies there stays resident. */
static void give_to_storage(zend_mm_heap *heap, zend_mm_segment *unit)
{
    if (heap->pool != NULL) {
        zend_mm_pool_count(heap->pool, -1);
    }
    zend_mm_heap_storage_free(heap, unit, heap->block_size, heap->block_size);
}

static void give_unit(zend_mm_heap *heap, uint32_t first)
{
    zend_mm_segment *unit = disown_unit(heap, first);
    if (heap->pool == NULL || !zend_mm_pool_give(heap->pool, unit)) {
        give_to_storage(heap, unit);
    }
}

static void retire_unit(zend_mm_heap *heap, uint32_t first)
{
    for (uint32_t index = 0; index < segments_per_unit(heap); index++) {
        zend_mm_segment_retire(&heap->free_runs, first + index);
    }
}

static void give_free_unit(zend_mm_heap *heap, uint32_t first)
{
    retire_unit(heap, first);
    give_unit(heap, first);
}

void zend_mm_heap_give_free_units(zend_mm_heap *heap)
{
    heap->spare_unit = NULL;
    for (uint32_t first = 0; first < heap->free_runs.table.end; first += segments_per_unit(heap)) {
        zend_mm_segment_info *unit = info_at(heap, first);
        if (unit->segment == NULL) {
            continue;
        }
        unit->free_segment_count = 0;
        for (uint32_t index = 0; index < segments_per_unit(heap); index++) {
            unit->free_segment_count += is_entirely_free(info_at(heap, first + index));
        }
        if (unit->segment != heap->first_unit
                && unit->free_segment_count == segments_per_unit(heap)) {
            give_free_unit(heap, first);
        }
    }
}

static void give_spare_unit(zend_mm_heap *heap)
{
    uint32_t first = unit_of(heap, zend_mm_number_of(heap->spare_unit));
    heap->spare_unit = NULL;
    retire_unit(heap, first);
    give_to_storage(heap, disown_unit(heap, first));
}

void zend_mm_heap_yield(zend_mm_heap *heap, size_t more)
{
    if (heap->real_size + more <= heap->real_peak) {
        return;
    }
    if (heap->spare_unit != NULL) {
        give_spare_unit(heap);
    }
    while (heap->real_size + more > heap->real_peak && zend_mm_heap_huge_give_oldest(heap)) {
    }
}

/* One free unit is kept back, so that a request which frees and takes the same run again and again
 * at a segment's edge does not call the storage each time. */
static void unit_emptied(zend_mm_heap *heap, uint32_t first)
{
    zend_mm_segment *unit = info_at(heap, first)->segment;
    if (unit == heap->first_unit) {
        return;
    }
    if (heap->spare_unit != NULL) {
        give_free_unit(heap, first);
    } else {
        heap->spare_unit = unit;
    }
}

/* Asking what is resident has its price: a worker whose segments never fill asks ever more rarely. */
static bool is_collapse_due(const zend_mm_heap *heap)
{
    uint64_t count = heap->reset_count;
    return heap->pool != NULL && zend_mm_heap_is_worker(heap)
        && (count < COLLAPSE_EAGER_COUNT || (count & (count - 1)) == 0);
}

void zend_mm_heap_collapse_full_segments(zend_mm_heap *heap)
{
    if (!is_collapse_due(heap)) {
        return;
    }
    uint64_t start = zend_mm_os_now();
    unsigned int left = COLLAPSE_MAX;
    for (uint32_t number = 0; number < heap->free_runs.table.end && left > 0; number++) {
        zend_mm_segment *segment = info_at(heap, number)->segment;
        if (segment != NULL && !zend_mm_segment_rest_of(segment)->has_huge_pages
                && zend_mm_os_resident_size(segment, ZEND_MM_SEGMENT_SIZE) >= COLLAPSE_SIZE) {
            zend_mm_os_collapse_huge_pages(segment, ZEND_MM_SEGMENT_SIZE);
            zend_mm_segment_rest_of(segment)->has_huge_pages = true;
            left--;
        }
    }
    heap->storage_duration += zend_mm_os_now() - start;
}

bool zend_mm_heap_reclaim(zend_mm_heap *heap)
{
    size_t held = heap->real_size;
    /* The remote list comes first: a huge block on it lands in the cache. */
    bool drained = zend_mm_heap_drain_remote(heap);
    bool dropped = zend_mm_heap_huge_drop_cache(heap);
    return zend_mm_heap_gc(heap) != 0 || drained || dropped || heap->real_size != held;
}

void zend_mm_heap_trim_pool(zend_mm_heap *heap, zend_mm_pool_slack slack)
{
    void *segment;
    while (heap->pool != NULL
            && (segment = zend_mm_pool_take_excess(heap->pool, slack)) != NULL) {
        zend_mm_heap_storage_free(heap, segment, ZEND_MM_SEGMENT_SIZE, ZEND_MM_SEGMENT_SIZE);
    }
}

/* ---- runs ---- */

/* A run out of the segments the heap has. */
static void *alloc_run_of(zend_mm_heap *heap, uint32_t count, zend_mm_run_pages pages)
{
    void *run = zend_mm_run_alloc(&heap->free_runs, count, pages);
    if (run == NULL) {
        return NULL;
    }
    uint32_t number = zend_mm_number_of(run);
    if (info_at(heap, number)->free_page_count + count == ZEND_MM_USABLE_PAGE_COUNT) {
        zend_mm_segment_info *unit = info_at(heap, unit_of(heap, number));
        unit->free_segment_count--;
        if (unit->segment == heap->spare_unit) {
            heap->spare_unit = NULL;
        }
    }
    return run;
}

static void *alloc_run(zend_mm_heap *heap, uint32_t count)
{
    return alloc_run_of(heap, count, ZEND_MM_ALL_PAGES);
}

/* The run has pages that no run of this request had: the system makes them resident, and those behind it.
 * Where some are already, nothing happens to them. The cache of mappings gives as many back: what is only
 * kept lets no more become resident than was when it was freed. */
static void touch_ahead(zend_mm_heap *heap, void *run, uint32_t count)
{
    if (!heap->touches_ahead || heap->pool == NULL) {
        return;
    }
    zend_mm_segment *segment = zend_mm_segment_of(run);
    zend_mm_segment_rest *rest = zend_mm_segment_rest_of(segment);
    uint32_t first = zend_mm_page_of(run), end = first + count;
    if (end <= rest->resident_end || rest->has_huge_pages) {
        return;
    }
    first = first < rest->resident_end ? rest->resident_end : first;
    bool is_long = count > AHEAD_LENGTH_MAX || (heap->segment_count == 1 && end <= AHEAD_START);
    if (!is_long) {
        end = (end + AHEAD_COUNT - 1) / AHEAD_COUNT * AHEAD_COUNT;
    }
    size_t size = (size_t)(end - first) << ZEND_MM_PAGE_SHIFT;
    zend_mm_heap_huge_trim_cache(heap, size);
    if (!is_long) {
        rest->resident_end = zend_mm_os_touch(zend_mm_page_address(segment, first), size)
            ? (uint16_t)end : ZEND_MM_PAGE_COUNT;
    }
}

void *zend_mm_heap_alloc_pages(zend_mm_heap *heap, uint32_t count)
{
    void *run = alloc_run_of(heap, count, ZEND_MM_TOUCHED_PAGES);
    if (run != NULL) {
        return run;
    }
    (void)zend_mm_heap_release_held(heap);
    run = alloc_run(heap, count);
    if (run != NULL) {
        touch_ahead(heap, run, count);
        return run;
    }
    bool is_within_limit = zend_mm_heap_is_within_limit(heap, heap->block_size);
    if (is_within_limit && take_unit(heap)) {
        return alloc_run(heap, count);
    }
    /* The request is tried again in full: what was reclaimed may hold the run. */
    if (zend_mm_heap_reclaim(heap)) {
        run = alloc_run(heap, count);
        if (run != NULL) {
            return run;
        }
        is_within_limit = zend_mm_heap_is_within_limit(heap, heap->block_size);
        if (is_within_limit && take_unit(heap)) {
            return alloc_run(heap, count);
        }
    }
    heap->failure = is_within_limit ? ZEND_MM_FAILURE_STORAGE : ZEND_MM_FAILURE_LIMIT;
    return NULL;
}

void zend_mm_heap_free_pages(zend_mm_heap *heap, void *run, uint32_t count)
{
    if (zend_mm_run_free(&heap->free_runs, run, count)) {
        uint32_t unit = unit_of(heap, zend_mm_number_of(run));
        if (++info_at(heap, unit)->free_segment_count == segments_per_unit(heap)) {
            unit_emptied(heap, unit);
        }
    }
}

/* ---- the first unit ---- */

static uint32_t reserve_pages(const zend_mm_heap *heap)
{
    return (uint32_t)((heap->reserve_size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE);
}

void zend_mm_heap_take_reserve(zend_mm_heap *heap)
{
    uint32_t count = reserve_pages(heap);
    if (count > 0 && count <= ZEND_MM_USABLE_PAGE_COUNT) {
        heap->reserve = alloc_run(heap, count);
    }
}

void zend_mm_heap_release_reserve(zend_mm_heap *heap)
{
    if (heap->reserve != NULL) {
        void *reserve = heap->reserve;
        heap->reserve = NULL;
        zend_mm_heap_free_pages(heap, reserve, reserve_pages(heap));
    }
}

/* The pages of an internal heap's struct come first: the same ones after every reset. */
static void take_own_runs(zend_mm_heap *heap)
{
    if (heap->internal) {
        (void)alloc_run(heap, ZEND_MM_HEAP_STRUCT_SIZE / ZEND_MM_PAGE_SIZE);
    }
    zend_mm_heap_take_reserve(heap);
}

bool zend_mm_heap_take_first_unit(zend_mm_heap *heap)
{
    if (!take_unit(heap)) {
        return false;
    }
    take_own_runs(heap);
    return true;
}

void zend_mm_heap_hide_first_unit(zend_mm_heap *heap)
{
    hide_pages(heap, heap->first_unit);
}

void zend_mm_heap_reinit_first_unit(zend_mm_heap *heap)
{
    uint32_t first;
    if (zend_mm_segment_table_take(&heap->free_runs.table, segments_per_unit(heap), &first)) {
        init_unit(heap, heap->first_unit, first);   /* always: it had a number before */
    }
    take_own_runs(heap);
}

/* The last one first: it is the first to go to the storage, and the pool gives the one that came last. So the
 * next request takes them in the order in which this one did, and what was never touched stays so. */
void zend_mm_heap_give_units(zend_mm_heap *heap, bool keep_first, zend_mm_pool_slack slack)
{
    for (uint32_t first = heap->free_runs.table.end; first > 0;) {
        first -= segments_per_unit(heap);
        const zend_mm_segment *unit = info_at(heap, first)->segment;
        if (unit == NULL || (unit == heap->first_unit && keep_first)) {
            continue;
        }
        if (heap->pool != NULL && zend_mm_pool_drop(heap->pool, slack)) {
            zend_mm_heap_storage_free(heap, disown_unit(heap, first), heap->block_size,
                heap->block_size);
        } else {
            give_unit(heap, first);
        }
    }
    heap->spare_unit = NULL;
    if (!keep_first) {
        heap->first_unit = NULL;
    }
}
