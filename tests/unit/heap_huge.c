/* Huge blocks of a heap: how they are counted, cached, resized without copying. */
#include "config.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <signal.h>

#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;

static void begin(void)
{
    heap = new_counted_heap(2 * MIB, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    cr_assert_not_null(heap);
}

static void end(void)
{
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
    cr_assert_eq(counted.live_size, 0u);
}

TestSuite(heap_huge, .init = begin, .fini = end, .timeout = 60);

/* A block of `size` bytes with a mark in its first and its last byte. */
static unsigned char *marked(size_t size)
{
    unsigned char *block = zend_mm_alloc(heap, size);
    block[0] = 0x11;
    block[size - 1] = 0x22;
    return block;
}

static void check_marks(const unsigned char *block, size_t size)
{
    cr_assert_eq(block[0], 0x11);
    cr_assert_eq(block[size - 1], 0x22);
}

Test(heap_huge, a_huge_block_is_counted_to_the_page)
{
    void *block = zend_mm_alloc(heap, 3 * MIB + 1);
    cr_assert_eq(zend_mm_block_size(heap, block), 3 * MIB + 4096);
    cr_assert_eq(zend_mm_heap_size(heap), 3 * MIB + 4096);
    cr_assert_eq(heap->real_size, 2 * MIB + 3 * MIB + 4096);
    cr_assert(is_aligned_to(block, ZEND_MM_SEGMENT_SIZE));
}

Test(heap_huge, sizes_are_rounded_to_pages_until_they_overflow)
{
    cr_assert_eq(zend_mm_heap_huge_round(1), 4096u);
    cr_assert_eq(zend_mm_heap_huge_round(4096), 4096u);
    cr_assert_eq(zend_mm_heap_huge_round(4097), 8192u);
    cr_assert_eq(zend_mm_heap_huge_round(SIZE_MAX - 4095), SIZE_MAX - 4095);
    cr_assert_eq(zend_mm_heap_huge_round(SIZE_MAX - 4094), 0u);
    cr_assert_eq(zend_mm_heap_huge_round(SIZE_MAX), 0u);
}

Test(heap_huge, only_the_first_2_mib_are_in_the_map)
{
    char *block = zend_mm_alloc(heap, 7 * MIB);
    uint16_t owner = (uint16_t)(heap->index | ZEND_MM_OWNER_HUGE);
    cr_assert_eq(zend_mm_owner_of(block), owner);
    cr_assert_eq(zend_mm_owner_of(block + 2 * MIB - 1), owner);
    cr_assert_eq(zend_mm_owner_of(block + 2 * MIB), ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_owner_of(block + 6 * MIB), ZEND_MM_OWNER_NONE);
    zend_mm_free(heap, block);
    cr_assert_eq(zend_mm_owner_of(block), ZEND_MM_OWNER_NONE);
}

Test(heap_huge, a_freed_mapping_is_kept_and_used_again)
{
    uintptr_t address = number_of(zend_mm_alloc(heap, 5 * MIB));
    int calls = counted.alloc_count;
    zend_mm_free(heap, (void *)address);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_eq(heap->real_size, 7 * MIB, "a cached mapping is still the heap's");
    cr_assert_eq(number_of(zend_mm_alloc(heap, 5 * MIB)), address);
    cr_assert_eq(heap->real_size, 7 * MIB);
    cr_assert_eq(counted.alloc_count, calls);
}

Test(heap_huge, a_cached_mapping_that_is_a_little_longer_serves_a_request)
{
    void *block = zend_mm_alloc(heap, 5 * MIB);
    zend_mm_free(heap, block);
    block = zend_mm_alloc(heap, 5 * MIB - 100 * KIB);
    cr_assert_eq(zend_mm_block_size(heap, block), 5 * MIB - 100 * KIB);
    cr_assert_eq(zend_mm_heap_size(heap), 5 * MIB - 100 * KIB);
    cr_assert_eq(heap->real_size, 7 * MIB);
    check_valid(heap);
    zend_mm_free(heap, block);
    cr_assert_eq(heap->huge.cached_size, 5 * MIB);
}

Test(heap_huge, the_cache_is_bounded_and_its_oldest_mapping_leaves_first)
{
    void *blocks[20];
    for (int number = 0; number < 20; number++) {
        blocks[number] = zend_mm_alloc(heap, 3 * MIB);
    }
    for (int number = 0; number < 20; number++) {
        zend_mm_free(heap, blocks[number]);
    }
    cr_assert_eq(heap->huge.cached_count, (uint32_t)ZEND_MM_HUGE_CACHE_COUNT);
    cr_assert_eq(heap->huge.cached[0].address, blocks[4]);
    cr_assert_eq(heap->huge.cached[15].address, blocks[19]);
    cr_assert_eq(counted.live_size, 2 * MIB + 16 * 3 * MIB);
}

Test(heap_huge, a_mapping_larger_than_the_cache_goes_back_at_once)
{
    void *other = zend_mm_alloc(heap, 3 * MIB);
    void *larger = zend_mm_alloc(heap, ZEND_MM_HUGE_CACHE_SIZE + 4096);
    zend_mm_free(heap, other);
    zend_mm_free(heap, larger);
    cr_assert_eq(heap->huge.cached_count, 1u, "the others stay for it");
    cr_assert_eq(heap->real_size, 5 * MIB);
}

Test(heap_huge, what_is_cached_raises_no_peak)
{
    zend_mm_free(heap, zend_mm_alloc(heap, 3 * MIB));
    zend_mm_free(heap, zend_mm_alloc(heap, 4 * MIB));
    cr_assert_eq(heap->huge.cached_count, 1u, "the oldest left for the new one");
    cr_assert_eq(heap->real_peak, 6 * MIB);
    cr_assert_eq(counted.peak_size, 6 * MIB, "it was gone before the new one came");
    cr_assert_not_null(zend_mm_alloc(heap, ZEND_MM_MAX_LARGE_SIZE));
    cr_assert_eq(heap->huge.cached_count, 0u, "it left for a segment");
    cr_assert_eq(heap->real_peak, 6 * MIB);
    zend_mm_free(heap, zend_mm_realloc(heap, zend_mm_alloc(heap, 3 * MIB), 5 * MIB));
    cr_assert_eq(heap->real_peak, 9 * MIB, "two segments and 5 MiB");
    cr_assert_eq(counted.peak_size, 9 * MIB);
}

Test(heap_huge, freeing_keeps_errno_whatever_the_storage_does_to_it)
{
    void *block = zend_mm_alloc(heap, ZEND_MM_HUGE_CACHE_SIZE + 4096);
    int frees = counted.free_count;
    errno = 77;
    zend_mm_free(heap, block);
    cr_assert_eq(errno, 77);
    cr_assert_eq(counted.free_count, frees + 1);
}

Test(heap_huge, gc_drops_the_cache)
{
    zend_mm_free(heap, zend_mm_alloc(heap, 5 * MIB));
    (void)zend_mm_gc(heap);
    cr_assert_eq(heap->huge.cached_count, 0u);
    cr_assert_eq(heap->real_size, 2 * MIB);
}

Test(heap_huge, thousands_of_huge_blocks_are_found_again)
{
    enum { COUNT = 1500 };
    static void *blocks[COUNT];
    for (size_t number = 0; number < COUNT; number++) {
        blocks[number] = zend_mm_alloc(heap, 2 * MIB);
        *(size_t *)blocks[number] = number;
    }
    check_valid(heap);
    for (size_t number = 0; number < COUNT; number += 2) {
        cr_assert_eq(*(size_t *)blocks[number], number);
        zend_mm_free(heap, blocks[number]);
    }
    check_valid(heap);
    for (size_t number = 1; number < COUNT; number += 2) {
        cr_assert_eq(*(size_t *)blocks[number], number);
        zend_mm_free(heap, blocks[number]);
    }
    cr_assert_eq(heap->huge.count, 0u);
}

/* ---- resizing ---- */

Test(heap_huge, a_block_grows_by_its_mapping_and_not_by_a_copy)
{
    unsigned char *block = marked(3 * MIB);
    int allocs = counted.alloc_count, frees = counted.free_count;
    for (size_t size = 4 * MIB; size <= 256 * MIB; size *= 2) {
        block = zend_mm_realloc(heap, block, size);
        check_marks(block, 3 * MIB);
        cr_assert(is_aligned_to(block, ZEND_MM_SEGMENT_SIZE));
        cr_assert_eq(zend_mm_block_size(heap, block), size);
        cr_assert_eq(heap->real_size, 2 * MIB + size);
        cr_assert_eq(counted.live_size, 2 * MIB + size);
        check_valid(heap);
    }
    cr_assert_eq(counted.realloc_count, 7);
    cr_assert_eq(counted.alloc_count, allocs);
    cr_assert_eq(counted.free_count, frees);
}

Test(heap_huge, blocks_grow_in_turn_and_none_of_them_is_copied)
{
    unsigned char *blocks[3];
    for (int number = 0; number < 3; number++) {
        blocks[number] = marked(3 * MIB);
    }
    int allocs = counted.alloc_count;
    for (size_t size = 5 * MIB; size < 30 * MIB; size += 5 * MIB) {
        for (int number = 0; number < 3; number++) {
            blocks[number] = zend_mm_realloc(heap, blocks[number], size);
            check_marks(blocks[number], 3 * MIB);
        }
    }
    cr_assert_eq(counted.alloc_count, allocs);
    for (int number = 0; number < 3; number++) {
        zend_mm_free(heap, blocks[number]);
    }
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
}

Test(heap_huge, a_moved_block_is_found_at_its_new_address_only)
{
    char *block = zend_mm_alloc(heap, 3 * MIB);
    uintptr_t before = number_of(block);
    char *blocker = NULL;
    /* What lies behind the block is taken, so that it must move. */
    for (int number = 0; number < 4; number++) {
        blocker = zend_mm_alloc(heap, 3 * MIB);
    }
    block = zend_mm_realloc(heap, block, 300 * MIB);
    if (number_of(block) != before) {
        cr_assert_eq(zend_mm_owner_of((void *)before), ZEND_MM_OWNER_NONE);
    }
    cr_assert_eq(zend_mm_owner_of(block), heap->index | ZEND_MM_OWNER_HUGE);
    cr_assert_eq(heap->huge.count, 5u);
    check_valid(heap);
    zend_mm_free(heap, blocker);
}

Test(heap_huge, a_storage_that_cannot_resize_has_the_heap_copy)
{
    unsigned char *block = marked(3 * MIB);
    counted.refuse_realloc = true;
    int allocs = counted.alloc_count;
    block = zend_mm_realloc(heap, block, 9 * MIB);
    check_marks(block, 3 * MIB);
    cr_assert_eq(counted.alloc_count, allocs + 1);
    cr_assert_eq(zend_mm_heap_size(heap), 9 * MIB);
    check_valid(heap);
}

Test(heap_huge, a_shrunk_block_gives_its_tail_back)
{
    unsigned char *block = marked(30 * MIB);
    block[9 * MIB - 1] = 0x33;
    unsigned char *shrunk = zend_mm_realloc(heap, block, 9 * MIB);
    cr_assert_eq(number_of(shrunk), number_of(block));
    cr_assert_eq(shrunk[9 * MIB - 1], 0x33);
    cr_assert_eq(heap->real_size, 11 * MIB);
    cr_assert_eq(counted.live_size, 11 * MIB);
    cr_assert_eq(zend_mm_block_size(heap, shrunk), 9 * MIB);
}

Test(heap_huge, a_tail_of_an_eighth_stays_with_the_block)
{
    void *block = zend_mm_alloc(heap, 9 * MIB);
    block = zend_mm_realloc(heap, block, 8 * MIB);
    cr_assert_eq(counted.realloc_count, 0);
    cr_assert_eq(zend_mm_heap_size(heap), 8 * MIB);
    cr_assert_eq(heap->real_size, 11 * MIB);
    check_valid(heap);
    block = zend_mm_realloc(heap, block, 9 * MIB);
    cr_assert_eq(counted.realloc_count, 0);
    cr_assert_eq(zend_mm_heap_size(heap), 9 * MIB);
    cr_assert_eq(heap->huge.count, 1u);
    (void)block;
}

Test(heap_huge, a_block_whose_storage_cannot_shrink_keeps_its_mapping)
{
    void *block = zend_mm_alloc(heap, 30 * MIB);
    counted.refuse_realloc = true;
    cr_assert_eq(number_of(zend_mm_realloc(heap, block, 9 * MIB)), number_of(block));
    cr_assert_eq(zend_mm_heap_size(heap), 9 * MIB);
    cr_assert_eq(heap->real_size, 32 * MIB);
    check_valid(heap);
}

Test(heap_huge, a_huge_block_becomes_large_or_small_with_its_contents)
{
    const size_t sizes[] = { ZEND_MM_MAX_LARGE_SIZE, 5000, 3072, 8 };
    for (size_t index = 0; index < 4; index++) {
        unsigned char *block = marked(3 * MIB);
        block[7] = 0x44;
        block = zend_mm_realloc(heap, block, sizes[index]);
        cr_assert_eq(block[0], 0x11);
        cr_assert_eq(block[7], 0x44);
        cr_assert_eq(heap->huge.count, 0u);
        cr_assert_eq(zend_mm_owner_of(block), heap->index);
        zend_mm_free(heap, block);
        check_valid(heap);
    }
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
}

Test(heap_huge, growing_beyond_the_limit_fails_and_leaves_the_block_as_it_was)
{
    unsigned char *block = marked(3 * MIB);
    heap->limit = 8 * MIB;
    cr_assert_null(zend_mm_try_realloc(heap, block, 6 * MIB + 1));
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_LIMIT);
    check_marks(block, 3 * MIB);
    cr_assert_eq(zend_mm_block_size(heap, block), 3 * MIB);
    cr_assert_eq(heap->real_size, 5 * MIB);
    check_valid(heap);
    cr_assert_not_null(zend_mm_try_realloc(heap, block, 6 * MIB));
}

