/* The life of a heap: start, request end, end, and two heaps in one thread. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/globals.h"
#include "alloc/segment_pool.h"
#include "tests/unit/alloc_support.h"

TestSuite(heap, .timeout = 60);

/* ---- start ---- */

Test(heap, a_fresh_heap_is_empty_and_holds_one_segment)
{
    zend_mm_heap *heap = new_heap();
    cr_assert_not_null(heap);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(heap->real_peak, 2 * MIB);
    cr_assert_eq(heap->peak, 0u);
    cr_assert_eq(heap->limit, SIZE_MAX);
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
}

Test(heap, init_leaves_every_free_structure_empty)
{
    static zend_mm_heap heap;
    memset(&heap, 0x5a, sizeof heap);
    heap.key_state = 0;
    heap.free_runs.table = (zend_mm_segment_table){ 0 };
    zend_mm_segment_table_init(&heap.free_runs.table);
    zend_mm_init(&heap);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        cr_assert_null(heap.free_buckets[bin].first);
        cr_assert_eq(heap.carve[bin].next, heap.carve[bin].end);
    }
    for (uint32_t class = 0; class < ZEND_MM_RUN_CLASS_COUNT; class++) {
        cr_assert_eq(heap.free_runs.table.large_free_buckets[class], 0u);
    }
    cr_assert_eq(heap.free_runs.table.large_free_bitmap, 0u);
    cr_assert_eq(heap.free_runs.rest_count, 0u);
}

Test(heap, own_handlers_get_the_params)
{
    int params = 0;
    zend_mm_heap *heap = zend_mm_startup_ex(&counted_handlers, 2 * MIB, 0, 0, &params);
    cr_assert_not_null(heap);
    cr_assert_eq(counted.params, &params);
    cr_assert_eq(counted.init_count, 1);
    cr_assert_eq(counted.storage.handlers, &counted_handlers);
    cr_assert_eq(heap->storage, &counted.storage);
    zend_mm_shutdown(heap, 1, 1);
}

Test(heap, a_storage_that_cannot_start_gives_no_heap)
{
    counted.refuse_init = true;
    cr_assert_null(new_counted_heap(2 * MIB, 0, 0));
    cr_assert_eq(counted.alloc_count, 0);
    cr_assert_eq(counted.dtor_count, 0);
    counted.refuse_init = false;
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_not_null(heap);
    cr_assert_eq(heap->index, 1, "the failed start kept an index");
}

Test(heap, a_storage_that_gives_nothing_gives_no_heap_and_is_ended)
{
    counted.refuse_alloc = true;
    cr_assert_null(new_counted_heap(2 * MIB, 0, 0));
    cr_assert_eq(counted.dtor_count, 1);
    counted.refuse_alloc = false;
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_not_null(heap);
    cr_assert_eq(heap->index, 1, "the failed start kept an index");
}

Test(heap, a_misaligned_block_is_refused_and_given_back)
{
    counted.misalignment = 4096;
    cr_assert_null(new_counted_heap(2 * MIB, 0, 0));
    cr_assert_eq(counted.alloc_count, 1);
    cr_assert_eq(counted.free_count, 1);
    cr_assert_eq(counted.live_size, 0u);
    cr_assert_eq(counted.dtor_count, 1);
}

