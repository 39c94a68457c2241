/* What a heap tells about itself, and how its limit is set. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

TestSuite(heap_stats, .init = begin_memory_manager, .fini = end_memory_manager, .timeout = 60);

static zend_mm_heap_statistics stats_of(zend_mm_heap *heap)
{
    zend_mm_heap_statistics statistics;
    cr_assert(zend_mm_heap_stats(heap, &statistics));
    return statistics;
}

/* ---- usage and peak ---- */

Test(heap_stats, a_fresh_heap_uses_nothing_and_holds_2_mib)
{
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(usage(1), 2 * MIB);
    cr_assert_eq(peak_usage(0), 0u);
    cr_assert_eq(peak_usage(1), 2 * MIB);
}

Test(heap_stats, usage_counts_slots_pages_and_huge_blocks)
{
    void *small = emalloc(unknown(100));
    cr_assert_eq(usage(0), 112u);
    void *large = emalloc(unknown(5000));
    cr_assert_eq(usage(0), 112u + 8192);
    void *huge = emalloc(unknown(3 * MIB));
    cr_assert_eq(usage(0), 112u + 8192 + 3 * MIB);
    cr_assert_eq(usage(1), 5 * MIB);
    efree(large);
    cr_assert_eq(usage(0), 112u + 3 * MIB);
    efree(huge);
    efree(small);
    cr_assert_eq(usage(0), 0u);
}

Test(heap_stats, size_is_exact_after_every_call_of_every_bin)
{
    size_t expected = 0;
    void *blocks[ZEND_MM_BIN_COUNT];
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        blocks[bin] = emalloc(zend_mm_bin_infos[bin].slot_size);
        expected += zend_mm_bin_infos[bin].slot_size;
        cr_assert_eq(usage(0), expected);
    }
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        efree(blocks[bin]);
        expected -= zend_mm_bin_infos[bin].slot_size;
        cr_assert_eq(usage(0), expected);
    }
}

Test(heap_stats, the_peak_stays_when_blocks_die)
{
    void *huge = emalloc(unknown(3 * MIB));
    efree(huge);
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(peak_usage(0), 3 * MIB);
    cr_assert_eq(peak_usage(1), 5 * MIB);
}

Test(heap_stats, reading_the_peak_makes_it_exact)
{
    void *blocks[50];
    for (int number = 0; number < 50; number++) {
        blocks[number] = emalloc(unknown(24));
    }
    cr_assert_eq(peak_usage(0), 1200u);
    for (int number = 0; number < 50; number++) {
        efree(blocks[number]);
    }
    cr_assert_eq(peak_usage(0), 1200u);
}

/* zend_alloc.h: low by at most the free slots inside the heap's own small runs. */
Test(heap_stats, a_sampled_peak_is_low_by_at_most_the_slots_of_the_small_runs)
{
    void *blocks[1000];
    for (int number = 0; number < 1000; number++) {
        blocks[number] = emalloc(unknown(24));
    }
    for (int number = 0; number < 1000; number++) {
        efree(blocks[number]);
    }
    size_t peak = peak_usage(0);
    cr_assert_leq(peak, 24000u);
    cr_assert_geq(peak + 6 * ZEND_MM_PAGE_SIZE, 24000u);
}

/* zend_alloc.h: of large blocks it is low by 1/256 of the heap at most. */
Test(heap_stats, a_sampled_peak_of_large_blocks_is_low_by_a_256th_at_most)
{
    void *first = emalloc(unknown(MIB)), *second = emalloc(unknown(512 * KIB));
    efree(first);
    efree(second);
    size_t peak = peak_usage(0);
    cr_assert_leq(peak, MIB + 512 * KIB);
    cr_assert_geq(peak + peak / 256, MIB + 512 * KIB);
}

Test(heap_stats, the_peak_of_what_is_held_stays_when_segments_go)
{
    void *blocks[4];
    for (int number = 0; number < 4; number++) {
        blocks[number] = emalloc(unknown(1500 * KIB));
    }
    cr_assert_eq(peak_usage(1), 8 * MIB);
    for (int number = 0; number < 4; number++) {
        efree(blocks[number]);
    }
    (void)zend_mm_gc(zend_mm_get_heap());
    cr_assert_eq(usage(1), 2 * MIB);
    cr_assert_eq(peak_usage(1), 8 * MIB);
}