Test(heap_huge, growing_drops_the_cache_before_the_limit_is_reached)
{
    void *other = zend_mm_alloc(heap, 4 * MIB);
    unsigned char *block = marked(3 * MIB);
    zend_mm_free(heap, other);
    heap->limit = 9 * MIB;
    cr_assert_eq(heap->real_size, 9 * MIB);
    block = zend_mm_try_realloc(heap, block, 7 * MIB);
    cr_assert_not_null(block);
    check_marks(block, 3 * MIB);
    cr_assert_eq(heap->real_size, 9 * MIB);
}

Test(heap_huge, an_impossible_size_fails_and_leaves_the_block_as_it_was)
{
    unsigned char *block = marked(3 * MIB);
    cr_assert_null(zend_mm_try_realloc(heap, block, unknown(SIZE_MAX)));
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_SIZE);
    cr_assert_null(zend_mm_try_realloc(heap, block, unknown(SIZE_MAX / 2)));
    cr_assert_eq(heap->failure, ZEND_MM_FAILURE_STORAGE);
    cr_assert_null(zend_mm_try_alloc(heap, unknown(SIZE_MAX)));
    cr_assert_null(zend_mm_try_alloc(heap, unknown(SIZE_MAX - 4095)));
    check_marks(block, 3 * MIB);
    check_valid(heap);
}