Test(heap, a_misaligned_block_later_on_is_an_error_of_one_request)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    void *block = zend_mm_alloc(heap, 100);
    counted.misalignment = 4096;
    cr_assert_null(zend_mm_try_alloc(heap, 3 * MIB));
    cr_assert_null(zend_mm_try_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    counted.misalignment = 0;
    cr_assert_eq(counted.live_size, 2 * MIB);
    check_valid(heap);
    cr_assert_not_null(zend_mm_try_alloc(heap, 3 * MIB));
    cr_assert_not_null(zend_mm_try_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    zend_mm_free(heap, block);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
}

Test(heap, a_small_block_size_is_raised_to_2_mib)
{
    zend_mm_heap *heap = new_counted_heap(256 * KIB, 0, 0);
    cr_assert_not_null(heap);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(counted.live_size, 2 * MIB);
    zend_mm_shutdown(heap, 1, 1);
}

Test(heap, the_block_size_is_the_unit_taken_and_given_back)
{
    zend_mm_heap *heap = new_counted_heap(8 * MIB, 0, 0);
    cr_assert_not_null(heap);
    cr_assert_eq(heap->real_size, 8 * MIB);
    cr_assert_eq(counted.alloc_count, 1);
    for (int number = 0; number < 10; number++) {
        cr_assert_not_null(zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    }
    check_valid(heap);
    cr_assert_eq(heap->real_size, 24 * MIB);
    cr_assert_eq(counted.alloc_count, 3);
    zend_mm_shutdown(heap, 0, 1);
    check_valid(heap);
    cr_assert_eq(heap->real_size, 8 * MIB);
    cr_assert_eq(counted.free_count, 2);
    cr_assert_eq(counted.smallest_freed, 8 * MIB);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
    cr_assert_eq(counted.smallest_size, 8 * MIB);
}

Test(heap, the_reserve_is_not_part_of_the_size)
{
    zend_mm_heap *without = new_counted_heap(2 * MIB, 0, 0);
    zend_mm_heap *with = new_counted_heap(2 * MIB, 40000, 0);
    cr_assert_null(without->reserve);
    cr_assert_not_null(with->reserve);
    cr_assert_eq(zend_mm_heap_size(with), 0u);
    cr_assert_eq(without->free_runs.table.infos[0].free_page_count
        - with->free_runs.table.infos[0].free_page_count, 10u);
    check_valid(with);
    zend_mm_shutdown(with, 0, 1);
    cr_assert_not_null(with->reserve);
    cr_assert_eq(zend_mm_heap_size(with), 0u);
    check_valid(with);
}

Test(heap, a_reserve_larger_than_a_segment_is_left_out)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 64 * MIB, 0);
    cr_assert_not_null(heap);
    cr_assert_null(heap->reserve);
    cr_assert_not_null(zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    check_valid(heap);
}

/* ---- internal heaps ---- */

Test(heap, an_internal_heap_lives_in_its_own_first_segment)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 1);
    cr_assert_not_null(heap);
    cr_assert_eq(zend_mm_segment_of(heap), heap->first_unit);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_null(heap->pool);
    check_valid(heap);
    char *block = zend_mm_alloc(heap, 100);
    memset(block, 1, 100);
    zend_mm_free(heap, block);
    cr_assert_not_null(zend_mm_alloc(heap, 5 * MIB));
    cr_assert_not_null(zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    check_valid(heap);
    for (int request = 0; request < 3; request++) {
        zend_mm_shutdown(heap, 0, 1);
        check_valid(heap);
        cr_assert_eq(zend_mm_heap_size(heap), 0u);
        cr_assert_eq(heap->real_size, 2 * MIB);
        memset(zend_mm_alloc(heap, MIB), 1, MIB);
    }
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
    cr_assert_eq(counted.dtor_count, 1);
}

Test(heap, an_internal_heap_of_a_pooled_storage_has_no_pool)
{
    zend_mm_heap *heap = zend_mm_startup_ex(&zend_mm_storage_find("mmap_anon")->handlers, 2 * MIB,
        0, 1, NULL);
    cr_assert_not_null(heap);
    cr_assert_null(heap->pool);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 0u);
}

Test(heap, an_internal_heap_is_never_compacted)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 1);
    heap->compact_size = 1;
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 0);
}

/* ---- request end ---- */

static void use(zend_mm_heap *heap)
{
    for (size_t size = 1; size < 12 * MIB; size = size * 2 + 3) {
        for (int number = 0; number < 3; number++) {
            memset(zend_mm_alloc(heap, size), 0x11, size);
        }
    }
}

Test(heap, a_reset_drops_every_block_and_keeps_the_first_segment)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    const zend_mm_segment *first = heap->first_unit;
    use(heap);
    cr_assert_gt(heap->segment_count, 1u);
    cr_assert_gt(heap->huge.count, 0u);
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(heap->real_peak, 2 * MIB);
    cr_assert_eq(heap->peak, 0u);
    cr_assert_eq(heap->first_unit, first);
    cr_assert_eq(heap->segment_count, 1u);
    cr_assert_eq(heap->huge.count, 0u);
    cr_assert_eq(heap->huge.cached_count, 0u);
    cr_assert_eq(counted.live_size, 2 * MIB);
    check_valid(heap);
    use(heap);
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_size, 0u);
}

