/* segment: page runs, split and joined in O(1).
 * Owns        the page map of a segment, its free pages and the rest list; never looks inside a run.
 * Thread      only the heap's owner; other threads go through remote.h.
 * Invariants  I1  a page's bit is set in free_pages iff it is in no run; page 0 is the header
 *             I2  a large run's first page is in starts, its last in ends; no other page is in ends
 *             I3  every page of a small run carries its bin and its number inside the run; all other
 *                 pages carry MARK_NONE
 *             I4  a free run is in rest_buckets and its first page in starts, or it is counted in its
 *                 class; first of a class that has some is one of them, or 0
 *             I5  pages from touched_end on are free: no run has had one since segment_init
 * Failure     NULL or false when no free run fits; everything is as before.
 * Tests       tests/unit/segment.c, tests/stress/heap_model.c
 */
#include "config.h"

#include "alloc/segment.h"

/* Mark a run that becomes large, or take the marks off one that no longer is. */
static inline void mark_large(zend_mm_segment_info *info, uint32_t first, uint32_t length)
{
    zend_mm_page_flip(&info->starts, first);
    zend_mm_page_flip(&info->ends, first + length - 1);
}

/* ---- the classes ---- */

static inline void count_run(zend_mm_segment_table *table, uint32_t number, uint32_t first,
    uint32_t length)
{
    uint32_t index = zend_mm_run_class_of(length);
    zend_mm_run_class *class = &table->infos[number].classes[index];
    class->first = (uint16_t)first;
    class->count++;
    zend_mm_bucket_set(table, index, number);
}

static inline void uncount_run(zend_mm_segment_table *table, zend_mm_segment_info *info,
    uint32_t number, uint32_t first, uint32_t length)
{
    uint32_t index = zend_mm_run_class_of(length);
    zend_mm_run_class *class = &info->classes[index];
    class->count--;
    /* Where another one is will be looked up when it is needed. */
    class->first = class->first == first ? 0 : class->first;
    zend_mm_bucket_clear(table, index, number, class->count == 0);
}

/* Where a run of a class is in a segment that has one. */
static uint32_t search_class(const zend_mm_segment_info *info, uint32_t index)
{
    if (index < ZEND_MM_SHORT_RUN_MAX) {
        return zend_mm_pages_find(&info->free_pages, &info->starts, index + 1);
    }
    uint32_t page = 0, length = 0;
    do {
        page = zend_mm_pages_next(&info->free_pages, page + length);
        length = zend_mm_pages_set_from(&info->free_pages, page);
    } while (zend_mm_run_class_of(length) != index || zend_mm_page_is_set(&info->starts, page));
    return page;
}

/* A run of a class that is not empty, in the lowest segment that has one. */
static inline zend_mm_run first_of_class(const zend_mm_segment_table *table, uint32_t index)
{
    uint32_t number = zend_mm_bucket_lowest(table, index);
    const zend_mm_segment_info *info = &table->infos[number];
    uint32_t first = info->classes[index].first;
    if (first == 0) {
        first = search_class(info, index);
    }
    uint32_t length = index < ZEND_MM_SHORT_RUN_MAX ? index + 1
        : zend_mm_pages_set_from(&info->free_pages, first);
    return (zend_mm_run){ number, first, length };
}

/* ---- the rest list ---- */

static void rest_remove_at(zend_mm_free_runs *free_runs, uint32_t index)
{
    const zend_mm_run *rest = &free_runs->rest_buckets[index];
    zend_mm_page_flip(&free_runs->table.infos[rest->number].starts, rest->first);
    free_runs->rest_count--;
    for (; index < free_runs->rest_count; index++) {
        free_runs->rest_buckets[index] = free_runs->rest_buckets[index + 1];
    }
}

/* When the list is full its oldest run goes to its class. */
static void rest_push(zend_mm_free_runs *free_runs, uint32_t number, uint32_t first,
    uint32_t length)
{
    if (free_runs->rest_count == ZEND_MM_REST_MAX) {
        zend_mm_run oldest = free_runs->rest_buckets[0];
        rest_remove_at(free_runs, 0);
        count_run(&free_runs->table, oldest.number, oldest.first, oldest.length);
    }
    zend_mm_page_flip(&free_runs->table.infos[number].starts, first);
    free_runs->rest_buckets[free_runs->rest_count++] = (zend_mm_run){ number, first, length };
}

static __attribute__((noinline)) void rest_remove(zend_mm_free_runs *free_runs, uint32_t number,
    uint32_t first)
{
    uint32_t index = free_runs->rest_count - 1;
    while (free_runs->rest_buckets[index].first != first
            || free_runs->rest_buckets[index].number != number) {
        index--;
    }
    rest_remove_at(free_runs, index);
}

