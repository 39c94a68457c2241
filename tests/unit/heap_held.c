/* held runs: a freed large block of up to 8 pages is the next one of its length; nothing else shows. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;

static void begin(void)
{
    heap = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_not_null(heap);
}

TestSuite(heap_held, .init = begin, .timeout = 60);

static void *take(uint32_t pages)
{
    return zend_mm_alloc(heap, pages * ZEND_MM_PAGE_SIZE);
}

/* Pages that nobody has had are taken only when no others are there, held ones included. */
static void touch_pages(uint32_t count)
{
    void *block = take(count);
    cr_assert_gt(count, (uint32_t)ZEND_MM_HELD_LENGTH_MAX);
    zend_mm_free(heap, block);
}

Test(heap_held, a_freed_block_is_the_next_one_of_its_length)
{
    touch_pages(400);
    for (uint32_t pages = 1; pages <= ZEND_MM_HELD_LENGTH_MAX; pages++) {
        char *block = take(pages), *behind = take(1);
        zend_mm_free(heap, block);
        cr_assert_eq(heap->held_runs[pages], block, "%u pages", pages);
        check_valid(heap);
        void *shorter = take(pages == 1 ? 9 : pages - 1), *longer = take(pages + 1);
        cr_assert_neq(shorter, block);
        cr_assert_neq(longer, block);
        cr_assert_eq(take(pages), block, "%u pages", pages);
        cr_assert_null(heap->held_runs[pages]);
        check_valid(heap);
        zend_mm_free(heap, behind);
        cr_assert(zend_mm_heap_release_held(heap));
    }
}

Test(heap_held, a_second_one_of_a_length_and_longer_ones_are_free_pages_at_once)
{
    char *first = take(3), *second = take(3), *longer = take(ZEND_MM_HELD_LENGTH_MAX + 1);
    (void)take(1);
    zend_mm_free(heap, first);
    zend_mm_free(heap, second);
    zend_mm_free(heap, longer);
    const zend_mm_segment_info *info = zend_mm_segment_info_of(&heap->free_runs, second);
    cr_assert_eq(heap->held_runs[3], first);
    cr_assert_not(zend_mm_page_is_set(&info->free_pages, zend_mm_page_of(first)));
    cr_assert(zend_mm_page_is_set(&info->free_pages, zend_mm_page_of(second)));
    cr_assert(zend_mm_page_is_set(&info->free_pages, zend_mm_page_of(longer)));
    check_valid(heap);
}

Test(heap_held, a_held_run_counts_in_no_size_and_has_none)
{
    size_t before = zend_mm_heap_size(heap);
    void *block = take(5);
    cr_assert_eq(zend_mm_heap_size(heap), before + 5 * ZEND_MM_PAGE_SIZE);
    zend_mm_free(heap, block);
    cr_assert_eq(zend_mm_heap_size(heap), before);
    cr_assert_eq(heap->held_runs[5], block);
    cr_assert_eq(zend_mm_heap_find_size(heap, block), 0u);
    zend_mm_heap_note_peak(heap);
    cr_assert_eq(heap->peak, before + 5 * ZEND_MM_PAGE_SIZE);
}

Test(heap_held, no_segment_is_taken_while_runs_are_held)
{
    void *held[ZEND_MM_HELD_LENGTH_MAX + 1];
    for (uint32_t pages = 1; pages <= ZEND_MM_HELD_LENGTH_MAX; pages++) {
        held[pages] = take(pages);
    }
    while (zend_mm_run_longest(&heap->free_runs) > 0) {
        (void)take(1);
    }
    cr_assert_eq(heap->segment_count, 1u);
    for (uint32_t pages = 1; pages <= ZEND_MM_HELD_LENGTH_MAX; pages++) {
        zend_mm_free(heap, held[pages]);
    }
    /* All of them, side by side: 36 pages. */
    void *block = take(36);
    cr_assert_eq(block, held[1]);
    cr_assert_eq(heap->segment_count, 1u);
    check_valid(heap);
}

Test(heap_held, no_page_is_touched_while_runs_are_held)
{
    char *first = take(3), *second = take(2), *last = take(1);
    zend_mm_free(heap, first);
    zend_mm_free(heap, second);
    cr_assert_eq(take(5), first, "side by side");
    cr_assert_null(heap->held_runs[2]);
    cr_assert_null(heap->held_runs[3]);
    cr_assert_eq(take(1), last + ZEND_MM_PAGE_SIZE);
    check_valid(heap);
}

Test(heap_held, statistics_a_gc_and_a_trim_see_free_pages)
{
    zend_mm_heap_statistics statistics;
    char *block = take(8);
    zend_mm_free(heap, block);
    cr_assert(zend_mm_heap_stats(heap, &statistics));
    cr_assert_eq(statistics.largest_free_run, ZEND_MM_USABLE_PAGE_COUNT);
    cr_assert_null(heap->held_runs[8]);

    zend_mm_free(heap, take(8));
    cr_assert_eq(zend_mm_gc(heap), 0u, "no small run became free");
    cr_assert_eq(zend_mm_run_longest(&heap->free_runs), ZEND_MM_USABLE_PAGE_COUNT);

    void *large = zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE);
    void *other = take(2);
    cr_assert_eq(heap->segment_count, 2u);
    zend_mm_free(heap, other);
    cr_assert_eq(zend_mm_trim(heap, 0), 2 * MIB);
    cr_assert_eq(heap->segment_count, 1u);
    zend_mm_free(heap, large);
    check_valid(heap);
}

Test(heap_held, a_request_end_forgets_held_runs)
{
    begin_memory_manager();
    heap = zend_mm_get_heap();
    make_plain(heap);
    efree(emalloc(unknown(3 * ZEND_MM_PAGE_SIZE)));
    cr_assert_not_null(heap->held_runs[3]);
    end_request();
    cr_assert_null(heap->held_runs[3]);
    check_valid(heap);
}

Test(heap_held, efree_and_erealloc_use_them)
{
    begin_memory_manager();
    heap = zend_mm_get_heap();
    make_plain(heap);
    char *block = emalloc(unknown(2 * ZEND_MM_PAGE_SIZE)), *behind = emalloc(unknown(4000));
    efree(block);
    cr_assert_eq(heap->held_runs[2], block);
    char *moved = erealloc(behind, 2 * ZEND_MM_PAGE_SIZE);
    cr_assert(moved == block || moved == behind, "neither the held run nor grown in place");
    check_valid(heap);
}
