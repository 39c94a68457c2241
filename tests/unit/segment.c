/* Segments: page runs, split and joined. After every step the invariants of segment.c are checked
 * through a heap struct that holds nothing but these segments. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

#define SEGMENTS_MAX 40
#define USABLE ZEND_MM_USABLE_PAGE_COUNT
#define FIRST ZEND_MM_FIRST_PAGE

static zend_mm_heap heap;
static zend_mm_free_runs *const runs = &heap.free_runs;
static zend_mm_segment *segments[SEGMENTS_MAX];

static void begin(void)
{
    heap.index = 1;
    zend_mm_buckets_init(heap.free_buckets);
    zend_mm_segment_table_init(&runs->table);
    zend_mm_free_runs_clear(runs);
}

static zend_mm_segment_info *info(size_t number)
{
    return &runs->table.infos[number];
}

TestSuite(segment, .init = begin, .timeout = 60);

static zend_mm_segment *add_segment(void)
{
    zend_mm_segment *segment = zend_mm_os_map(ZEND_MM_SEGMENT_SIZE, ZEND_MM_OS_NO_FILE);
    cr_assert_not_null(segment);
    memset(segment, 0xa5, sizeof *segment);
    uint32_t number;
    cr_assert(zend_mm_segment_table_take(&runs->table, 1, &number));
    cr_assert_eq(number, heap.segment_count);
    zend_mm_segment_init(segment, number, runs);
    zend_mm_set_owner(segment, heap.index);
    segments[heap.segment_count++] = segment;
    heap.real_size += ZEND_MM_SEGMENT_SIZE;
    return segment;
}

#define check_runs() \
    do { \
        heap.large_size = 0; \
        for (size_t index_ = 0; index_ < heap.segment_count; index_++) { \
            heap.large_size += (USABLE - info(index_)->free_page_count) * ZEND_MM_PAGE_SIZE; \
        } \
        check_valid(&heap); \
    } while (0)

/* The page where a run of `length` was found; 0 for none. */
static uint32_t take(uint32_t length)
{
    void *run = zend_mm_run_alloc(runs, length, ZEND_MM_ALL_PAGES);
    check_runs();
    return run != NULL ? zend_mm_page_of(run) : 0;
}

static void *at(uint32_t page)
{
    return zend_mm_page_address(segments[0], page);
}

static bool give(uint32_t first, uint32_t length)
{
    bool is_whole = zend_mm_run_free(runs, at(first), length);
    check_runs();
    return is_whole;
}

static uint32_t mark(uint32_t page)
{
    return *zend_mm_mark_of(at(page));
}

static bool is_free_run(uint32_t first, uint32_t length)
{
    return !zend_mm_page_is_set(&info(0)->free_pages, first - 1)
        && zend_mm_pages_set_from(&info(0)->free_pages, first) == length;
}

static bool is_rest(uint32_t first)
{
    return zend_mm_page_is_set(&info(0)->starts, first)
        && zend_mm_page_is_set(&info(0)->free_pages, first);
}

static uint32_t large_length(uint32_t first)
{
    return zend_mm_large_length(info(0), first);
}

/* ---- a fresh segment ---- */

Test(segment, a_fresh_segment_is_one_free_run_on_the_rest_list)
{
    add_segment();
    check_runs();
    cr_assert(is_free_run(FIRST, USABLE));
    cr_assert(is_rest(FIRST));
    cr_assert_eq(runs->rest_count, 1u);
    cr_assert_eq(runs->table.large_free_bitmap, 0u);
    cr_assert_eq(zend_mm_run_longest(runs), USABLE);
}

Test(segment, the_header_pages_have_no_mark)
{
    add_segment();
    for (uint32_t page = 0; page < FIRST; page++) {
        cr_assert_eq(mark(page), ZEND_MM_MARK_NONE);
    }
}

Test(segment, no_segment_gives_no_run)
{
    cr_assert_null(zend_mm_run_alloc(runs, 1, ZEND_MM_ALL_PAGES));
    cr_assert_eq(zend_mm_run_longest(runs), 0u);
}