Test(heap_huge, a_request_that_fails_keeps_no_mapping)
{
    heap->limit = 5 * MIB;
    int allocs = counted.alloc_count;
    cr_assert_null(zend_mm_try_alloc(heap, 4 * MIB));
    cr_assert_eq(counted.alloc_count, allocs, "the storage was asked in vain");
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(heap->huge.count, 0u);
}

/* ---- a storage of mappings: addresses by segments, memory by what may have been touched ---- */

static zend_mm_heap *lazy;

static void begin_lazy(void)
{
    lazy = new_heap();
    cr_assert_not_null(lazy);
}

static void end_lazy(void)
{
    check_valid(lazy);
    zend_mm_shutdown(lazy, 1, 1);
}

TestSuite(heap_huge_lazy, .init = begin_lazy, .fini = end_lazy, .timeout = 60);

static size_t mapped_size_of(const void *block)
{
    return zend_mm_huge_find(&lazy->huge, block)->mapped_size;
}

Test(heap_huge_lazy, addresses_are_taken_by_segments_and_memory_is_counted_by_pages)
{
    void *block = zend_mm_alloc(lazy, 3 * MIB + 1);
    cr_assert_eq(zend_mm_block_size(lazy, block), 3 * MIB + 4096);
    cr_assert_eq(mapped_size_of(block), 4 * MIB);
    cr_assert_eq(lazy->real_size, 5 * MIB + 4096);
    cr_assert_eq(zend_mm_process_usage(), 5 * MIB + 4096);
}

