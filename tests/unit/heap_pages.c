/* Pages, units and the limit of a heap: what it takes, keeps and gives back, and what it does
 * before it says that the limit is reached. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/segment_pool.h"
#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;

static void begin(void)
{
    heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    cr_assert_not_null(heap);
}

TestSuite(heap_pages, .init = begin, .timeout = 60);

#define FULL ZEND_MM_MAX_LARGE_SIZE     /* needs a segment of its own */

Test(heap_pages, a_run_of_every_page_is_the_largest_large_block)
{
    void *block = zend_mm_alloc(heap, FULL);
    cr_assert_eq(zend_mm_owner_of(block), heap->index);
    cr_assert_eq(zend_mm_block_size(heap, block), FULL);
    void *huge = zend_mm_alloc(heap, FULL + 1);
    cr_assert_eq(zend_mm_owner_of(huge), heap->index | ZEND_MM_OWNER_HUGE);
    check_valid(heap);
}

Test(heap_pages, one_free_segment_is_kept_back_and_a_second_one_given_back)
{
    void *first = zend_mm_alloc(heap, FULL), *second = zend_mm_alloc(heap, FULL);
    cr_assert_eq(heap->real_size, 6 * MIB);
    zend_mm_free(heap, first);
    cr_assert_eq(heap->real_size, 6 * MIB);
    check_valid(heap);
    zend_mm_free(heap, second);
    cr_assert_eq(heap->real_size, 4 * MIB);
    cr_assert_eq(counted.live_size, 4 * MIB);
    check_valid(heap);
}

Test(heap_pages, taking_and_freeing_at_a_segments_edge_does_not_call_the_storage)
{
    zend_mm_free(heap, zend_mm_alloc(heap, FULL));
    int calls = counted.alloc_count + counted.free_count;
    for (int round = 0; round < 100; round++) {
        zend_mm_free(heap, zend_mm_alloc(heap, FULL));
    }
    cr_assert_eq(counted.alloc_count + counted.free_count, calls);
}

Test(heap_pages, a_free_segment_that_is_kept_back_raises_no_peak)
{
    zend_mm_free(heap, zend_mm_alloc(heap, FULL));
    cr_assert_eq(heap->real_size, 4 * MIB);
    zend_mm_free(heap, zend_mm_alloc(heap, 2 * MIB + 4096));
    cr_assert_eq(heap->real_peak, 4 * MIB + 4096, "it left for the huge block");
    cr_assert_eq(counted.peak_size, 4 * MIB + 4096);
    check_valid(heap);
}

Test(heap_pages, the_first_segment_stays_even_when_it_is_free)
{
    zend_mm_segment *first = heap->first_unit;
    void *block = zend_mm_alloc(heap, FULL);
    (void)zend_mm_gc(heap);
    cr_assert_eq(heap->first_unit, first);
    zend_mm_free(heap, block);
    (void)zend_mm_gc(heap);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(heap->segment_count, 1u);
}

Test(heap_pages, the_first_segment_stays_even_when_another_free_one_is_kept_back)
{
    zend_mm_heap *bare = new_counted_heap(2 * MIB, 0, 0);
    void *blocks[3];
    for (int number = 0; number < 3; number++) {
        blocks[number] = zend_mm_alloc(bare, FULL);
    }
    cr_assert_eq(zend_mm_segment_of(blocks[0]), bare->first_unit);
    zend_mm_free(bare, blocks[1]);
    zend_mm_free(bare, blocks[0]);
    cr_assert_eq(zend_mm_owner_of(blocks[0]), bare->index);
    cr_assert_eq(bare->real_size, 6 * MIB);
    zend_mm_free(bare, blocks[2]);
    cr_assert_eq(bare->real_size, 4 * MIB);
    (void)zend_mm_gc(bare);
    cr_assert_eq(bare->segment_count, 1u);
    cr_assert_eq(bare->real_size, 2 * MIB);
    check_valid(bare);
}

Test(heap_pages, a_unit_is_given_back_only_when_all_of_its_segments_are_free)
{
    zend_mm_heap *big = new_counted_heap(8 * MIB, 0, 0);
    void *blocks[8];
    for (int number = 0; number < 8; number++) {
        blocks[number] = zend_mm_alloc(big, FULL);
    }
    cr_assert_eq(big->real_size, 16 * MIB);
    void *kept = NULL;      /* in the second unit */
    for (int number = 0; number < 8; number++) {
        if (kept == NULL && zend_mm_number_of(blocks[number]) >= 4) {
            kept = blocks[number];
        } else {
            zend_mm_free(big, blocks[number]);
        }
        check_valid(big);
    }
    cr_assert_not_null(kept);
    (void)zend_mm_gc(big);
    cr_assert_eq(big->real_size, 16 * MIB);
    zend_mm_free(big, kept);
    (void)zend_mm_gc(big);
    cr_assert_eq(big->real_size, 8 * MIB);
    cr_assert_eq(counted.smallest_freed, 8 * MIB);
    check_valid(big);
}