Test(segment, a_retired_segment_is_on_no_list)
{
    add_segment();
    zend_mm_segment_retire(runs, 0);
    cr_assert_eq(runs->rest_count, 0u);
    cr_assert_null(zend_mm_run_alloc(runs, 1, ZEND_MM_ALL_PAGES));
}

/* ---- taking ---- */

Test(segment, a_large_run_is_known_by_its_first_page_alone)
{
    add_segment();
    uint32_t first = take(5);
    cr_assert_eq(first, FIRST);
    cr_assert_eq(large_length(first), 5u);
    for (uint32_t page = first + 1; page <= first + 5; page++) {
        cr_assert_eq(large_length(page), 0u);
    }
    for (uint32_t page = first; page < first + 5; page++) {
        cr_assert_eq(mark(page), ZEND_MM_MARK_NONE);
    }
}

Test(segment, neighbouring_large_runs_are_told_apart)
{
    add_segment();
    uint32_t one = take(1), two = take(2), next = take(1);
    cr_assert_eq(large_length(one), 1u);
    cr_assert_eq(large_length(two), 2u);
    cr_assert_eq(large_length(two + 1), 0u);
    cr_assert_eq(large_length(next), 1u);
}

Test(segment, every_page_of_a_small_run_carries_its_bin_and_its_number)
{
    add_segment();
    const uint32_t bin = 26;
    uint32_t length = zend_mm_bin_infos[bin].page_count;
    void *run = zend_mm_run_alloc(runs, length, ZEND_MM_ALL_PAGES);
    zend_mm_run_mark_small(runs, run, bin, length);
    for (uint32_t number = 0; number < length; number++) {
        cr_assert_eq(mark(FIRST + number),
            bin << ZEND_MM_MARK_BIN_SHIFT | number << ZEND_MM_PAGE_SHIFT);
    }
    heap.free_buckets[bin].used_count = zend_mm_bin_infos[bin].slot_count;
    heap.run_counts[bin] = 1;
    cr_assert_null(broken_invariant(&heap));
    heap.free_buckets[bin].used_count = heap.run_counts[bin] = 0;
    cr_assert(give(FIRST, length));
    cr_assert(is_free_run(FIRST, USABLE));
}

Test(segment, all_pages_can_be_one_run)
{
    add_segment();
    cr_assert_eq(take(USABLE), FIRST);
    cr_assert_eq(info(0)->free_page_count, 0u);
    cr_assert_eq(zend_mm_run_longest(runs), 0u);
    cr_assert_eq(take(1), 0u);
    cr_assert(give(FIRST, USABLE));
    cr_assert_eq(info(0)->free_page_count, USABLE);
}

Test(segment, all_pages_can_be_runs_of_one_page_and_become_one_again)
{
    add_segment();
    for (uint32_t page = FIRST; page < ZEND_MM_PAGE_COUNT; page++) {
        cr_assert_eq(take(1), page);
    }
    cr_assert_eq(take(1), 0u);
    /* Every second page first, so that each of the others joins two neighbours. */
    for (uint32_t page = FIRST; page < ZEND_MM_PAGE_COUNT; page += 2) {
        cr_assert_not(give(page, 1));
    }
    for (uint32_t page = FIRST + 1; page < ZEND_MM_PAGE_COUNT; page += 2) {
        cr_assert_eq(give(page, 1), page + 2 >= ZEND_MM_PAGE_COUNT);
    }
    cr_assert(is_free_run(FIRST, USABLE));
}

Test(segment, a_run_longer_than_any_free_one_is_refused_and_changes_nothing)
{
    add_segment();
    uint32_t first = take(300);
    cr_assert_eq(take(USABLE - 300 + 1), 0u);
    cr_assert_eq(info(0)->free_page_count, USABLE - 300);
    cr_assert(is_free_run(first + 300, USABLE - 300));
}