Test(heap, a_reset_takes_the_dead_segments_out_of_the_map)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    void *huge = zend_mm_alloc(heap, 5 * MIB);
    void *large[2] = { zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE),
        zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE) };
    cr_assert_eq(zend_mm_owner_of(huge), heap->index | ZEND_MM_OWNER_HUGE);
    cr_assert_eq(zend_mm_owner_of(large[1]), heap->index);
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(zend_mm_owner_of(huge), ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_owner_of(large[1]), ZEND_MM_OWNER_NONE);
    void *first = heap->first_unit;
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(zend_mm_owner_of(first), ZEND_MM_OWNER_NONE);
}

Test(heap, resets_are_counted)
{
    zend_mm_heap *heap = new_heap();
    for (unsigned int count = 1; count <= 5; count++) {
        zend_mm_shutdown(heap, 0, 1);
        cr_assert_eq(heap->reset_count, count);
    }
}

Test(heap, every_request_has_a_link_key_of_its_own)
{
    zend_mm_heap *heap = new_heap();
    uintptr_t keys[8];
    for (int request = 0; request < 8; request++) {
        keys[request] = heap->link_key;
        for (int before = 0; before < request; before++) {
            cr_assert_neq(keys[before], keys[request]);
        }
        zend_mm_shutdown(heap, 0, 1);
    }
}

Test(heap, two_heaps_have_different_link_keys)
{
    cr_assert_neq(new_heap()->link_key, new_heap()->link_key);
}

Test(heap, a_reset_keeps_the_limit)
{
    zend_mm_heap *heap = new_heap();
    heap->limit = 4 * MIB;
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(heap->limit, 4 * MIB);
}

Test(heap, a_reset_heap_gives_the_same_memory_again)
{
    zend_mm_heap *heap = new_heap();
    uintptr_t first = number_of(zend_mm_alloc(heap, 24));
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(number_of(zend_mm_alloc(heap, 24)), first);
}

/* ---- compact ---- */

Test(heap, the_storage_compacts_at_request_end_when_the_real_peak_was_above_the_size)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    heap->compact_size = 4 * MIB;
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 0);
    zend_mm_free(heap, zend_mm_alloc(heap, 2 * MIB));
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 0, "the real peak was 4 MiB, not above it");
    zend_mm_free(heap, zend_mm_alloc(heap, 3 * MIB));
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 1);
    cr_assert_eq(counted.compact_live_count, 0u, "a block was in use while compact ran");
    check_valid(heap);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_not_null(heap->reserve);
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 1, "the peak is of one request");
}

Test(heap, a_compact_size_of_0_means_never)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    heap->compact_size = 0;
    cr_assert_not_null(zend_mm_alloc(heap, 30 * MIB));
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 0);
}

Test(heap, a_storage_that_gives_nothing_after_compact_is_asked_again_later)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    heap->compact_size = 1;
    cr_assert_not_null(zend_mm_alloc(heap, 100));
    counted.refuse_alloc = true;
    zend_mm_shutdown(heap, 0, 1);
    cr_assert_eq(counted.compact_count, 1);
    cr_assert_eq(heap->real_size, 0u);
    check_valid(heap);
    cr_assert_null(zend_mm_try_alloc(heap, 100));
    zend_mm_set_error_callback(hear);
    volatile bool bailed_out = false;
    zend_try {
        cr_assert_null(zend_mm_alloc(heap, 100));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    counted.refuse_alloc = false;
    cr_assert_not_null(zend_mm_try_alloc(heap, 100));
    cr_assert_eq(heap->real_size, 2 * MIB);
    check_valid(heap);
    zend_mm_shutdown(heap, 0, 1);
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
}

/* ---- end ---- */

Test(heap, an_ended_heap_gives_everything_back_before_its_storage_ends)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    use(heap);
    zend_mm_free(heap, zend_mm_alloc(heap, 7 * MIB));
    cr_assert_gt(heap->huge.cached_count, 0u);
    uint16_t index = heap->index;
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_size, 0u);
    cr_assert_eq(counted.live_count, 0u);
    cr_assert_eq(counted.dtor_count, 1);
    cr_assert_eq(new_counted_heap(2 * MIB, 0, 0)->index, index);
}

