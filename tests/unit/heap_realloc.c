/* Resizing: in place where the bin, the next pages or the mapping allow it, by moving elsewhere. */
#include "config.h"

#include <criterion/criterion.h>

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
}

TestSuite(heap_realloc, .init = begin, .fini = end, .timeout = 60);

static void fill(unsigned char *block, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        block[index] = (unsigned char)(index * 7 + 3);
    }
}

static bool is_filled(const unsigned char *block, size_t size)
{
    for (size_t index = 0; index < size; index++) {
        if (block[index] != (unsigned char)(index * 7 + 3)) {
            return false;
        }
    }
    return true;
}

Test(heap_realloc, null_allocates)
{
    void *block = zend_mm_heap_realloc(heap, NULL, 100, 100);
    cr_assert_not_null(block);
    cr_assert_eq(zend_mm_heap_usable_size(heap, block), 112u);
}

Test(heap_realloc, within_its_bin_a_block_stays)
{
    void *block = zend_mm_alloc(heap, 100);
    uintptr_t address = number_of(block);
    for (size_t size = 97; size <= 112; size++) {
        cr_assert_eq(number_of(zend_mm_realloc(heap, (void *)address, size)), address);
    }
    cr_assert_eq(zend_mm_heap_size(heap), 112u);
}

Test(heap_realloc, in_every_bin_a_block_stays_for_every_size_of_the_bin)
{
    size_t size = 0;
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        uintptr_t address = number_of(zend_mm_alloc(heap, zend_mm_bin_infos[bin].slot_size));
        for (; size <= zend_mm_bin_infos[bin].slot_size; size++) {
            cr_assert_eq(number_of(zend_mm_realloc(heap, (void *)address, size)), address);
        }
    }
}

Test(heap_realloc, between_all_pairs_of_kinds_the_contents_are_kept)
{
    static const size_t sizes[] = { 0, 1, 8, 9, 100, 1024, 3072, 3073, 4096, 4097, 50000,
        ZEND_MM_MAX_LARGE_SIZE, ZEND_MM_MAX_LARGE_SIZE + 1, 3 * MIB, 5 * MIB + 1 };
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    for (size_t from = 0; from < COUNT; from++) {
        for (size_t to = 0; to < COUNT; to++) {
            unsigned char *block = zend_mm_alloc(heap, sizes[from]);
            fill(block, sizes[from]);
            block = zend_mm_realloc(heap, block, sizes[to]);
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            cr_assert(is_filled(block, kept), "%zu to %zu", sizes[from], sizes[to]);
            fill(block, sizes[to]);
            cr_assert_geq(zend_mm_block_size(heap, block), sizes[to]);
            zend_mm_free(heap, block);
        }
        check_valid(heap);
    }
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
}

Test(heap_realloc, a_moved_block_leaves_its_old_slot_free)
{
    void *block = zend_mm_alloc(heap, 100);
    uintptr_t before = number_of(block);
    block = zend_mm_realloc(heap, block, 200);
    cr_assert_neq(number_of(block), before);
    cr_assert_eq(zend_mm_heap_size(heap), 224u);
    cr_assert_eq(number_of(zend_mm_alloc(heap, 100)), before);
}

Test(heap_realloc, a_large_block_grows_into_the_free_pages_behind_it)
{
    unsigned char *block = zend_mm_alloc(heap, 5000);
    uintptr_t address = number_of(block);
    fill(block, 5000);
    for (size_t size = 10000; size <= MIB; size *= 2) {
        block = zend_mm_realloc(heap, block, size);
        cr_assert_eq(number_of(block), address);
        cr_assert_eq(zend_mm_heap_size(heap), (size + 4095) & ~(size_t)4095);
        check_valid(heap);
    }
    cr_assert(is_filled(block, 5000));
}

Test(heap_realloc, a_large_block_with_a_live_neighbour_moves)
{
    unsigned char *block = zend_mm_alloc(heap, 5000);
    uintptr_t address = number_of(block);
    fill(block, 5000);
    cr_assert_not_null(zend_mm_alloc(heap, 5000));
    block = zend_mm_realloc(heap, block, 20000);
    cr_assert_neq(number_of(block), address);
    cr_assert(is_filled(block, 5000));
    cr_assert_eq(zend_mm_heap_size(heap), 8192u + 20480u);
}

