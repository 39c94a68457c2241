/* heap_check: does every invariant hold? Used by tests and by debug builds.
 * Owns        nothing; reads everything.
 * Thread      the heap's owner.
 * Invariants  those of segment.c, segment_table.c, heap_pages.c, huge.c and the identities of heap.h.
 * Failure     false, and the name of the first invariant that is broken.
 * Tests       tests/unit/heap_check.c
 */
#include "config.h"

#include "alloc/heap.h"

#include <string.h>

#include "alloc/panic.h"

typedef struct totals {
    size_t segment_count;
    size_t large_size;
    uint32_t free_pages;                            /* of the segment being checked */
    uint32_t rest_count;
    uint32_t run_counts[ZEND_MM_RUN_CLASS_COUNT];   /* of the segment being checked */
    size_t run_slots[ZEND_MM_BIN_COUNT];    /* slots of all runs */
} totals;

static bool fail(const char **what, const char *invariant)
{
    *what = invariant;
    return false;
}

static uint32_t mark_at(const zend_mm_segment_info *info, uint32_t page)
{
    return *zend_mm_mark_of(zend_mm_page_address(info->segment, page));
}

static bool check_small_run(const zend_mm_segment_info *info, uint32_t first, uint32_t bin,
    const char **what)
{
    for (uint32_t number = 0; number < zend_mm_bin_infos[bin].page_count; number++) {
        uint32_t page = first + number;
        if (mark_at(info, page) != (bin << ZEND_MM_MARK_BIN_SHIFT | number << ZEND_MM_PAGE_SHIFT)) {
            return fail(what, "segment I3: a page of a small run has another mark");
        }
        if (zend_mm_page_is_set(&info->free_pages, page)
                || zend_mm_page_is_set(&info->starts, page)
                || zend_mm_page_is_set(&info->ends, page)) {
            return fail(what, "segment I2: a page of a small run is marked");
        }
    }
    return true;
}

static bool check_free_run(const zend_mm_segment_info *info, uint32_t first, uint32_t length,
    totals *sum, const char **what)
{
    for (uint32_t page = first; page < first + length; page++) {
        if (zend_mm_page_is_set(&info->ends, page)
                || (page != first && zend_mm_page_is_set(&info->starts, page))) {
            return fail(what, "segment I2: a free page is marked");
        }
    }
    if (zend_mm_page_is_set(&info->starts, first)) {
        sum->rest_count++;
    } else {
        sum->run_counts[zend_mm_run_class_of(length)]++;
    }
    return true;
}

/* A run of pages that are marked NONE, for it is large or free. */
static bool check_marks(const zend_mm_segment_info *info, uint32_t first, uint32_t length,
    const char **what)
{
    for (uint32_t page = first; page < first + length; page++) {
        if (mark_at(info, page) != ZEND_MM_MARK_NONE) {
            return fail(what, "segment I3: a page of no small run has a bin's mark");
        }
    }
    return true;
}

/* The run at `first`: *length is what it is long. */
static bool check_run(const zend_mm_segment_info *info, uint32_t first, totals *sum,
    uint32_t *length, const char **what)
{
    uint32_t free_length = zend_mm_pages_set_from(&info->free_pages, first);
    uint32_t large_length = zend_mm_large_length(info, first);
    if (free_length != 0) {
        *length = free_length;
        sum->free_pages += free_length;
        return check_marks(info, first, free_length, what)
            && check_free_run(info, first, free_length, sum, what);
    }
    if (large_length != 0) {
        *length = large_length;
        if (first + large_length > ZEND_MM_PAGE_COUNT
                || zend_mm_pages_next(&info->starts, first + 1) < first + large_length) {
            return fail(what, "segment I2: a large run has no end");
        }
        sum->large_size += (size_t)large_length << ZEND_MM_PAGE_SHIFT;
        return check_marks(info, first, large_length, what);
    }
    uint32_t bin = zend_mm_mark_bin(mark_at(info, first));
    if (bin >= ZEND_MM_BIN_COUNT) {
        return fail(what, "segment I2: a page is in no run and not free");
    }
    *length = zend_mm_bin_infos[bin].page_count;
    sum->run_slots[bin] += zend_mm_bin_infos[bin].slot_count;
    return first + *length <= ZEND_MM_PAGE_COUNT
        ? check_small_run(info, first, bin, what)
        : fail(what, "segment I3: a small run is longer than its segment");
}

static bool check_untouched(const zend_mm_segment_info *info, const char **what)
{
    uint32_t end = info->touched_end;
    return (end >= ZEND_MM_FIRST_PAGE && end <= ZEND_MM_PAGE_COUNT
            && zend_mm_pages_set_from(&info->free_pages, end) == ZEND_MM_PAGE_COUNT - end)
        || fail(what, "segment I5: a page that no run has had is not free");
}