Test(heap_stats, peaks_can_be_reset_to_the_present)
{
    void *block = emalloc(unknown(5000));
    efree(emalloc(unknown(9 * MIB)));
    (void)zend_mm_gc(zend_mm_get_heap());
    zend_memory_reset_peak_usage();
    cr_assert_eq(peak_usage(0), 8192u);
    cr_assert_eq(peak_usage(1), 2 * MIB);
    efree(block);
}

Test(heap_stats, a_request_end_resets_usage_and_peaks)
{
    cr_assert_not_null(emalloc(unknown(9 * MIB)));
    end_request();
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(usage(1), 2 * MIB);
    cr_assert_eq(peak_usage(0), 0u);
    cr_assert_eq(peak_usage(1), 2 * MIB);
}

/* ---- the limit ---- */

Test(heap_stats, a_limit_of_what_the_heap_holds_is_accepted)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert_eq(stats_of(NULL).limit, 2 * MIB);
    efree(emalloc(unknown(MIB)));
}

Test(heap_stats, a_limit_below_what_the_heap_holds_is_refused)
{
    cr_assert(zend_set_memory_limit(64 * MIB));
    cr_assert_not(zend_set_memory_limit(2 * MIB - 1));
    cr_assert_not(zend_set_memory_limit(0));
    cr_assert_eq(stats_of(NULL).limit, 64 * MIB);
    void *huge = emalloc(unknown(4 * MIB));
    cr_assert_not(zend_set_memory_limit(6 * MIB - 1));
    cr_assert(zend_set_memory_limit(6 * MIB));
    efree(huge);
}

Test(heap_stats, cached_memory_is_dropped_before_a_limit_is_refused)
{
    efree(emalloc(unknown(9 * MIB)));
    cr_assert_eq(usage(1), 11 * MIB);
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert_eq(usage(1), 2 * MIB);
}

Test(heap_stats, what_was_freed_elsewhere_is_dropped_before_a_limit_is_refused)
{
    zend_mm_heap *own = zend_mm_get_heap(), *other = new_heap();
    void *huge = emalloc(unknown(9 * MIB));
    (void)set_heap(other);
    efree(huge);
    (void)set_heap(own);
    cr_assert_eq(usage(1), 11 * MIB);
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert_eq(usage(1), 2 * MIB);
    zend_mm_shutdown(other, 1, 1);
}

Test(heap_stats, the_limit_can_be_lifted_again)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert(zend_set_memory_limit(SIZE_MAX));
    efree(emalloc(unknown(30 * MIB)));
}

/* ---- zend_mm_heap_stats ---- */

Test(heap_stats, the_statistics_name_storage_and_heap)
{
    zend_mm_heap_statistics statistics = stats_of(NULL);
    cr_assert_str_eq(statistics.storage, "mmap_anon");
    cr_assert_eq(statistics.heap_index, zend_mm_get_heap()->index);
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_str_eq(stats_of(heap).storage, "counted");
    zend_mm_shutdown(heap, 1, 1);
}

static void check_identities(const zend_mm_heap_statistics *statistics)
{
    size_t small = 0, run_pages = 0;
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_stats *stats = &statistics->bins[bin];
        cr_assert_eq(stats->slot_size, zend_mm_bin_infos[bin].slot_size);
        cr_assert_leq(stats->used_count, stats->run_count * zend_mm_bin_infos[bin].slot_count);
        small += stats->used_count * stats->slot_size;
        run_pages += stats->run_count * zend_mm_bin_infos[bin].page_count;
    }
    cr_assert_leq(small + statistics->huge_size, statistics->size);
    cr_assert_leq(statistics->size, statistics->peak);
    cr_assert_leq(statistics->real_size, statistics->real_peak);
    size_t large_pages =
        (statistics->size - small - statistics->huge_size) / ZEND_MM_PAGE_SIZE;
    cr_assert_leq(run_pages + large_pages + statistics->free_page_count,
        statistics->segment_count * ZEND_MM_USABLE_PAGE_COUNT);
    cr_assert_leq(statistics->largest_free_run, statistics->free_page_count);
    cr_assert_eq(statistics->real_size, statistics->segment_count * ZEND_MM_SEGMENT_SIZE
        + statistics->huge_size + statistics->cached_size);
}

