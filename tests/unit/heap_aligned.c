/* Blocks at a multiple of 16 bytes to 2 MiB, from slots, runs and huge blocks. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

TestSuite(heap_aligned, .init = begin_memory_manager, .timeout = 60);

static const size_t sizes[] = { 0, 1, 24, 63, 64, 100, 448, 1000, 3072, 3073, 4096, 10000, 100000,
    1000000, 2 * 1024 * 1024 - 8192, 2 * 1024 * 1024, 5000000 };
#define SIZE_COUNT (sizeof sizes / sizeof sizes[0])

Test(heap_aligned, every_alignment_up_to_2_mib_is_kept_for_every_size)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    for (size_t alignment = 1; alignment <= ZEND_MM_MAX_ALIGNMENT; alignment *= 2) {
        char *blocks[SIZE_COUNT];
        for (size_t index = 0; index < SIZE_COUNT; index++) {
            blocks[index] = emalloc_aligned(alignment, unknown(sizes[index]));
            cr_assert(is_aligned_to(blocks[index], alignment), "%zu at %zu: %p", sizes[index],
                alignment, (void *)blocks[index]);
            cr_assert_geq(zend_mem_block_size(blocks[index]), sizes[index]);
            memset(blocks[index], (int)index, sizes[index]);
        }
        check_valid(heap);
        for (size_t index = 0; index < SIZE_COUNT; index++) {
            for (size_t at = 0; at < sizes[index]; at += 511) {
                cr_assert_eq(blocks[index][at], (char)index);
            }
            efree(blocks[index]);
        }
        check_valid(heap);
        cr_assert_eq(usage(0), 0u);
    }
}

Test(heap_aligned, a_small_alignment_costs_the_next_bin_that_keeps_it)
{
    cr_assert_eq(zend_mem_block_size(emalloc_aligned(64, unknown(65))), 128u);
    cr_assert_eq(zend_mem_block_size(emalloc_aligned(64, unknown(130))), 192u);
    cr_assert_eq(zend_mem_block_size(emalloc_aligned(8, unknown(24))), 24u);
    cr_assert_eq(zend_mem_block_size(emalloc_aligned(4096, unknown(24))), 4096u);
}

Test(heap_aligned, a_run_costs_no_more_than_its_pages)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    char *block = emalloc_aligned(256 * KIB, unknown(10000));
    cr_assert_eq(usage(0), 12288u);
    cr_assert_eq(usage(1), 2 * MIB);
    cr_assert_eq(zend_mem_block_size(block), 12288u);
    efree(block);
    cr_assert_eq(usage(0), 0u);
    check_valid(heap);
    /* What lay around the block was free all the while: the segment is whole again. */
    efree(emalloc(unknown(ZEND_MM_MAX_LARGE_SIZE - 3 * ZEND_MM_PAGE_SIZE)));
    cr_assert_eq(usage(1), 2 * MIB);
}

Test(heap_aligned, a_block_can_be_resized_and_freed_by_size)
{
    char *block = emalloc_aligned(64 * KIB, unknown(100000));
    memset(block, 7, 100000);
    block = erealloc(block, unknown(300000));
    cr_assert_eq(block[99999], 7);
    efree_size(block, 300000);
    efree_size(emalloc_aligned(32, unknown(32)), 32);
    cr_assert_eq(usage(0), 0u);
}

Test(heap_aligned, what_is_no_alignment_is_refused)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    const size_t wrong[] = { 0, 3, 24, 2 * ZEND_MM_MAX_ALIGNMENT, SIZE_MAX };
    zend_mm_set_error_callback(hear);
    for (size_t index = 0; index < 5; index++) {
        cr_assert_null(zend_mm_try_alloc_aligned(heap, wrong[index], 100));
        volatile bool bailed_out = false;
        zend_try {
            efree(zend_mm_alloc_aligned(heap, wrong[index], 100));
        } zend_catch {
            bailed_out = true;
        } zend_end_try();
        cr_assert(bailed_out);
        cr_assert_eq(heard.kind, ZEND_MM_ERROR_ALIGNMENT);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(heap_aligned, the_limit_holds)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_set_memory_limit(2 * MIB));
    size_t before = usage(0);
    cr_assert_null(zend_mm_try_alloc_aligned(heap, 1 * MIB, MIB));
    cr_assert_null(zend_mm_try_alloc_aligned(heap, 2 * MIB, 100 * KIB));
    cr_assert_null(zend_mm_try_alloc_aligned(heap, 64, unknown(SIZE_MAX - 100)));
    cr_assert_eq(usage(0), before);
    cr_assert_eq(usage(1), 2 * MIB);
    check_valid(heap);
}

/* ---- giving memory back on demand ---- */

Test(heap_aligned, trim_gives_back_cached_mappings_and_free_segments)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    void *blocks[8];
    void *huge = emalloc(unknown(3 * MIB));     /* its table lies in the first segment */
    for (int number = 0; number < 8; number++) {
        blocks[number] = emalloc(unknown(1500 * KIB));
    }
    void *kept = emalloc(unknown(100));
    for (int number = 0; number < 8; number++) {
        efree(blocks[number]);
    }
    efree(huge);
    size_t held = usage(1);
    cr_assert_geq(held, 5 * MIB);
    cr_assert_eq(zend_mm_trim(heap, SIZE_MAX), 0u);
    cr_assert_eq(usage(1), held);
    size_t given = zend_mm_trim(heap, 0);
    cr_assert_eq(given, held - usage(1));
    cr_assert_leq(usage(1), 4 * MIB);
    check_valid(heap);
    efree(kept);
    (void)zend_mm_trim(heap, 0);
    cr_assert_eq(usage(1), 2 * MIB);
}

Test(heap_aligned, trim_stops_where_it_may)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    efree(emalloc(unknown(3 * MIB)));
    cr_assert_eq(zend_mm_trim(heap, usage(1)), 0u);
    cr_assert_eq(zend_mm_trim(heap, usage(1) - 1), 3 * MIB);
}
