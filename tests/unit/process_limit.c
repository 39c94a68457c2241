/* The limit on what all heaps of the process hold together. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/process_limit.h"
#include "alloc/segment_pool.h"
#include "tests/unit/alloc_support.h"

TestSuite(process_limit, .init = begin_memory_manager, .timeout = 60);

static bool fails(zend_mm_heap *heap, size_t size)
{
    volatile bool bailed_out = false;
    zend_try {
        zend_mm_free(heap, zend_mm_alloc(heap, size));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    return bailed_out;
}

Test(process_limit, usage_is_the_sum_of_what_the_heaps_hold)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert_eq(zend_mm_process_usage(), heap->real_size);
    zend_mm_heap *other = new_heap();
    zend_mm_free(other, zend_mm_alloc(other, 3 * MIB));
    void *block = emalloc(unknown(5 * MIB));
    cr_assert_eq(zend_mm_process_usage(), heap->real_size + other->real_size);
    block = erealloc(block, unknown(50 * MIB));
    cr_assert_eq(zend_mm_process_usage(), heap->real_size + other->real_size);
    block = erealloc(block, unknown(4 * MIB));
    cr_assert_eq(zend_mm_process_usage(), heap->real_size + other->real_size);
    efree(block);
    zend_mm_shutdown(other, 1, 1);
    cr_assert_eq(zend_mm_process_usage(),
        heap->real_size + zend_mm_pool_size(&zend_mm_mmap_anon_pool) * ZEND_MM_SEGMENT_SIZE);
    (void)zend_mm_gc(heap);
    end_memory_manager();
    cr_assert_eq(zend_mm_process_usage(),
        zend_mm_pool_size(&zend_mm_mmap_anon_pool) * ZEND_MM_SEGMENT_SIZE);
}

Test(process_limit, it_is_one_budget_for_two_heaps)
{
    zend_mm_heap *heap = zend_mm_get_heap(), *other = new_heap();
    cr_assert(zend_mm_set_process_limit(10 * MIB));
    void *block = zend_mm_try_alloc(other, 6 * MIB);
    cr_assert_not_null(block);
    cr_assert_eq(zend_mm_process_usage(), 10 * MIB);
    zend_mm_set_error_callback(hear);
    cr_assert(fails(heap, 3 * MIB));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
    cr_assert_str_eq(heard.message, "Allowed process memory size of 10485760 bytes exhausted "
        "(tried to allocate 3145728 bytes)");
    cr_assert_eq(zend_mm_process_usage(), 10 * MIB);
    check_valid(heap);
    zend_mm_free(other, block);
    (void)zend_mm_gc(other);
    cr_assert_not(fails(heap, 3 * MIB));
    cr_assert_eq(heard.count, 1);
}

Test(process_limit, it_holds_to_the_byte)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_mm_set_process_limit(2 * MIB + 3 * MIB + 4096));
    zend_mm_free(heap, zend_mm_alloc(heap, 1));
    void *block = zend_mm_try_alloc(heap, 3 * MIB + 4096);
    cr_assert_not_null(block);
    cr_assert_eq(zend_mm_process_usage(), 5 * MIB + 4096);
    zend_mm_free(heap, block);
    (void)zend_mm_gc(heap);
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB + 4097));
    cr_assert_null(zend_mm_try_realloc(heap, zend_mm_alloc(heap, 3 * MIB), 3 * MIB + 4097));
}

Test(process_limit, a_heaps_own_limit_is_reported_as_its_own)
{
    cr_assert(zend_mm_set_process_limit(100 * MIB));
    cr_assert(zend_set_memory_limit(3 * MIB));
    zend_mm_set_error_callback(hear);
    cr_assert(fails(zend_mm_get_heap(), 5 * MIB));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_LIMIT);
    cr_assert(zend_set_memory_limit(SIZE_MAX));
    cr_assert(fails(zend_mm_get_heap(), 500 * MIB));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
}

Test(process_limit, it_cannot_be_set_below_what_is_held)
{
    cr_assert_not(zend_mm_set_process_limit(2 * MIB - 1));
    cr_assert_eq(zend_mm_process_limit(), SIZE_MAX);
    cr_assert(zend_mm_set_process_limit(2 * MIB));
    cr_assert_not(zend_mm_set_process_limit(0));
    cr_assert_eq(zend_mm_process_limit(), 2 * MIB);
    cr_assert(zend_mm_set_process_limit(SIZE_MAX));
}

/* Fill the pool: a heap that had eight segments ends. */
static unsigned int fill_pool(void)
{
    for (int number = 0; number < 8; number++) {
        (void)!emalloc(unknown(ZEND_MM_MAX_LARGE_SIZE));
    }
    end_request();
    return zend_mm_pool_size(&zend_mm_mmap_anon_pool);
}