/* Take a free run off the rest list, or out of its class. */
static inline void unlist(zend_mm_free_runs *free_runs, uint32_t number, uint32_t first,
    uint32_t length)
{
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    if (zend_mm_page_is_set(&info->starts, first)) {
        rest_remove(free_runs, number, first);
    } else {
        uncount_run(&free_runs->table, info, number, first, length);
    }
}

/* ---- segments ---- */

void zend_mm_free_runs_clear(zend_mm_free_runs *free_runs)
{
    free_runs->rest_count = 0;
    zend_mm_segment_table_clear(&free_runs->table);
}

/* Pages from `first` on that belong to no small run. */
static void clear_marks(const void *first, uint32_t count)
{
    uint16_t *marks = zend_mm_mark_of(first);
    for (uint32_t page = 0; page < count; page++) {
        marks[page] = ZEND_MM_MARK_NONE;
    }
}

void zend_mm_segment_init(zend_mm_segment *segment, uint32_t number, zend_mm_free_runs *free_runs)
{
    zend_mm_set_number(segment, number);
    clear_marks(segment, ZEND_MM_PAGE_COUNT);
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    *info = (zend_mm_segment_info){ .segment = segment,
        .free_page_count = ZEND_MM_USABLE_PAGE_COUNT, .touched_end = ZEND_MM_FIRST_PAGE };
    zend_mm_page_bits_flip(&info->free_pages, ZEND_MM_FIRST_PAGE, ZEND_MM_USABLE_PAGE_COUNT);
    rest_push(free_runs, number, ZEND_MM_FIRST_PAGE, ZEND_MM_USABLE_PAGE_COUNT);
}

void zend_mm_segment_retire(zend_mm_free_runs *free_runs, uint32_t number)
{
    unlist(free_runs, number, ZEND_MM_FIRST_PAGE, ZEND_MM_USABLE_PAGE_COUNT);
}

/* ---- allocation ---- */

/* Take a free run off its list; what it is longer than `length` goes to the rest list. */
static inline void cut(zend_mm_free_runs *free_runs, zend_mm_run run, uint32_t length)
{
    unlist(free_runs, run.number, run.first, run.length);
    if (run.length > length) {
        rest_push(free_runs, run.number, run.first + length, run.length - length);
    }
}

/* How many length classes that have runs are compared, the shortest first. */
#define LOWEST_CLASSES 4u

/* The run to cut where no class of the exact length has one: in the lowest segment that has one long
 * enough, the shortest there. What lies behind a block in the newest segment is left to it, to grow into,
 * and the pages that nobody has touched, a segment's longest run, come last. false: there is none. */
static __attribute__((noinline)) bool find_lowest(const zend_mm_free_runs *free_runs, uint32_t length,
    uint32_t class, zend_mm_run *run)
{
    uint32_t lowest = UINT32_MAX, shortest = 0;
    uint64_t left = free_runs->table.large_free_bitmap >> class;
    for (uint32_t tries = LOWEST_CLASSES; left != 0 && lowest != 0 && tries > 0; tries--) {
        uint32_t index = class + (uint32_t)__builtin_ctzll(left);
        left &= left - 1;
        uint32_t number = zend_mm_bucket_lowest(&free_runs->table, index);
        shortest = number < lowest ? index : shortest;
        lowest = number < lowest ? number : lowest;
    }
    const zend_mm_run *rest = NULL;
    for (uint32_t index = 0; index < free_runs->rest_count; index++) {
        const zend_mm_run *candidate = &free_runs->rest_buckets[index];
        if (candidate->length < length || candidate->number > lowest) {
            continue;
        }
        uint32_t its_class = zend_mm_run_class_of(candidate->length);
        if (candidate->number < lowest || its_class < shortest) {
            lowest = candidate->number;
            shortest = its_class;
            rest = candidate;
        }
    }
    if (lowest == UINT32_MAX) {
        return false;
    }
    *run = rest != NULL ? *rest : first_of_class(&free_runs->table, shortest);
    return true;
}

/* In a class that holds several lengths only one run is looked at, so the search takes the same time
 * whatever the size of the heap. */
static inline bool find(const zend_mm_free_runs *free_runs, uint32_t length, zend_mm_run *run)
{
    uint32_t class = zend_mm_run_class_of(length);
    if ((free_runs->table.large_free_bitmap >> class & 1) != 0) {
        *run = first_of_class(&free_runs->table, class);
        if (run->length >= length) {
            return true;
        }
        class++;
    }
    return find_lowest(free_runs, length, class, run);
}