Test(segment, consecutive_requests_get_consecutive_pages)
{
    add_segment();
    uint32_t next = FIRST;
    for (uint32_t length = 1; length <= 20; length++) {
        cr_assert_eq(take(length), next);
        next += length;
    }
}

/* ---- freeing ---- */

Test(segment, freeing_the_middle_run_joins_both_neighbours)
{
    add_segment();
    uint32_t before = take(3), middle = take(4), after = take(5), last = take(1);
    cr_assert_not(give(before, 3));
    cr_assert_not(give(after, 5));
    cr_assert_not(give(middle, 4));
    cr_assert(is_free_run(before, 12));
    cr_assert_eq(mark(middle), ZEND_MM_MARK_NONE);
    cr_assert_eq(mark(after), ZEND_MM_MARK_NONE);
    cr_assert(give(last, 1));
}

Test(segment, a_run_between_live_ones_joins_nothing)
{
    add_segment();
    cr_assert_eq(take(3), FIRST);
    uint32_t middle = take(4);
    cr_assert_neq(take(5), 0u);
    cr_assert_not(give(middle, 4));
    cr_assert(is_free_run(middle, 4));
    cr_assert_not(is_rest(middle));
}

Test(segment, a_freed_run_joins_the_rest_behind_it)
{
    add_segment();
    uint32_t first = take(7);
    cr_assert(give(first, 7));
    cr_assert(is_free_run(FIRST, USABLE));
    cr_assert_eq(runs->rest_count, 0u);
}

Test(segment, the_last_page_of_a_segment_can_be_freed_first)
{
    add_segment();
    cr_assert_eq(take(USABLE - 1), FIRST);
    uint32_t last = take(1);
    cr_assert_eq(last, ZEND_MM_PAGE_COUNT - 1);
    cr_assert_not(give(last, 1));
    cr_assert(give(FIRST, USABLE - 1));
}

/* ---- where a run comes from ---- */

/* Live and free runs in turn, so that none of them join. Frees the run at each of `lengths`. */
static void make_holes(const uint32_t *lengths, size_t count, uint32_t *firsts)
{
    for (size_t index = 0; index < count; index++) {
        firsts[index] = take(lengths[index]);
        cr_assert_neq(take(1), 0u);
    }
    for (size_t index = 0; index < count; index++) {
        cr_assert_not(give(firsts[index], lengths[index]));
    }
}

Test(segment, a_run_of_the_exact_length_is_preferred_to_the_rest)
{
    add_segment();
    uint32_t firsts[2];
    make_holes((const uint32_t[]){ 6, 9 }, 2, firsts);
    cr_assert_eq(runs->rest_count, 1u);
    cr_assert_eq(take(9), firsts[1]);
    cr_assert_eq(take(6), firsts[0]);
}

Test(segment, the_shortest_run_that_is_long_enough_is_cut_and_the_untouched_end_comes_last)
{
    add_segment();
    uint32_t firsts[3];
    make_holes((const uint32_t[]){ 20, 9, 14 }, 3, firsts);
    uint32_t end = runs->rest_buckets[0].first;
    cr_assert_eq(take(8), firsts[1]);
    cr_assert_eq(take(12), firsts[2]);
    cr_assert(is_rest(firsts[2] + 12));
    cr_assert_eq(take(2), firsts[2] + 12, "what was left of a run is shorter than the third one");
    cr_assert_eq(take(15), firsts[0]);
    cr_assert_eq(take(6), end);
}

Test(segment, without_a_rest_the_shortest_longer_run_is_cut)
{
    add_segment();
    uint32_t firsts[3];
    make_holes((const uint32_t[]){ 20, 9, 14 }, 3, firsts);
    uint32_t rest_length = runs->rest_buckets[0].length;
    cr_assert_neq(take(rest_length), 0u);
    cr_assert_eq(runs->rest_count, 0u);
    cr_assert_eq(take(8), firsts[1]);
}