Test(heap_huge_lazy, a_longer_request_takes_a_cached_mapping_and_is_counted_in_full)
{
    void *block = zend_mm_alloc(lazy, 2 * MIB + 4096);
    zend_mm_free(lazy, block);
    cr_assert_eq(zend_mm_alloc(lazy, 4 * MIB), block);
    cr_assert_eq(lazy->real_size, 6 * MIB);
    cr_assert_eq(lazy->huge.cached_count, 0u);
}

Test(heap_huge_lazy, what_a_shorter_request_would_waste_is_discarded)
{
    unsigned char *block = zend_mm_alloc(lazy, 4 * MIB);
    memset(block, 0xff, 4 * MIB);
    zend_mm_free(lazy, block);
    cr_assert_eq(lazy->real_size, 6 * MIB);
    cr_assert_eq(zend_mm_alloc(lazy, 3 * MIB), (void *)block);
    cr_assert_eq(lazy->real_size, 5 * MIB);
    cr_assert_eq(zend_mm_process_usage(), 5 * MIB);
    block = zend_mm_realloc(lazy, block, 4 * MIB);
    cr_assert_eq(lazy->real_size, 6 * MIB);
    cr_assert_eq(block[3 * MIB - 1], 0xff);
    cr_assert_eq(block[3 * MIB], 0, "it was given back, so it reads as zeros");
}