void *zend_mm_run_alloc(zend_mm_free_runs *free_runs, uint32_t length, zend_mm_run_pages pages)
{
    zend_mm_run run;
    if (!find(free_runs, length, &run)) {
        return NULL;
    }
    zend_mm_segment_info *info = &free_runs->table.infos[run.number];
    uint32_t end = run.first + length;
    if (end > info->touched_end) {
        if (pages == ZEND_MM_TOUCHED_PAGES) {
            return NULL;
        }
        info->touched_end = end;
    }
    cut(free_runs, run, length);
    zend_mm_page_bits_flip(&info->free_pages, run.first, length);
    mark_large(info, run.first, length);
    info->free_page_count -= length;
    return zend_mm_page_address(info->segment, run.first);
}

void zend_mm_run_mark_small(zend_mm_free_runs *free_runs, void *run, uint32_t bin, uint32_t length)
{
    uint16_t *marks = zend_mm_mark_of(run);
    mark_large(zend_mm_segment_info_of(free_runs, run), zend_mm_page_of(run), length);
    for (uint32_t page = 0; page < length; page++) {
        marks[page] = (uint16_t)(bin << ZEND_MM_MARK_BIN_SHIFT | page << ZEND_MM_PAGE_SHIFT);
    }
}

/* ---- free ---- */

/* Pages in no run any more, their marks and bits gone: join both neighbours. */
static inline bool free_pages(zend_mm_free_runs *free_runs, uint32_t number, uint32_t first,
    uint32_t length)
{
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    uint32_t before = zend_mm_pages_set_before(&info->free_pages, first);
    uint32_t after = zend_mm_pages_set_from(&info->free_pages, first + length);
    zend_mm_page_bits_flip(&info->free_pages, first, length);
    info->free_page_count += length;
    if (after != 0) {
        unlist(free_runs, number, first + length, after);
    }
    if (before != 0) {
        unlist(free_runs, number, first - before, before);
    }
    count_run(&free_runs->table, number, first - before, before + length + after);
    return info->free_page_count == ZEND_MM_USABLE_PAGE_COUNT;
}

bool zend_mm_run_free(zend_mm_free_runs *free_runs, void *run, uint32_t length)
{
    uint32_t number = zend_mm_number_of(run);
    uint32_t first = zend_mm_page_of(run);
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    if (zend_mm_page_is_set(&info->starts, first)) {
        mark_large(info, first, length);
    } else {
        clear_marks(run, length);
    }
    return free_pages(free_runs, number, first, length);
}

/* ---- resizing in place ---- */

void zend_mm_run_shrink(zend_mm_free_runs *free_runs, void *run, uint32_t length,
    uint32_t new_length)
{
    uint32_t number = zend_mm_number_of(run);
    uint32_t end = zend_mm_page_of(run) + new_length;
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    zend_mm_page_flip(&info->ends, end + length - new_length - 1);
    zend_mm_page_flip(&info->ends, end - 1);
    (void)free_pages(free_runs, number, end, length - new_length);
}

bool zend_mm_run_grow(zend_mm_free_runs *free_runs, void *run, uint32_t length,
    uint32_t new_length)
{
    uint32_t number = zend_mm_number_of(run);
    uint32_t end = zend_mm_page_of(run) + length;
    uint32_t missing = new_length - length;
    zend_mm_segment_info *info = &free_runs->table.infos[number];
    uint32_t after = zend_mm_pages_set_from(&info->free_pages, end);
    if (after < missing) {
        return false;
    }
    cut(free_runs, (zend_mm_run){ number, end, after }, missing);
    zend_mm_page_bits_flip(&info->free_pages, end, missing);
    zend_mm_page_flip(&info->ends, end - 1);
    zend_mm_page_flip(&info->ends, end + missing - 1);
    info->free_page_count -= missing;
    if (end + missing > info->touched_end) {
        info->touched_end = end + missing;
    }
    return true;
}

void zend_mm_run_split(zend_mm_free_runs *free_runs, void *run, uint32_t head)
{
    zend_mm_segment_info *info = zend_mm_segment_info_of(free_runs, run);
    uint32_t second = zend_mm_page_of(run) + head;
    zend_mm_page_flip(&info->ends, second - 1);
    zend_mm_page_flip(&info->starts, second);
}

/* ---- what is there ---- */

static uint32_t longest_in(const zend_mm_page_bits *bits)
{
    uint32_t longest = 0;
    uint32_t page = zend_mm_pages_next(bits, 0);
    while (page < ZEND_MM_PAGE_COUNT) {
        uint32_t length = zend_mm_pages_set_from(bits, page);
        longest = length > longest ? length : longest;
        page = zend_mm_pages_next(bits, page + length);
    }
    return longest;
}

uint32_t zend_mm_run_longest(const zend_mm_free_runs *free_runs)
{
    uint32_t longest = 0;
    for (uint32_t number = 0; number < free_runs->table.end; number++) {
        const zend_mm_segment_info *info = &free_runs->table.infos[number];
        uint32_t length = info->segment != NULL ? longest_in(&info->free_pages) : 0;
        longest = length > longest ? length : longest;
    }
    return longest;
}
