/* The validator: a heap in use is valid, and each broken invariant is found and named. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;
static char *small, *large, *huge;
static zend_mm_segment_info *info;
static uint32_t first;          /* page of the large block, of 5 pages */

/* A heap with something of everything: a free slot, live and free runs, huge blocks. */
static void begin(void)
{
    heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    cr_assert_not_null(heap);
    huge = zend_mm_alloc(heap, 3 * MIB);
    zend_mm_free(heap, zend_mm_alloc(heap, 9 * MIB));
    small = zend_mm_alloc(heap, 1000);
    zend_mm_free(heap, zend_mm_alloc(heap, 1000));
    void *hole = zend_mm_alloc(heap, 9 * ZEND_MM_PAGE_SIZE);    /* too long to be held */
    large = zend_mm_alloc(heap, 5 * ZEND_MM_PAGE_SIZE);
    zend_mm_free(heap, hole);
    info = zend_mm_segment_info_of(&heap->free_runs, large);
    first = zend_mm_page_of(large);
}

/* Of the segment that holds all of these. */
static uint16_t *mark_at(uint32_t page)
{
    return zend_mm_mark_of(zend_mm_page_address(zend_mm_segment_of(large), page));
}

TestSuite(heap_check, .init = begin, .timeout = 60);

#define check_broken(text) \
    do { \
        const char *broken_ = broken_invariant(heap); \
        cr_assert_not_null(broken_, "not noticed"); \
        cr_assert_str_eq(broken_, text); \
    } while (0)

Test(heap_check, a_heap_in_use_is_valid)
{
    check_valid(heap);
}

Test(heap_check, a_large_run_that_does_not_start_is_found)
{
    zend_mm_page_flip(&info->starts, first);
    check_broken("segment I2: a page is in no run and not free");
}

Test(heap_check, a_large_run_that_does_not_end_is_found)
{
    zend_mm_page_flip(&info->ends, first + 4);
    check_broken("segment I2: a large run has no end");
}

Test(heap_check, a_large_run_that_ends_early_is_found)
{
    zend_mm_page_flip(&info->ends, first + 2);
    check_broken("segment I2: a page is in no run and not free");
}

Test(heap_check, a_live_run_that_is_free_is_found)
{
    zend_mm_page_bits_flip(&info->free_pages, first, 5);
    check_broken("segment I2: a free page is marked");
}

Test(heap_check, a_free_run_whose_page_ends_a_large_one_is_found)
{
    zend_mm_page_flip(&info->ends, first - 1);
    check_broken("segment I2: a free page is marked");
}

Test(heap_check, a_small_run_that_is_marked_large_is_found)
{
    zend_mm_page_flip(&info->ends, zend_mm_page_of(small));
    check_broken("segment I2: a page of a small run is marked");
}

Test(heap_check, a_small_run_whose_page_is_free_is_found)
{
    zend_mm_page_flip(&info->free_pages, zend_mm_page_of(small));
    check_broken("segment I3: a page of no small run has a bin's mark");
}

Test(heap_check, a_wrong_mark_inside_a_small_run_is_found)
{
    *mark_at(zend_mm_page_of(small) + 1) ^= 1u << ZEND_MM_PAGE_SHIFT;
    check_broken("segment I3: a page of a small run has another mark");
}

Test(heap_check, a_mark_on_a_page_of_a_large_run_is_found)
{
    *mark_at(first + 2) = 0;
    check_broken("segment I3: a page of no small run has a bin's mark");
}

Test(heap_check, a_mark_on_a_free_page_is_found)
{
    *mark_at(first - 1) = 0;
    check_broken("segment I3: a page of no small run has a bin's mark");
}

Test(heap_check, a_held_run_of_another_length_is_found)
{
    heap->held_runs[4] = large;
    check_broken("heap_held I1: a held run is no large run of its length");
}

Test(heap_check, a_live_block_that_is_held_is_found)
{
    heap->held_runs[5] = large;
    check_broken("heap: large_size is not the sum of the large runs");
}

Test(heap_check, a_wrong_count_of_free_pages_is_found)
{
    info->free_page_count++;
    check_broken("segment: free_page_count is wrong");
}

/* The class of the hole before the large block. */
static uint32_t hole_class(void)
{
    return zend_mm_run_class_of(zend_mm_pages_set_before(&info->free_pages, first));
}

Test(heap_check, a_free_run_that_is_not_counted_is_found)
{
    info->classes[hole_class()].count--;
    check_broken("segment I4: a free run is not counted in its class");
}

Test(heap_check, a_class_whose_first_run_is_not_free_is_found)
{
    info->classes[hole_class()].first = (uint16_t)first;
    check_broken("segment I4: the first run of a class is none of it");
}

Test(heap_check, a_bucket_without_its_segment_is_found)
{
    heap->free_runs.table.large_free_buckets[hole_class()] = 0;
    check_broken("segment_table I2: a bucket and a segment's counts disagree");
}