Test(heap_huge_lazy, no_more_than_a_128th_of_a_block_is_kept_in_vain)
{
    zend_mm_free(lazy, zend_mm_alloc(lazy, 4 * MIB));
    void *block = zend_mm_alloc(lazy, 4 * MIB - 28 * KIB);
    cr_assert_eq(lazy->real_size, 6 * MIB);
    zend_mm_free(lazy, block);
    cr_assert_not_null(zend_mm_alloc(lazy, 4 * MIB - 64 * KIB));
    cr_assert_eq(lazy->real_size, 6 * MIB - 64 * KIB);
}

Test(heap_huge_lazy, the_cache_gives_back_the_end_of_its_oldest_mapping)
{
    void *older = zend_mm_alloc(lazy, 3 * MIB), *newer = zend_mm_alloc(lazy, 5 * MIB);
    zend_mm_free(lazy, older);
    zend_mm_free(lazy, newer);
    zend_mm_heap_huge_trim_cache(lazy, MIB);
    cr_assert_eq(lazy->huge.cached_count, 2u);
    cr_assert_eq(lazy->huge.cached_size, 7 * MIB);
    cr_assert_eq(lazy->real_size, 9 * MIB);
    cr_assert_eq(zend_mm_process_usage(), 9 * MIB);
    check_valid(lazy);
    zend_mm_heap_huge_trim_cache(lazy, 2 * MIB + 64 * KIB);
    cr_assert_eq(lazy->huge.cached_count, 1u);
    cr_assert_eq(lazy->huge.cached[0].touched_size, 5 * MIB - 64 * KIB);
    check_valid(lazy);
    zend_mm_heap_huge_trim_cache(lazy, 100 * MIB);
    cr_assert_eq(lazy->huge.cached_count, 0u);
    cr_assert_eq(lazy->real_size, 2 * MIB);
}