Test(process_limit, the_pool_counts_and_is_emptied_before_an_error)
{
    unsigned int pooled = fill_pool();
    cr_assert_gt(pooled, 1u);
    cr_assert_eq(zend_mm_process_usage(), (pooled + 1) * 2 * MIB);
    cr_assert(zend_mm_set_process_limit((pooled + 1) * 2 * MIB));
    void *block = emalloc(unknown(pooled * 2 * MIB));
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 0u);
    cr_assert_eq(zend_mm_process_usage(), (pooled + 1) * 2 * MIB);
    efree(block);
}

Test(process_limit, only_as_much_of_the_pool_goes_as_is_needed)
{
    unsigned int pooled = fill_pool();
    cr_assert_gt(pooled, 2u);
    cr_assert(zend_mm_set_process_limit((pooled + 1) * 2 * MIB));
    efree(emalloc(unknown(2 * MIB)));
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), pooled - 1);
}

Test(process_limit, setting_it_empties_the_pool)
{
    unsigned int pooled = fill_pool();
    cr_assert_gt(pooled, 0u);
    cr_assert(zend_mm_set_process_limit(2 * MIB));
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 0u);
    cr_assert_eq(zend_mm_process_usage(), 2 * MIB);
}

Test(process_limit, a_storage_that_refuses_leaves_nothing_counted)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    size_t before = zend_mm_process_usage();
    counted.refuse_alloc = true;
    zend_mm_set_error_callback(hear);
    cr_assert(fails(heap, 3 * MIB));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    cr_assert_eq(zend_mm_process_usage(), before);
    counted.refuse_alloc = false;
    counted.misalignment = 4096;
    cr_assert(fails(heap, 3 * MIB));
    cr_assert_eq(zend_mm_process_usage(), before);
    counted.misalignment = 0;
    void *block = zend_mm_alloc(heap, 3 * MIB);
    counted.refuse_realloc = true;
    block = zend_mm_realloc(heap, block, 5 * MIB);
    cr_assert_eq(zend_mm_process_usage(), before + counted.live_size - 2 * MIB);
    zend_mm_free(heap, block);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(zend_mm_process_usage(), before - 2 * MIB);
}

Test(process_limit_first, a_heap_that_may_not_start_is_reported_as_such)
{
    cr_assert(zend_mm_set_process_limit(1 * MIB));
    begin_memory_manager();
    zend_mm_set_error_callback(hear);
    volatile bool bailed_out = false;
    zend_try {
        efree(emalloc(unknown(100)));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
    cr_assert(zend_mm_set_process_limit(SIZE_MAX));
    efree(emalloc(unknown(100)));
    cr_assert_eq(heard.count, 1);
}

/* ---- errors in a row ---- */

static void allocate_in_callback(void)
{
    cr_assert(zend_alloc_in_memory_limit_error_reporting());
    void *blocks[20];
    for (int number = 0; number < 20; number++) {
        blocks[number] = emalloc(unknown(100));
    }
    char *message = emalloc(unknown(3000));
    memset(message, 'm', 3000);
    efree(message);
    for (int number = 0; number < 20; number++) {
        efree(blocks[number]);
    }
}

/* Fill the heap to the last page, by requests of falling size. */
static void fill_heap(zend_mm_heap *heap)
{
    for (size_t size = MIB; size >= 4096; size /= 2) {
        while (zend_mm_try_alloc(heap, size) != NULL) {
        }
    }
}

Test(process_limit, the_error_callback_allocates_from_the_reserve_of_a_full_heap)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_mm_set_process_limit(2 * MIB));
    fill_heap(heap);
    heard.meanwhile = allocate_in_callback;
    zend_mm_set_error_callback(hear);
    cr_assert(fails(heap, 4096));
    cr_assert_eq(heard.count, 1);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
    cr_assert_eq(zend_mm_process_usage(), 2 * MIB);
}