static bool check_pages(const zend_mm_segment_info *info, totals *sum, const char **what)
{
    sum->free_pages = 0;
    uint32_t page = ZEND_MM_FIRST_PAGE, length;
    while (page < ZEND_MM_PAGE_COUNT) {
        if (!check_run(info, page, sum, &length, what)) {
            return false;
        }
        page += length;
    }
    return sum->free_pages == info->free_page_count
        || fail(what, "segment: free_page_count is wrong");
}

/* After check_pages(): the classes of a segment against the runs that were found in it. */
static bool check_classes(const zend_mm_segment_table *table, uint32_t number, const totals *sum,
    const char **what)
{
    const zend_mm_segment_info *info = &table->infos[number];
    for (uint32_t class = 0; class < ZEND_MM_RUN_CLASS_COUNT; class++) {
        uint32_t count = sum->run_counts[class];
        uint32_t first = info->classes[class].first;
        if (info->classes[class].count != count) {
            return fail(what, "segment I4: a free run is not counted in its class");
        }
        if (count != 0 && first != 0) {
            uint32_t length = zend_mm_pages_set_from(&info->free_pages, first);
            if (length == 0 || zend_mm_run_class_of(length) != class
                    || zend_mm_page_is_set(&info->free_pages, first - 1)
                    || zend_mm_page_is_set(&info->starts, first)) {
                return fail(what, "segment I4: the first run of a class is none of it");
            }
        }
        uint64_t bits = table->large_free_buckets[class * table->row_words + number / 64];
        if ((bits >> number % 64 & 1) != (count != 0)) {
            return fail(what, "segment_table I2: a bucket and a segment's counts disagree");
        }
    }
    return true;
}

static bool check_segment(const zend_mm_heap *heap, uint32_t number, totals *sum,
    const char **what)
{
    const zend_mm_segment_table *table = &heap->free_runs.table;
    const zend_mm_segment_info *info = &table->infos[number];
    if (zend_mm_number_of(info->segment) != number || zend_mm_owner_of(info->segment) != heap->index) {
        return fail(what, "heap_pages I1: a segment is not the one of its number");
    }
    sum->segment_count++;
    memset(sum->run_counts, 0, sizeof sum->run_counts);
    return check_pages(info, sum, what) && check_untouched(info, what)
        && check_classes(table, number, sum, what);
}

static bool check_summaries(const zend_mm_segment_table *table, const char **what)
{
    for (uint32_t class = 0; class < ZEND_MM_RUN_CLASS_COUNT; class++) {
        bool has_any = false;
        for (uint32_t word = 0; word < table->row_words; word++) {
            bool has = table->large_free_buckets[class * table->row_words + word] != 0;
            has_any |= has;
            if (table->row_words > 1) {
                uint64_t summary = table->summaries[class * table->summary_words + word / 64];
                if (has != ((summary >> word % 64 & 1) != 0)) {
                    return fail(what, "segment_table I2: a summary and a bucket disagree");
                }
            }
        }
        if (has_any != ((table->large_free_bitmap >> class & 1) != 0)) {
            return fail(what, "segment_table I2: the bitmap and a bucket disagree");
        }
    }
    return true;
}

static bool check_rests(const zend_mm_heap *heap, const totals *sum, const char **what)
{
    const zend_mm_free_runs *runs = &heap->free_runs;
    for (uint32_t index = 0; index < runs->rest_count; index++) {
        zend_mm_run rest = runs->rest_buckets[index];
        const zend_mm_segment_info *info = &runs->table.infos[rest.number];
        if (rest.number >= runs->table.end || info->segment == NULL
                || !zend_mm_page_is_set(&info->starts, rest.first)
                || zend_mm_pages_set_from(&info->free_pages, rest.first) != rest.length) {
            return fail(what, "segment I4: the rest list names no rest run");
        }
    }
    return sum->rest_count == runs->rest_count
        || fail(what, "segment I4: a marked rest run is not on the list");
}

static bool check_segments(const zend_mm_heap *heap, totals *sum, const char **what)
{
    const zend_mm_segment_table *table = &heap->free_runs.table;
    for (uint32_t number = 0; number < table->end; number++) {
        if (table->infos[number].segment != NULL && !check_segment(heap, number, sum, what)) {
            return false;
        }
    }
    if (sum->segment_count != heap->segment_count) {
        return fail(what, "heap: segment_count is wrong");
    }
    return check_summaries(table, what) && check_rests(heap, sum, what);
}