Test(heap_huge_lazy, at_the_peak_a_mapping_that_is_too_short_is_made_longer)
{
    unsigned char *block = zend_mm_alloc(lazy, 3 * MIB);
    memset(block, 0xff, 3 * MIB);
    zend_mm_free(lazy, block);
    block = zend_mm_alloc(lazy, 5 * MIB);
    cr_assert_eq(block[0], 0xff, "its pages were moved, not made anew");
    cr_assert_eq(mapped_size_of(block), 6 * MIB);
    cr_assert_eq(lazy->real_size, 7 * MIB);
    cr_assert_eq(lazy->real_peak, 7 * MIB);
    cr_assert_eq(zend_mm_process_usage(), 7 * MIB);
    check_valid(lazy);
}

Test(heap_huge_lazy, at_the_peak_a_mapping_that_is_too_long_is_made_shorter)
{
    unsigned char *block = zend_mm_alloc(lazy, 30 * MIB);
    memset(block, 0xff, 30 * MIB);
    zend_mm_free(lazy, block);
    block = zend_mm_alloc(lazy, 7 * MIB);
    cr_assert_eq(block[0], 0xff);
    cr_assert_eq(mapped_size_of(block), 8 * MIB);
    cr_assert_eq(lazy->huge.cached_count, 0u);
    cr_assert_eq(lazy->real_size, 9 * MIB);
    cr_assert_eq(zend_mm_process_usage(), 9 * MIB);
    check_valid(lazy);
}

Test(heap_huge_lazy, a_block_grows_into_its_own_addresses_where_it_stands)
{
    void *block = zend_mm_alloc(lazy, 2 * MIB + 4096);
    for (size_t size = 2 * MIB + 8192; size <= 4 * MIB; size += 64 * KIB) {
        cr_assert_eq(zend_mm_realloc(lazy, block, size), block);
        cr_assert_eq(lazy->real_size, 2 * MIB + zend_mm_heap_huge_round(size));
    }
    check_valid(lazy);
}

Test(heap_huge_lazy, growing_within_the_addresses_is_held_to_the_limit)
{
    void *block = zend_mm_alloc(lazy, 3 * MIB);
    lazy->limit = 5 * MIB + 4096;
    cr_assert_null(zend_mm_try_realloc(lazy, block, 3 * MIB + 8192));
    cr_assert_eq(lazy->failure, ZEND_MM_FAILURE_LIMIT);
    cr_assert_eq(zend_mm_block_size(lazy, block), 3 * MIB);
    cr_assert_eq(zend_mm_try_realloc(lazy, block, 3 * MIB + 4096), block);
}

Test(heap_huge_lazy, a_cached_mapping_that_the_limit_has_no_room_to_fill_makes_room)
{
    void *block = zend_mm_alloc(lazy, 3 * MIB);
    void *other = zend_mm_alloc(lazy, 5 * MIB);
    zend_mm_free(lazy, block);
    lazy->limit = 2 * MIB + 5 * MIB + 3 * MIB + 512 * KIB;
    cr_assert_null(zend_mm_try_alloc(lazy, 4 * MIB));
    cr_assert_eq(lazy->failure, ZEND_MM_FAILURE_LIMIT);
    cr_assert_eq(lazy->real_size, 7 * MIB);
    zend_mm_free(lazy, other);
    cr_assert_not_null(zend_mm_try_alloc(lazy, 4 * MIB));
}

Test(heap_huge_lazy, a_shrunk_block_keeps_addresses_by_segments_and_memory_by_pages)
{
    unsigned char *block = zend_mm_alloc(lazy, 30 * MIB);
    memset(block, 0xff, 30 * MIB);
    cr_assert_eq(zend_mm_realloc(lazy, block, 5 * MIB), (void *)block);
    cr_assert_eq(mapped_size_of(block), 6 * MIB);
    cr_assert_eq(lazy->real_size, 7 * MIB);
    cr_assert_eq(zend_mm_process_usage(), 7 * MIB);
    cr_assert_eq(block[5 * MIB - 1], 0xff);
}