/* ---- the limit ---- */

Test(heap_pages, a_limit_of_2_mib_works)
{
    heap->limit = 2 * MIB;
    size_t taken = 0;
    while (zend_mm_try_alloc(heap, 100000) != NULL) {
        taken += 100000;
    }
    cr_assert_gt(taken, 2 * MIB * 9 / 10);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_LIMIT);
    check_valid(heap);
}

Test(heap_pages, at_the_limit_every_kind_of_block_is_refused_and_nothing_changes)
{
    heap->limit = 2 * MIB;
    while (zend_mm_try_alloc(heap, 8) != NULL) {
    }
    size_t size = zend_mm_heap_size(heap);
    const size_t sizes[] = { 0, 8, 100, 3072, 3073, 100000, FULL, FULL + 1, 5 * MIB };
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        cr_assert_null(zend_mm_try_alloc(heap, sizes[index]), "size %zu", sizes[index]);
        cr_assert_eq(heap->failure, ZEND_MM_FAILURE_LIMIT);
        cr_assert_eq(zend_mm_heap_size(heap), size);
        cr_assert_eq(heap->real_size, 2 * MIB);
    }
    check_valid(heap);
}

Test(heap_pages, the_limit_counts_huge_blocks_to_the_page)
{
    heap->limit = 2 * MIB + 3 * MIB;
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB + 1));
    void *block = zend_mm_try_alloc(heap, 3 * MIB);
    cr_assert_not_null(block);
    cr_assert_eq(heap->real_size, 5 * MIB);
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB));
    zend_mm_free(heap, block);
    cr_assert_not_null(zend_mm_try_alloc(heap, 3 * MIB));
    check_valid(heap);
}

Test(heap_pages, cached_mappings_are_dropped_before_the_limit_is_reached)
{
    heap->limit = 12 * MIB;
    zend_mm_free(heap, zend_mm_alloc(heap, 8 * MIB));
    cr_assert_eq(heap->huge.cached_size, 8 * MIB);
    cr_assert_eq(heap->real_size, 10 * MIB);
    cr_assert_not_null(zend_mm_try_alloc(heap, 5 * MIB));
    cr_assert_eq(heap->huge.cached_size, 0u);
    cr_assert_eq(heap->real_size, 7 * MIB);
    check_valid(heap);
}

Test(heap_pages, a_segment_gets_the_room_of_cached_mappings_too)
{
    heap->limit = 6 * MIB;
    zend_mm_free(heap, zend_mm_alloc(heap, 4 * MIB));
    cr_assert_not_null(zend_mm_try_alloc(heap, FULL));
    cr_assert_eq(heap->real_size, 4 * MIB);
    check_valid(heap);
}

/* Blocks of `size` until the limit; frees them all again, or all but every `keep`-th. */
static size_t fill_and_free(size_t size, size_t keep)
{
    enum { COUNT_MAX = 300000 };
    static void *blocks[COUNT_MAX];
    size_t count = 0, freed = 0;
    while (count < COUNT_MAX && (blocks[count] = zend_mm_try_alloc(heap, size)) != NULL) {
        count++;
    }
    for (size_t index = 0; index < count; index++) {
        if (keep == 0 || index % keep != 0) {
            zend_mm_free(heap, blocks[index]);
            freed++;
        }
    }
    return freed;
}

Test(heap_pages, free_small_runs_serve_a_large_request_at_the_limit)
{
    heap->limit = 2 * MIB;
    cr_assert_gt(fill_and_free(64, 0), 10000u);
    cr_assert_not_null(zend_mm_try_alloc(heap, MIB));
    check_valid(heap);
}

Test(heap_pages, free_small_runs_serve_another_bin_at_the_limit)
{
    heap->limit = 2 * MIB;
    cr_assert_gt(fill_and_free(64, 0), 10000u);
    for (int count = 0; count < 300; count++) {
        cr_assert_not_null(zend_mm_try_alloc(heap, 3072));
    }
    check_valid(heap);
}

Test(heap_pages, free_small_runs_make_room_for_a_huge_block_at_the_limit)
{
    /* The page of the table of huge blocks is to be in the first segment. */
    zend_mm_free(heap, zend_mm_alloc(heap, 3 * MIB));
    heap->limit = 8 * MIB;
    cr_assert_gt(fill_and_free(1024, 0), 5000u);
    cr_assert_eq(heap->real_size, 8 * MIB);
    cr_assert_not_null(zend_mm_try_alloc(heap, 6 * MIB));
    cr_assert_eq(heap->real_size, 8 * MIB);
    check_valid(heap);
}