Test(heap_stats, the_identities_hold_at_every_moment)
{
    enum { COUNT = 400 };
    static void *blocks[COUNT];
    uint32_t state = 1;
    for (int step = 0; step < 4000; step++) {
        state = state * 1664525u + 1013904223u;
        void **block = &blocks[(state >> 8) % COUNT];
        if (*block != NULL) {
            efree(*block);
            *block = NULL;
        } else {
            size_t size = (size_t)1 << (state >> 24) % 20;
            *block = emalloc(step % 400 == 0 ? 3 * MIB : size);
        }
        if (step % 50 == 0) {
            zend_mm_heap_statistics statistics = stats_of(NULL);
            check_identities(&statistics);
        }
    }
}

Test(heap_stats, huge_blocks_and_the_cache_are_counted)
{
    void *blocks[3];
    for (int number = 0; number < 3; number++) {
        blocks[number] = emalloc(unknown(3 * MIB));
    }
    efree(blocks[0]);
    zend_mm_heap_statistics statistics = stats_of(NULL);
    cr_assert_eq(statistics.huge_count, 2u);
    cr_assert_eq(statistics.huge_size, 6 * MIB);
    cr_assert_eq(statistics.cached_count, 1u);
    cr_assert_eq(statistics.cached_size, 3 * MIB);
}

Test(heap_stats, remote_frees_and_resets_are_counted)
{
    zend_mm_heap *heap = new_heap();
    efree(zend_mm_alloc(heap, 100));
    efree(zend_mm_alloc(heap, 5000));
    zend_mm_shutdown(heap, 0, 1);
    zend_mm_shutdown(heap, 0, 1);
    zend_mm_heap_statistics statistics = stats_of(heap);
    cr_assert_eq(statistics.remote_free_count, 2u);
    cr_assert_eq(statistics.reset_count, 2u);
    cr_assert_leq(statistics.reset_storage_duration, statistics.reset_duration);
    cr_assert_eq(stats_of(NULL).remote_free_count, 0u);
    zend_mm_shutdown(heap, 1, 1);
}

Test(heap_stats, runs_are_counted_by_bin)
{
    for (int count = 0; count < 129; count++) {
        cr_assert_not_null(emalloc(unknown(32)));
    }
    zend_mm_heap_statistics statistics = stats_of(NULL);
    cr_assert_eq(statistics.bins[3].used_count, 129u);
    cr_assert_eq(statistics.bins[3].run_count, 2u);
    cr_assert_eq(statistics.bins[4].run_count, 0u);
}

/* ---- is_zend_ptr ---- */

static char static_data[8];

Test(heap_stats, is_zend_ptr_is_true_inside_segments_and_at_the_start_of_huge_blocks)
{
    char *small = emalloc(unknown(100)), *large = emalloc(unknown(5000));
    char *huge = emalloc(unknown(5 * MIB));
    cr_assert(is_zend_ptr(small));
    cr_assert(is_zend_ptr(small + 50));
    cr_assert(is_zend_ptr(large));
    cr_assert(is_zend_ptr(large + 4999));
    cr_assert(is_zend_ptr(huge));
    cr_assert_not(is_zend_ptr(huge + 1));
    cr_assert_not(is_zend_ptr(huge + 3 * MIB));
    efree(huge);
    cr_assert_not(is_zend_ptr(huge));
}

Test(heap_stats, is_zend_ptr_reads_nothing_at_the_address)
{
    static const uint64_t wild[] = { 0, 1, 8, 0x10, 4096, UINT64_C(0x7fffffffffff),
        UINT64_C(0x800000000000), UINT64_C(0xffff800000000000), UINT64_C(0xffffffffffffffff),
        UINT64_C(0x8000000000000000), UINT64_C(0xdeadbeefdeadbeef) };
    for (size_t index = 0; index < sizeof wild / sizeof wild[0]; index++) {
        cr_assert_not(is_zend_ptr((const void *)(uintptr_t)wild[index]));
    }
}

Test(heap_stats, is_zend_ptr_is_false_for_other_memory)
{
    int local = 0;
    void *foreign = malloc(100);
    cr_assert_not(is_zend_ptr(&local));
    cr_assert_not(is_zend_ptr(static_data));
    cr_assert_not(is_zend_ptr(foreign));
    free(foreign);
    zend_mm_heap *other = new_heap();
    cr_assert_not(is_zend_ptr(zend_mm_alloc(other, 100)));
    zend_mm_shutdown(other, 1, 1);
}