#ifdef ZTS  /* without there is one thread's heap */

/* ---- making room while a block grows ---- */

enum { NEIGHBOUR_COUNT = 60 };

static void *neighbours[NEIGHBOUR_COUNT];

static void *free_the_neighbours(void *kept)
{
    for (int number = 0; number < NEIGHBOUR_COUNT; number++) {
        if (neighbours[number] != kept) {
            efree(neighbours[number]);
        }
    }
    return NULL;
}

/* Whether a block's place in the table moves when others go depends on the addresses: all are tried. */
Test(heap_huge_remote, a_block_grows_while_others_that_were_freed_elsewhere_make_room)
{
    begin_memory_manager();
    for (int kept = 0; kept < NEIGHBOUR_COUNT; kept++) {
        for (int number = 0; number < NEIGHBOUR_COUNT; number++) {
            neighbours[number] = emalloc(unknown(2 * MIB));
        }
        pthread_t thread;
        cr_assert_eq(pthread_create(&thread, NULL, free_the_neighbours, neighbours[kept]), 0);
        cr_assert_eq(pthread_join(thread, NULL), 0);
        cr_assert(zend_set_memory_limit(usage(1)));
        *(int *)neighbours[kept] = kept;
        int *grown = erealloc(neighbours[kept], 2 * MIB + 64 * KIB);
        cr_assert_eq(*grown, kept);
        check_valid(zend_mm_get_heap());
        efree(grown);
        cr_assert(zend_set_memory_limit(SIZE_MAX));
    }
    end_memory_manager();
}

#endif

/* ---- a storage that moves a block to an address that cannot be a block's ---- */

static void *misaligning_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    char *moved = counted_alloc(storage, new_size + MIB);
    memcpy(moved + MIB, block, old_size < new_size ? old_size : new_size);
    counted_free(storage, block, old_size);
    return moved + MIB;
}

static size_t misaligned_free_count;

static void misaligned_free(zend_mm_storage *storage, void *block, size_t size)
{
    if (is_aligned_to(block, 2 * MIB)) {
        counted_free(storage, block, size);
    } else {
        misaligned_free_count++;
        counted_free(storage, (char *)block - MIB, size + MIB);
    }
}

static const zend_mm_mem_handlers misaligning_handlers = {
    "misaligning", counted_init, counted_dtor, NULL, counted_alloc, misaligning_realloc,
    misaligned_free,
};

Test(heap_huge, a_block_that_the_storage_moved_off_its_alignment_is_copied_to_an_aligned_place)
{
    zend_mm_shutdown(heap, 1, 1);
    heap = zend_mm_startup_ex(&misaligning_handlers, 2 * MIB, 0, 0, NULL);
    unsigned char *block = marked(3 * MIB);
    block = zend_mm_realloc(heap, block, 9 * MIB);
    cr_assert(is_aligned_to(block, 2 * MIB));
    check_marks(block, 3 * MIB);
    cr_assert_eq(misaligned_free_count, 1u);
    cr_assert_eq(zend_mm_heap_size(heap), 9 * MIB);
}

static void *misaligning_then_empty(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    void *moved = misaligning_realloc(storage, block, old_size, new_size);
    counted.refuse_alloc = true;
    return moved;
}

static const zend_mm_mem_handlers hopeless_handlers = {
    "hopeless", counted_init, counted_dtor, NULL, counted_alloc, misaligning_then_empty,
    misaligned_free,
};

Test(heap_huge, a_block_that_cannot_be_brought_back_to_an_aligned_place_ends_the_process,
    .signal = SIGABRT)
{
    heap = zend_mm_startup_ex(&hopeless_handlers, 2 * MIB, 0, 0, NULL);
    (void)!zend_mm_realloc(heap, marked(3 * MIB), 9 * MIB);
}