Test(heap_pages, runs_with_a_live_slot_serve_nothing_else)
{
    heap->limit = 2 * MIB;
    cr_assert_gt(fill_and_free(64, 64), 10000u);
    cr_assert_null(zend_mm_try_alloc(heap, MIB));
    cr_assert_not_null(zend_mm_try_alloc(heap, 64));
    check_valid(heap);
}

Test(heap_pages, remote_frees_are_taken_before_the_limit_is_reached)
{
    zend_mm_heap *other = new_heap();
    heap->limit = 2 * MIB;
    void *block = zend_mm_alloc(heap, MIB);
    while (zend_mm_try_alloc(heap, 16) != NULL) {
    }
    zend_mm_free(other, block);
    cr_assert_not_null(zend_mm_try_alloc(heap, 512 * KIB));
    check_valid(heap);
}

Test(heap_pages, a_heap_over_its_limit_takes_nothing_and_frees_on)
{
    void *block = zend_mm_alloc(heap, 10 * MIB);
    heap->limit = 4 * MIB;
    cr_assert_null(zend_mm_try_alloc(heap, FULL));
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB));
    cr_assert_not_null(zend_mm_try_alloc(heap, 100));
    zend_mm_free(heap, block);
    cr_assert_not_null(zend_mm_try_alloc(heap, FULL));
    check_valid(heap);
}

/* ---- a storage that is empty ---- */

Test(heap_pages, an_empty_storage_is_a_storage_failure_and_a_retry_works)
{
    counted.refuse_alloc = true;
    cr_assert_null(zend_mm_try_alloc(heap, FULL));
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_STORAGE);
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB));
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_STORAGE);
    check_valid(heap);
    counted.refuse_alloc = false;
    cr_assert_not_null(zend_mm_try_alloc(heap, FULL));
    cr_assert_not_null(zend_mm_try_alloc(heap, 3 * MIB));
    check_valid(heap);
}

Test(heap_pages, free_small_runs_serve_a_request_when_the_storage_is_empty)
{
    heap->limit = 2 * MIB;
    cr_assert_gt(fill_and_free(64, 0), 10000u);
    heap->limit = SIZE_MAX;
    counted.refuse_alloc = true;
    cr_assert_not_null(zend_mm_try_alloc(heap, MIB));
    check_valid(heap);
}

Test(heap_pages, the_reserve_is_free_while_an_error_is_reported_and_taken_again_at_reset)
{
    zend_mm_heap_release_reserve(heap);
    cr_assert_null(heap->reserve);
    check_valid(heap);
    cr_assert_eq(heap->free_runs.table.infos[0].free_page_count, ZEND_MM_USABLE_PAGE_COUNT);
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_not_null(heap->reserve);
    cr_assert_eq(heap->free_runs.table.infos[0].free_page_count, ZEND_MM_USABLE_PAGE_COUNT - 2);
}

/* Resident bytes of the first segment after `count` blocks of so many pages that nobody has written. */
static size_t resident_size_after(uint32_t count, uint32_t pages, bool touches_ahead)
{
    zend_mm_heap *pooled = new_heap();
    make_plain(pooled);
    pooled->touches_ahead = touches_ahead;
    for (uint32_t block = 0; block < count; block++) {
        cr_assert_not_null(zend_mm_alloc(pooled, pages * ZEND_MM_PAGE_SIZE));
    }
    check_valid(pooled);
    size_t size = zend_mm_os_resident_size(pooled->first_unit, 2 * MIB);
    zend_mm_shutdown(pooled, 1, 1);     /* the last heap of the pool: the next one begins with fresh memory */
    return size;
}

Test(heap_pages, a_heap_that_touches_ahead_makes_pages_resident_some_at_a_time)
{
    void *page = zend_mm_os_map_pages(ZEND_MM_PAGE_SIZE);
    if (!zend_mm_os_touch(page, ZEND_MM_PAGE_SIZE)) {
        cr_skip_test("this system cannot make pages resident");
    }
    size_t few = resident_size_after(100, 1, true);
    cr_assert_eq(few, resident_size_after(100, 1, false), "it may stay small");
    cr_assert_eq(resident_size_after(300, 1, false), few, "nobody touched them");
    size_t many = resident_size_after(300, 1, true);
    cr_assert_geq(many, few + (300 - 128) * ZEND_MM_PAGE_SIZE);
    cr_assert_leq(many, few + (300 - 128 + 2 * 16) * ZEND_MM_PAGE_SIZE);
    cr_assert_gt(resident_size_after(50, 8, true), few);
    cr_assert_eq(resident_size_after(50, 9, true), few, "the end of a buffer may stay untouched");
}