Test(heap_check, a_bitmap_that_disagrees_with_its_bucket_is_found)
{
    heap->free_runs.table.large_free_bitmap ^= UINT64_C(1) << 40;
    check_broken("segment_table I2: the bitmap and a bucket disagree");
}

Test(heap_check, a_rest_run_that_is_not_on_the_list_is_found)
{
    heap->free_runs.rest_count--;
    check_broken("segment I4: a marked rest run is not on the list");
}

Test(heap_check, a_rest_length_that_is_not_the_runs_is_found)
{
    cr_assert_gt(heap->free_runs.rest_count, 0u);
    heap->free_runs.rest_buckets[0].length++;
    check_broken("segment I4: the rest list names no rest run");
}

Test(heap_check, a_segment_with_another_number_is_found)
{
    zend_mm_set_number(large, 1);
    check_broken("heap_pages I1: a segment is not the one of its number");
    zend_mm_set_number(large, 0);
}

Test(heap_check, a_segment_that_the_map_does_not_know_is_found)
{
    zend_mm_set_owner(large, ZEND_MM_OWNER_NONE);
    check_broken("heap_pages I1: a segment is not the one of its number");
}

Test(heap_check, a_wrong_count_of_segments_is_found)
{
    heap->segment_count++;
    check_broken("heap: segment_count is wrong");
}

Test(heap_check, a_damaged_link_is_found)
{
    zend_mm_slot *slot = heap->free_buckets[zend_mm_bin_of(1000)].first;
    cr_assert_not_null(slot);
    *(unsigned char *)slot ^= 0xff;
    check_broken("bin: a link is damaged");
}

Test(heap_check, a_link_in_a_circle_is_found)
{
    zend_mm_slot *slot = heap->free_buckets[zend_mm_bin_of(1000)].first;
    slot->link = zend_mm_link_encode(slot, heap->link_key);
    check_broken("bin: a link is damaged");
}

Test(heap_check, a_link_to_another_place_of_the_heap_is_found)
{
    zend_mm_slot *slot = heap->free_buckets[zend_mm_bin_of(1000)].first;
    slot->link = zend_mm_link_encode((zend_mm_slot *)(void *)large, heap->link_key);
    check_broken("bin: a free slot is in a run of another bin");
}

Test(heap_check, a_link_out_of_the_heap_is_found)
{
    static zend_mm_slot outside;
    zend_mm_slot *slot = heap->free_buckets[zend_mm_bin_of(1000)].first;
    slot->link = zend_mm_link_encode(&outside, heap->link_key);
    check_broken("bin: a free slot lies outside the heap");
}

Test(heap_check, a_wrong_count_of_live_slots_is_found)
{
    heap->free_buckets[zend_mm_bin_of(1000)].used_count++;
    check_broken("bin: live and free slots are not all slots");
}

Test(heap_check, a_wrong_count_of_runs_is_found)
{
    heap->run_counts[zend_mm_bin_of(1000)]++;
    check_broken("bin: run_counts is not what the segments hold");
}

Test(heap_check, a_huge_block_that_its_address_does_not_find_is_found)
{
    zend_mm_set_owner(huge, ZEND_MM_OWNER_NONE);
    check_broken("huge I1: a block is not found by its address");
}

Test(heap_check, a_wrong_sum_of_huge_blocks_is_found)
{
    size_t *sums[] = { &heap->huge.count, &heap->huge.size, &heap->huge.touched_size,
        &heap->huge.cached_size };
    for (size_t index = 0; index < 4; index++) {
        *sums[index] += 1;
        check_broken("huge I2: the sums are wrong");
        *sums[index] -= 1;
    }
    check_valid(heap);
}

Test(heap_check, a_wrong_sum_of_large_blocks_is_found)
{
    heap->large_size += ZEND_MM_PAGE_SIZE;
    check_broken("heap: large_size is not the sum of the large runs");
}

Test(heap_check, a_wrong_real_size_is_found)
{
    heap->real_size += ZEND_MM_PAGE_SIZE;
    check_broken("heap: real_size is not what the heap holds");
}

/* More segments than one word of a bucket has bits for: the table has summaries then. */
static void hold_many_segments(void)
{
    for (int number = 0; number < 70; number++) {
        cr_assert_not_null(zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE - 4 * ZEND_MM_PAGE_SIZE));
    }
    cr_assert_gt(heap->free_runs.table.row_words, 1u);
}

Test(heap_check, a_heap_of_many_segments_is_valid)
{
    hold_many_segments();
    check_valid(heap);
}

Test(heap_check, a_summary_that_forgets_a_bucket_is_found)
{
    hold_many_segments();
    heap->free_runs.table.summaries[0] ^= 1;
    check_broken("segment_table I2: a summary and a bucket disagree");
}