Test(heap, an_ended_heap_takes_its_expectation_out_of_the_pool)
{
    zend_mm_heap *heap = new_heap();
    use(heap);
    cr_assert_gt(atomic_load(&zend_mm_mmap_anon_pool.expected), 0);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(atomic_load(&zend_mm_mmap_anon_pool.expected), 0);
    cr_assert_eq(atomic_load(&zend_mm_mmap_anon_pool.existing),
        (int64_t)zend_mm_pool_size(&zend_mm_mmap_anon_pool));
}

Test(heap, the_next_heap_takes_the_segment_that_one_left_and_the_last_heap_leaves_none)
{
    zend_mm_heap *other = new_heap(), *heap = new_heap();
    const void *segment = heap->first_unit;
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 1u);
    heap = new_heap();
    cr_assert_eq((const void *)heap->first_unit, segment);
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 0u);
    zend_mm_shutdown(other, 1, 1);
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 1u);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(atomic_load(&zend_mm_mmap_anon_pool.existing), 0);
    cr_assert_eq(zend_mm_pool_size(&zend_mm_mmap_anon_pool), 0u);
}

/* ---- two heaps in one thread ---- */

Test(heap, blocks_of_two_heaps_never_share_a_segment)
{
    zend_mm_heap *a = new_heap(), *b = new_heap();
    for (size_t size = 8; size <= MIB; size *= 2) {
        void *of_a = zend_mm_alloc(a, size), *of_b = zend_mm_alloc(b, size);
        cr_assert_eq(zend_mm_owner_of(of_a), a->index);
        cr_assert_eq(zend_mm_owner_of(of_b), b->index);
        zend_mm_free(a, of_a);
        zend_mm_free(b, of_b);
    }
    cr_assert_eq(zend_mm_heap_size(a), 0u);
    cr_assert_eq(zend_mm_heap_size(b), 0u);
}

Test(heap, a_block_freed_through_another_heap_is_taken_by_its_own_later)
{
    zend_mm_heap *a = new_heap(), *b = new_heap();
    void *small = zend_mm_alloc(b, 100), *large = zend_mm_alloc(b, 100000);
    void *huge = zend_mm_alloc(b, 3 * MIB);
    size_t size = zend_mm_heap_size(b);
    zend_mm_free(a, small);
    zend_mm_free(a, large);
    zend_mm_free(a, huge);
    cr_assert_eq(zend_mm_heap_size(b), size, "the owner alone frees");
    cr_assert_eq(atomic_load(&b->remote.free_count), 3u);
    cr_assert_eq(atomic_load(&a->remote.free_count), 0u);
    check_valid(a);
    zend_mm_heap_drain_remote(b);
    cr_assert_eq(zend_mm_heap_size(b), 0u);
    check_valid(b);
}

Test(heap, the_owner_takes_remote_frees_where_it_asks_for_pages)
{
    zend_mm_heap *a = new_heap(), *b = new_heap();
    zend_mm_free(a, zend_mm_alloc(b, 100000));
    void *block = zend_mm_alloc(b, 5000);
    cr_assert_eq(zend_mm_heap_size(b), 8192u);
    zend_mm_free(a, block);
    cr_assert_not_null(zend_mm_alloc(b, 40));   /* the first of its bin */
    cr_assert_eq(zend_mm_heap_size(b), 40u);
    check_valid(b);
}

Test(heap, a_reset_drops_remote_frees_unread)
{
    zend_mm_heap *a = new_heap(), *b = new_heap();
    zend_mm_free(a, zend_mm_alloc(b, 100));
    zend_mm_free(a, zend_mm_alloc(b, 3 * MIB));
    zend_mm_shutdown(b, 0, 1);
    cr_assert(zend_mm_remote_is_empty(&b->remote));
    cr_assert_eq(zend_mm_heap_size(b), 0u);
    void *block = zend_mm_alloc(b, 5000);
    cr_assert_not_null(block);
    check_valid(b);
    zend_mm_free(a, block);
    zend_mm_shutdown(b, 1, 1);
    check_valid(a);
}
