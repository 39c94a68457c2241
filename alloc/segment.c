/* segment: page runs, split and joined in O(1).
 * Owns        the page map of a segment, its free pages and the rest list; never looks inside a run.
 * Thread      only the heap's owner; other threads go through remote.h.
 * Invariants  I1  a page's bit is set in free_pages iff it is in no run; page 0 is the header
 *             I2  a large run's first page is in starts, its last in ends; no other page is in ends
 *             I3  every page of a small run carries its bin and its number inside the run; all other
 *                 pages carry MARK_NONE
 *             I4  a free run is in rest_buckets and its first page in starts, or it is counted in its
 *                 class; first of a class that has some is one of them, or 0
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
    if (length > free_runs->rest_longest) {
        free_runs->rest_longest = length;
    }
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
    free_runs->rest_count = free_runs->rest_longest = 0;
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
        .free_page_count = ZEND_MM_USABLE_PAGE_COUNT };
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

/* Cut the newest rest run that is long enough; what is left of it is the newest now. */
static bool cut_rest(zend_mm_free_runs *free_runs, uint32_t length, zend_mm_run *run)
{
    if (length > free_runs->rest_longest) {
        return false;
    }
    uint32_t index = free_runs->rest_count;
    uint32_t longest = 0;
    do {
        if (index-- == 0) {
            free_runs->rest_longest = longest;
            return false;
        }
        uint32_t rest_length = free_runs->rest_buckets[index].length;
        longest = rest_length > longest ? rest_length : longest;
    } while (longest < length);
    *run = free_runs->rest_buckets[index];
    rest_remove_at(free_runs, index);
    if (run->length > length) {
        rest_push(free_runs, run->number, run->first + length, run->length - length);
    }
    return true;
}

/* The longest run that is sought by place, not by length: that of the small bin with the most pages. */
#define LOWEST_FIRST_MAX 7u

/* How many length classes that have runs are compared, the shortest first. */
#define LOWEST_CLASSES 4u

/* Cut a short run from the lowest segment that has one long enough: what lies behind a block in the
 * newest segment is left to it, to grow into. The caller knows that there is one. */
static __attribute__((noinline)) bool cut_lowest(zend_mm_free_runs *free_runs, uint32_t length,
    uint32_t class, zend_mm_run *run)
{
    uint32_t lowest = UINT32_MAX, lowest_class = 0, rest = ZEND_MM_REST_MAX;
    uint64_t left = free_runs->table.large_free_bitmap >> class;
    for (uint32_t tries = LOWEST_CLASSES; left != 0 && lowest != 0 && tries > 0; tries--) {
        uint32_t index = class + (uint32_t)__builtin_ctzll(left);
        left &= left - 1;
        uint32_t number = zend_mm_bucket_lowest(&free_runs->table, index);
        lowest_class = number < lowest ? index : lowest_class;
        lowest = number < lowest ? number : lowest;
    }
    for (uint32_t index = 0; index < free_runs->rest_count && lowest != 0; index++) {
        const zend_mm_run *candidate = &free_runs->rest_buckets[index];
        if (candidate->length >= length && candidate->number < lowest) {
            lowest = candidate->number;
            rest = index;
        }
    }
    if (lowest == UINT32_MAX) {
        return false;
    }
    *run = rest < ZEND_MM_REST_MAX ? free_runs->rest_buckets[rest]
                                   : first_of_class(&free_runs->table, lowest_class);
    cut(free_runs, *run, length);
    return true;
}

/* Order: a run of the exact class; then for a short run the lowest segment that some larger class or the
 * rests have, for others a rest run, the shortest larger class. In a class that holds several lengths
 * only one run is looked at, so the search takes the same time whatever the size of the heap. The run
 * found has `length` pages cut from its list. */
static inline bool find(zend_mm_free_runs *free_runs, uint32_t length, zend_mm_run *run)
{
    uint32_t class = zend_mm_run_class_of(length);
    uint64_t classes = free_runs->table.large_free_bitmap >> class;
    if ((classes & 1) != 0) {
        *run = first_of_class(&free_runs->table, class);
        if (run->length >= length) {
            cut(free_runs, *run, length);
            return true;
        }
    }
    if (length <= LOWEST_FIRST_MAX) {
        return cut_lowest(free_runs, length, class, run);
    }
    if (cut_rest(free_runs, length, run)) {
        return true;
    }
    if (classes >> 1 == 0) {
        return false;
    }
    *run = first_of_class(&free_runs->table, class + 1 + (uint32_t)__builtin_ctzll(classes >> 1));
    cut(free_runs, *run, length);
    return true;
}

void *zend_mm_run_alloc(zend_mm_free_runs *free_runs, uint32_t length)
{
    zend_mm_run run;
    if (!find(free_runs, length, &run)) {
        return NULL;
    }
    zend_mm_segment_info *info = &free_runs->table.infos[run.number];
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