static bool check_bin(const zend_mm_heap *heap, uint32_t bin, size_t run_slots, const char **what)
{
    size_t free_slots = 0;
    if (run_slots != (size_t)heap->run_counts[bin] * zend_mm_bin_infos[bin].slot_count) {
        return fail(what, "bin: run_counts is not what the segments hold");
    }
    const zend_mm_slot *slot = heap->free_buckets[bin].first;
    while (slot != NULL) {
        if (zend_mm_owner_of(slot) != heap->index) {
            return fail(what, "bin: a free slot lies outside the heap");
        }
        uint32_t mark = *zend_mm_mark_of(slot);
        if (zend_mm_mark_bin(mark) != bin
                || !zend_mm_is_slot_start(&heap->free_buckets[bin], mark, slot)) {
            return fail(what, "bin: a free slot is in a run of another bin");
        }
        uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
        if ((opened & ZEND_MM_LINK_INVALID) != 0 || ++free_slots > run_slots) {
            return fail(what, "bin: a link is damaged");
        }
        slot = zend_mm_link_next(opened);
    }
    const zend_mm_carve *carve = &heap->carve[bin];
    free_slots += (size_t)(carve->end - carve->next) / zend_mm_bin_infos[bin].slot_size;
    return free_slots + heap->free_buckets[bin].used_count == run_slots
        || fail(what, "bin: live and free slots are not all slots");
}

static bool check_huge(const zend_mm_heap *heap, const char **what)
{
    const zend_mm_huge_table *table = &heap->huge;
    size_t count = 0, size = 0, touched_size = 0, cached_size = 0;
    for (size_t place = 0; place < table->capacity; place++) {
        const zend_mm_huge *huge = &table->places[place];
        if (huge->address == NULL) {
            continue;
        }
        count++;
        size += huge->size;
        touched_size += huge->touched_size;
        if (zend_mm_huge_find(table, huge->address) != huge
                || zend_mm_owner_of(huge->address) != (heap->index | ZEND_MM_OWNER_HUGE)) {
            return fail(what, "huge I1: a block is not found by its address");
        }
    }
    for (uint32_t index = 0; index < table->cached_count; index++) {
        cached_size += table->cached[index].touched_size;
    }
    if (count != table->count || size != table->size || touched_size != table->touched_size
            || cached_size != table->cached_size) {
        return fail(what, "huge I2: the sums are wrong");
    }
    return true;
}

static bool check_held(const zend_mm_heap *heap, size_t *held_size)
{
    for (uint32_t length = 1; length <= ZEND_MM_HELD_LENGTH_MAX; length++) {
        const void *run = heap->held_runs[length];
        if (run == NULL) {
            continue;
        }
        if (zend_mm_owner_of(run) != heap->index || ((uintptr_t)run & (ZEND_MM_PAGE_SIZE - 1)) != 0
                || zend_mm_large_length(zend_mm_segment_info_of(&heap->free_runs, run),
                    zend_mm_page_of(run)) != length) {
            return false;
        }
        *held_size += (size_t)length * ZEND_MM_PAGE_SIZE;
    }
    return true;
}

/* Large runs are the live blocks, those held, the reserve, an internal heap's struct and the huge
 * table. */
static size_t own_runs_size(const zend_mm_heap *heap)
{
    size_t pages = heap->internal ? ZEND_MM_HEAP_STRUCT_SIZE / ZEND_MM_PAGE_SIZE : 0;
    if (heap->reserve != NULL) {
        pages += zend_mm_large_length(zend_mm_segment_info_of(&heap->free_runs, heap->reserve),
            zend_mm_page_of(heap->reserve));
    }
    size_t table_size = heap->huge.capacity * sizeof heap->huge.places[0];
    pages += (table_size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE;
    return pages * ZEND_MM_PAGE_SIZE;
}

bool zend_mm_heap_is_valid(const zend_mm_heap *heap, const char **what)
{
    totals sum = { 0 };
    if (!check_segments(heap, &sum, what) || !check_huge(heap, what)) {
        return false;
    }
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        if (!check_bin(heap, bin, sum.run_slots[bin], what)) {
            return false;
        }
    }
    size_t held_size = 0;
    if (!check_held(heap, &held_size)) {
        return fail(what, "heap_held I1: a held run is no large run of its length");
    }
    if (sum.large_size != heap->large_size + held_size + own_runs_size(heap)) {
        return fail(what, "heap: large_size is not the sum of the large runs");
    }
    size_t segments_size = heap->segment_count * ZEND_MM_SEGMENT_SIZE;
    return heap->real_size == segments_size + heap->huge.touched_size + heap->huge.cached_size
        || fail(what, "heap: real_size is not what the heap holds");
}

void zend_mm_heap_assert_valid(const zend_mm_heap *heap)
{
    const char *what;
    if (ZEND_DEBUG && !zend_mm_heap_is_valid(heap, &what)) {
        zend_mm_panic(what, heap, ZEND_MM_NO_BIN);
    }
}