Test(segment, what_is_left_of_a_cut_run_goes_to_the_rest)
{
    add_segment();
    uint32_t hole;
    make_holes((const uint32_t[]){ 9 }, 1, &hole);
    cr_assert_neq(take(runs->rest_buckets[0].length), 0u);
    cr_assert_eq(take(7), hole);
    cr_assert_eq(runs->rest_count, 1u);
    cr_assert_eq(runs->rest_buckets[0].length, 2u);
    cr_assert(is_free_run(hole + 7, 2));
    cr_assert(is_rest(hole + 7));
}

Test(segment, the_lowest_segment_that_has_room_is_cut)
{
    add_segment();
    uint32_t first = take(50);
    cr_assert_neq(take(USABLE - 150), 0u);      /* 100 pages are left of the first segment */
    cr_assert_not(give(first, 50));
    zend_mm_segment *new = add_segment();
    cr_assert_eq(take(40), first);
    cr_assert_eq(take(60), USABLE + FIRST - 100, "a longer run of a lower segment");
    cr_assert_eq(zend_mm_segment_of(zend_mm_run_alloc(runs, 41, ZEND_MM_ALL_PAGES)), new);
    cr_assert_eq(take(40), USABLE + FIRST - 40);
    check_runs();
}

Test(segment, touched_pages_are_those_that_a_run_has_had)
{
    add_segment();
    cr_assert_null(zend_mm_run_alloc(runs, 1, ZEND_MM_TOUCHED_PAGES));
    uint32_t first = take(20), behind = take(1);
    cr_assert_not(give(first, 20));
    void *again = zend_mm_run_alloc(runs, 18, ZEND_MM_TOUCHED_PAGES);
    cr_assert_eq(again, at(first));
    cr_assert_null(zend_mm_run_alloc(runs, 3, ZEND_MM_TOUCHED_PAGES));
    check_runs();
    cr_assert(zend_mm_run_grow(runs, at(behind), 1, 6));
    zend_mm_run_shrink(runs, at(behind), 6, 1);
    cr_assert_eq(zend_mm_run_alloc(runs, 5, ZEND_MM_TOUCHED_PAGES), at(behind + 1));
    check_runs();
}

Test(segment, the_rest_list_holds_16_and_the_oldest_moves_to_the_buckets)
{
    for (uint32_t number = 0; number < ZEND_MM_REST_MAX; number++) {
        add_segment();
    }
    check_runs();
    cr_assert_eq(runs->rest_count, (uint32_t)ZEND_MM_REST_MAX);
    cr_assert(is_rest(FIRST));
    cr_assert_eq(runs->table.large_free_bitmap, 0u);
    add_segment();
    check_runs();
    cr_assert_eq(runs->rest_count, (uint32_t)ZEND_MM_REST_MAX);
    cr_assert_not(is_rest(FIRST));
    cr_assert(is_free_run(FIRST, USABLE));
    cr_assert_neq(runs->table.large_free_bitmap, 0u);
}

Test(segment, a_rest_run_joins_like_any_other)
{
    add_segment();
    uint32_t a = take(20), b = take(20);
    cr_assert_not(give(a, 20));
    cr_assert_eq(take(10), a);
    cr_assert(is_rest(a + 10));
    cr_assert_not(give(b, 20));
    cr_assert(is_free_run(a + 10, USABLE - 10));
}

Test(segment, a_length_is_never_served_from_a_shorter_run_of_its_class)
{
    /* 40 .. 47 pages share a class. */
    add_segment();
    uint32_t firsts[2];
    make_holes((const uint32_t[]){ 47, 41 }, 2, firsts);
    cr_assert_neq(take(runs->rest_buckets[0].length), 0u);
    uint32_t found = take(46);
    cr_assert(found == 0 || found == firsts[0]);
    cr_assert_eq(take(41), firsts[1]);
}