Test(process_limit, every_further_error_of_a_request_is_reported_like_the_first)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_mm_set_process_limit(2 * MIB));
    fill_heap(heap);
    heard.meanwhile = allocate_in_callback;
    zend_mm_set_error_callback(hear);
    size_t size = usage(0), real_size = usage(1);
    for (int number = 1; number <= 10; number++) {
        cr_assert(fails(heap, 8192 + (size_t)number));
        cr_assert_eq(heard.count, number);
        cr_assert_eq(heard.kind, ZEND_MM_ERROR_PROCESS_LIMIT);
        cr_assert_eq(usage(0), size);
        cr_assert_eq(usage(1), real_size);
        cr_assert_not(zend_alloc_in_memory_limit_error_reporting());
        check_valid(heap);
    }
    end_request();
    efree(emalloc(unknown(100000)));
    cr_assert_eq(heard.count, 10);
}

Test(process_limit, the_accounts_after_an_error_are_those_before)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_set_memory_limit(8 * MIB));
    zend_mm_set_error_callback(hear);
    const size_t sizes[] = { 100, 3000, 100000, 3 * MIB };
    for (size_t index = 0; index < 4; index++) {
        void *block = emalloc(unknown(sizes[index]));
        void *more = emalloc(unknown(1 * MIB));
        (void)zend_mm_gc(heap);     /* else the error finds something to give back */
        size_t size = usage(0), real_size = usage(1);
        cr_assert(fails(heap, 20 * MIB));
        cr_assert_null(erealloc_recoverable(block, unknown(20 * MIB)));
        cr_assert_eq(usage(0), size);
        cr_assert_eq(usage(1), real_size);
        check_valid(heap);
        efree(more);
        efree(block);
    }
    cr_assert_eq(heard.count, 4);
    cr_assert_eq(usage(0), 0u);
}

Test(process_limit, a_trim_gives_back_what_waits_in_the_pools)
{
    zend_mm_process_statistics before, after;
    zend_mm_heap *other = new_heap();
    void *blocks[8];
    for (size_t index = 0; index < 8; index++) {
        blocks[index] = zend_mm_alloc(other, ZEND_MM_SEGMENT_SIZE / 2);
    }
    for (size_t index = 0; index < 8; index++) {
        zend_mm_free(other, blocks[index]);
    }
    zend_mm_shutdown(other, 0, 1);
    (void)zend_mm_process_stats(&before, NULL, 0);
    cr_assert_geq(before.pooled_size, 2 * ZEND_MM_SEGMENT_SIZE);
    cr_assert_gt(before.take_count, before.give_count);
    cr_assert_eq(zend_mm_process_trim(before.pooled_size), 0);
    cr_assert_eq(zend_mm_process_trim(ZEND_MM_SEGMENT_SIZE),
        before.pooled_size - ZEND_MM_SEGMENT_SIZE);
    (void)zend_mm_process_stats(&after, NULL, 0);
    cr_assert_eq(after.pooled_size, ZEND_MM_SEGMENT_SIZE);
    cr_assert_eq(after.usage, before.usage - before.pooled_size + ZEND_MM_SEGMENT_SIZE);
    cr_assert_eq(after.give_count - before.give_count,
        before.pooled_size / ZEND_MM_SEGMENT_SIZE - 1);
    (void)zend_mm_process_trim(0);
    zend_mm_shutdown(other, 1, 1);
}