/* How many segments a heap has when the next is to have huge pages. */
static size_t segments_before_huge_pages(bool touches_ahead)
{
    zend_mm_heap *pooled = new_heap();
    make_plain(pooled);
    pooled->touches_ahead = touches_ahead;
    size_t count = pooled->segment_count;
    void *large;
    do {
        large = zend_mm_alloc(pooled, FULL);
        count++;
    } while (!zend_mm_segment_rest_of(zend_mm_segment_of(large))->has_huge_pages && count < 100);
    check_valid(pooled);
    zend_mm_shutdown(pooled, 1, 1);
    return count - 1;
}

Test(heap_pages, huge_pages_begin_later_in_a_heap_that_touches_ahead)
{
    cr_assert_eq(segments_before_huge_pages(true), 32u);
    cr_assert_eq(segments_before_huge_pages(false), 8u);
}

Test(heap_pages, of_a_heap_that_touches_ahead_the_cache_gives_back_what_becomes_resident)
{
    zend_mm_heap *pooled = new_heap();
    make_plain(pooled);
    pooled->touches_ahead = true;
    zend_mm_free(pooled, zend_mm_alloc(pooled, 5 * MIB));
    cr_assert_eq(pooled->huge.cached_size, 5 * MIB);
    for (uint32_t block = 0; block < 200; block++) {
        cr_assert_not_null(zend_mm_alloc(pooled, ZEND_MM_PAGE_SIZE));
    }
    cr_assert_eq(pooled->huge.cached_count, 1u);
    cr_assert_leq(pooled->huge.cached_size, 5 * MIB - 200 * ZEND_MM_PAGE_SIZE);
    cr_assert_geq(pooled->huge.cached_size, 5 * MIB - (200 + 2 * 16) * ZEND_MM_PAGE_SIZE);
    check_valid(pooled);
    zend_mm_shutdown(pooled, 1, 1);
}

Test(heap_pages, the_next_request_takes_the_segments_that_are_kept_in_the_same_order)
{
    zend_mm_heap *pooled = new_heap();
    make_plain(pooled);
    enum { COUNT = 5 };
    void *before[COUNT];
    unsigned int kept = 0;
    for (int turn = 0; turn < 4; turn++) {
        for (unsigned int number = 0; number < COUNT; number++) {
            void *block = zend_mm_alloc(pooled, FULL);
            cr_assert(number >= kept || block == before[number], "turn %d, segment %u", turn, number);
            before[number] = block;
        }
        zend_mm_shutdown(pooled, 0, 1);
        kept = zend_mm_pool_size(&zend_mm_mmap_anon_pool);
    }
    cr_assert_eq(kept, COUNT);
    check_valid(pooled);
    zend_mm_shutdown(pooled, 1, 1);
}

Test(heap_pages, what_may_be_a_programs_only_request_leaves_less_than_a_workers)
{
    zend_mm_heap *pooled = new_heap();
    make_plain(pooled);
    zend_mm_shutdown(pooled, 0, 1);     /* the start-up's end */
    static const unsigned int kept[] = { 0, 1, 1 };
    for (unsigned int request = 0; request < 3; request++) {
        cr_assert_not_null(zend_mm_alloc(pooled, FULL));
        cr_assert_eq(pooled->segment_count, 2u);
        zend_mm_shutdown(pooled, 0, 1);
        cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), kept[request], "request %u", request);
    }
    check_valid(pooled);
    zend_mm_shutdown(pooled, 1, 1);
}

Test(heap_pages, a_segment_that_a_full_pool_refuses_is_unmapped_and_no_longer_counted)
{
    zend_mm_segment_pool *pool = &zend_mm_mmap_anon_pool;
    zend_mm_heap *pooled = new_heap();
    void *large = zend_mm_alloc(pooled, FULL);
    zend_mm_free(pooled, large);
    int64_t existing = atomic_load(&pool->existing);
    /* The pool never looks into a segment: any address fills it. */
    while (zend_mm_pool_give(pool, (void *)ZEND_MM_SEGMENT_SIZE)) {
    }
    (void)zend_mm_gc(pooled);
    cr_assert_eq(pooled->real_size, 2 * MIB);
    cr_assert_eq(zend_mm_owner_of(large), ZEND_MM_OWNER_NONE);
    cr_assert_eq(atomic_load(&pool->existing), existing - 1);
    while (zend_mm_pool_take(pool) != NULL) {
    }
}