Test(segment, each_length_finds_a_run_of_that_length)
{
    for (uint32_t length = 1; length < USABLE; length++) {
        memset(&heap, 0, sizeof heap);
        begin();
        zend_mm_segment *segment = add_segment();
        uint32_t first = take(length);
        cr_assert_neq(zend_mm_run_alloc(runs, USABLE - length, ZEND_MM_ALL_PAGES), NULL);
        cr_assert_not(give(first, length));
        cr_assert_eq(zend_mm_run_longest(runs), length);
        cr_assert_eq(take(length), first, "length %u", length);
        zend_mm_os_unmap(segment, ZEND_MM_SEGMENT_SIZE);
    }
}

Test(segment, the_longest_run_is_found_among_rests_and_buckets)
{
    add_segment();
    uint32_t firsts[3];
    make_holes((const uint32_t[]){ 44, 47, 41 }, 3, firsts);
    cr_assert_eq(zend_mm_run_longest(runs), runs->rest_buckets[0].length);
    cr_assert_neq(take(runs->rest_buckets[0].length), 0u);
    cr_assert_eq(zend_mm_run_longest(runs), 47u);
}

/* ---- resizing in place ---- */

Test(segment, a_shrunk_run_frees_its_tail)
{
    add_segment();
    uint32_t first = take(10), next = take(2);
    zend_mm_run_shrink(runs, at(first), 10, 4);
    check_runs();
    cr_assert_eq(large_length(first), 4u);
    cr_assert(is_free_run(first + 4, 6));
    cr_assert_eq(info(0)->free_page_count, USABLE - 6);
    cr_assert_eq(large_length(next), 2u);
}

Test(segment, the_tail_of_a_shrunk_run_joins_the_free_run_behind_it)
{
    add_segment();
    uint32_t first = take(10);
    zend_mm_run_shrink(runs, at(first), 10, 1);
    check_runs();
    cr_assert(is_free_run(first + 1, USABLE - 1));
}

Test(segment, a_run_grows_into_the_free_run_behind_it)
{
    add_segment();
    uint32_t first = take(3);
    cr_assert(zend_mm_run_grow(runs, at(first), 3, 8));
    check_runs();
    cr_assert_eq(large_length(first), 8u);
    cr_assert(is_free_run(first + 8, USABLE - 8));
    cr_assert(is_rest(first + 8));
}

Test(segment, a_run_grows_over_all_of_the_free_run_behind_it)
{
    add_segment();
    uint32_t first = take(3);
    cr_assert(zend_mm_run_grow(runs, at(first), 3, USABLE));
    check_runs();
    cr_assert_eq(info(0)->free_page_count, 0u);
    cr_assert_not(zend_mm_run_grow(runs, at(first), USABLE, USABLE + 1));
    cr_assert(give(first, USABLE));
}

Test(segment, a_run_does_not_grow_over_a_live_one_or_a_free_one_that_is_too_short)
{
    add_segment();
    uint32_t first = take(3), hole = take(4), live = take(1);
    cr_assert_not(zend_mm_run_grow(runs, at(first), 3, 4));
    cr_assert_not(give(hole, 4));
    cr_assert_not(zend_mm_run_grow(runs, at(first), 3, 8));
    check_runs();
    cr_assert_eq(large_length(first), 3u);
    cr_assert(zend_mm_run_grow(runs, at(first), 3, 7));
    check_runs();
    cr_assert_neq(live, 0u);
}

Test(segment, a_run_at_the_end_of_its_segment_does_not_grow)
{
    add_segment();
    cr_assert_eq(take(USABLE - 2), FIRST);
    uint32_t last = take(2);
    cr_assert_eq(last, ZEND_MM_PAGE_COUNT - 2);
    cr_assert(give(FIRST, USABLE - 2) == false);
    cr_assert_not(zend_mm_run_grow(runs, at(last), 2, 3));
    check_runs();
}

Test(segment, a_run_does_not_grow_over_a_small_run)
{
    add_segment();
    uint32_t first = take(3);
    void *small = zend_mm_run_alloc(runs, 1, ZEND_MM_ALL_PAGES);
    zend_mm_run_mark_small(runs, small, 0, 1);
    cr_assert_eq(zend_mm_page_of(small), first + 3);
    cr_assert_not(zend_mm_run_grow(runs, at(first), 3, 4));
}