Test(heap_realloc, a_large_block_shrinks_in_place_and_its_tail_is_free)
{
    unsigned char *block = zend_mm_alloc(heap, 100000);
    uintptr_t address = number_of(block);
    fill(block, 100000);
    cr_assert_eq(number_of(zend_mm_realloc(heap, block, 5000)), address);
    cr_assert(is_filled((unsigned char *)address, 5000));
    cr_assert_eq(zend_mm_heap_size(heap), 8192u);
    cr_assert_eq(number_of(zend_mm_alloc(heap, 5000)), address + 8192);
}

Test(heap_realloc, within_its_last_page_a_large_block_stays)
{
    uintptr_t address = number_of(zend_mm_alloc(heap, 5000));
    cr_assert_eq(number_of(zend_mm_realloc(heap, (void *)address, 8192)), address);
    cr_assert_eq(number_of(zend_mm_realloc(heap, (void *)address, 4097)), address);
    cr_assert_eq(zend_mm_heap_size(heap), 8192u);
}

Test(heap_realloc, at_most_copy_size_bytes_survive_a_move_for_sure)
{
    unsigned char *block = zend_mm_alloc(heap, 1000);
    fill(block, 1000);
    unsigned char *moved = zend_mm_heap_realloc(heap, block, 2000, 300);
    cr_assert(is_filled(moved, 300));
    fill(moved, 2000);
    moved = zend_mm_heap_realloc(heap, moved, 60000, 1500);
    cr_assert(is_filled(moved, 1500));
    fill(moved, 60000);
    moved = zend_mm_heap_realloc(heap, moved, 3 * MIB, SIZE_MAX);
    cr_assert(is_filled(moved, 60000));
}

Test(heap_realloc, a_move_that_fails_leaves_the_block_as_it_was)
{
    const size_t from[] = { 100, 3072, 5000, 300000 };
    for (size_t index = 0; index < 4; index++) {
        zend_mm_shutdown(heap, 0, 1);
        heap->limit = SIZE_MAX;
        unsigned char *block = zend_mm_alloc(heap, from[index]);
        fill(block, from[index]);
        heap->limit = 2 * MIB;
        while (zend_mm_try_alloc(heap, 4096) != NULL) {
        }
        while (zend_mm_try_alloc(heap, 8) != NULL) {
        }
        size_t size = zend_mm_heap_size(heap);
        cr_assert_null(zend_mm_try_realloc(heap, block, from[index] * 2 + 100));
        cr_assert_null(zend_mm_try_realloc(heap, block, 4 * MIB));
        cr_assert(is_filled(block, from[index]));
        cr_assert_eq(zend_mm_heap_size(heap), size);
        check_valid(heap);
        zend_mm_free(heap, block);
    }
}

Test(heap_realloc, the_peak_does_not_show_the_moment_in_which_both_blocks_live)
{
    void *block = zend_mm_alloc(heap, 600000);
    cr_assert_not_null(zend_mm_alloc(heap, 4096));     /* nothing to grow into */
    block = zend_mm_realloc(heap, block, 700000);
    cr_assert_eq(zend_mm_heap_size(heap), 700416u + 4096);
    zend_mm_heap_note_peak(heap);
    cr_assert_eq(heap->peak, 700416u + 4096);
    zend_mm_free(heap, block);
}

Test(heap_realloc, sizes_of_live_blocks_are_those_of_their_slot_or_pages)
{
    cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, 0)), 8u);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        size_t size = zend_mm_bin_infos[bin].slot_size;
        cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, size)), size);
        cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, size - 7)), size);
    }
    cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, 3073)), 4096u);
    cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, 4097)), 8192u);
    cr_assert_eq(zend_mm_heap_usable_size(heap, zend_mm_alloc(heap, 2 * MIB)), 2 * MIB);
}

/* Small runs that are taken from behind the growing block make it move, again and again, and each time
 * it leaves a hole that is a page too short for the next. */
Test(heap_realloc, a_block_that_grows_among_small_ones_leaves_little_unused)
{
    size_t size = 4 * KIB;
    void *grown = zend_mm_alloc(heap, size);
    for (; size < ZEND_MM_MAX_LARGE_SIZE; size += 256) {
        grown = zend_mm_realloc(heap, grown, size);
        for (int count = 0; count < 4; count++) {
            cr_assert_not_null(zend_mm_alloc(heap, 320));
        }
    }
    cr_assert_lt(heap->real_size, 2 * zend_mm_heap_size(heap));
}
