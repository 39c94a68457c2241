/* gc: runs in which every slot is free become pages again; nothing else changes. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;

static void begin(void)
{
    heap = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_not_null(heap);
}

TestSuite(heap_gc, .init = begin, .timeout = 60);

static size_t free_pages(void)
{
    size_t count = 0;
    for (uint32_t number = 0; number < heap->free_runs.table.end; number++) {
        const zend_mm_segment_info *info = &heap->free_runs.table.infos[number];
        count += info->segment != NULL ? info->free_page_count : 0;
    }
    return count;
}

Test(heap_gc, a_heap_without_free_slots_gives_nothing)
{
    cr_assert_eq(zend_mm_gc(heap), 0u);
    void *block = zend_mm_alloc(heap, 100);
    cr_assert_eq(zend_mm_gc(heap), 0u);
    check_valid(heap);
    zend_mm_free(heap, block);
}

Test(heap_gc, in_every_bin_an_entirely_free_run_becomes_pages)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
        void *blocks[512];
        size_t before = free_pages();
        for (uint32_t slot = 0; slot < info->slot_count; slot++) {
            blocks[slot] = zend_mm_alloc(heap, info->slot_size);
        }
        cr_assert_eq(free_pages(), before - info->page_count);
        for (uint32_t slot = 0; slot < info->slot_count; slot++) {
            zend_mm_free(heap, blocks[slot]);
        }
        cr_assert_eq(zend_mm_gc(heap), info->page_count * ZEND_MM_PAGE_SIZE, "bin %u", bin);
        cr_assert_eq(free_pages(), before);
        check_valid(heap);
    }
}

Test(heap_gc, a_run_that_is_only_half_carved_counts_as_free_too)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        zend_mm_free(heap, zend_mm_alloc(heap, zend_mm_bin_infos[bin].slot_size));
    }
    cr_assert_gt(zend_mm_gc(heap), 0u);
    cr_assert_eq(free_pages(), ZEND_MM_USABLE_PAGE_COUNT);
    check_valid(heap);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        size_t size = zend_mm_bin_infos[bin].slot_size;
        memset(zend_mm_alloc(heap, size), 1, size);
    }
    check_valid(heap);
}

Test(heap_gc, a_run_with_one_live_slot_stays)
{
    void *blocks[128], *live = NULL;
    for (int number = 0; number < 128; number++) {
        blocks[number] = zend_mm_alloc(heap, 32);
    }
    live = blocks[77];
    for (int number = 0; number < 128; number++) {
        if (number != 77) {
            zend_mm_free(heap, blocks[number]);
        }
    }
    memset(live, 0x3c, 32);
    cr_assert_eq(zend_mm_gc(heap), 0u);
    check_valid(heap);
    cr_assert_eq(zend_mm_heap_size(heap), 32u);
    cr_assert_eq(((unsigned char *)live)[31], 0x3c);
    zend_mm_free(heap, live);
    cr_assert_eq(zend_mm_gc(heap), ZEND_MM_PAGE_SIZE);
    check_valid(heap);
}

/* Runs A and B of the same bin: A keeps one live slot, B is freed, in turn with A's slots. */
Test(heap_gc, the_order_of_the_free_slots_that_stay_is_kept)
{
    enum { PER_RUN = 128 };
    void *a[PER_RUN], *b[PER_RUN];
    for (int number = 0; number < PER_RUN; number++) {
        a[number] = zend_mm_alloc(heap, 32);
    }
    for (int number = 0; number < PER_RUN; number++) {
        b[number] = zend_mm_alloc(heap, 32);
    }
    for (int number = 1; number < PER_RUN; number++) {
        zend_mm_free(heap, a[number]);
        zend_mm_free(heap, b[number]);
    }
    zend_mm_free(heap, b[0]);
    cr_assert_eq(zend_mm_gc(heap), ZEND_MM_PAGE_SIZE);
    check_valid(heap);
    for (int number = PER_RUN - 1; number >= 1; number--) {
        cr_assert_eq(number_of(zend_mm_alloc(heap, 32)), number_of(a[number]));
    }
}

/* The two slots freed last are remembered against double frees; a gc takes them away. */
Test(heap_gc, slots_of_a_freed_run_can_be_taken_and_freed_again)
{
    void *a = zend_mm_alloc(heap, 100), *b = zend_mm_alloc(heap, 100);
    for (int round = 0; round < 2; round++) {
        zend_mm_free(heap, a);
        zend_mm_free(heap, b);
        cr_assert_eq(zend_mm_gc(heap), ZEND_MM_PAGE_SIZE);
        cr_assert_eq(number_of(zend_mm_alloc(heap, 100)), number_of(a));
        cr_assert_eq(number_of(zend_mm_alloc(heap, 100)), number_of(b));
    }
    zend_mm_free(heap, b);
    zend_mm_free(heap, a);
    check_valid(heap);
}

Test(heap_gc, neighbouring_free_runs_become_one)
{
    enum { COUNT = 64 * 20 };
    static void *blocks[COUNT];
    for (int number = 0; number < COUNT; number++) {
        blocks[number] = zend_mm_alloc(heap, 64);
    }
    for (int number = 0; number < COUNT; number++) {
        zend_mm_free(heap, blocks[number]);
    }
    cr_assert_eq(zend_mm_gc(heap), 20 * ZEND_MM_PAGE_SIZE);
    cr_assert_eq(zend_mm_run_longest(&heap->free_runs), ZEND_MM_USABLE_PAGE_COUNT);
    check_valid(heap);
}

Test(heap_gc, segments_that_became_free_are_given_back)
{
    enum { COUNT = 8000 };
    static void *blocks[COUNT];
    for (int number = 0; number < COUNT; number++) {
        blocks[number] = zend_mm_alloc(heap, 1024);
    }
    cr_assert_gt(heap->segment_count, 3u);
    for (int number = 0; number < COUNT; number++) {
        zend_mm_free(heap, blocks[number]);
    }
    cr_assert_gt(heap->segment_count, 3u);
    cr_assert_eq(zend_mm_gc(heap), COUNT / 8 * 2 * ZEND_MM_PAGE_SIZE);
    cr_assert_eq(heap->segment_count, 1u);
    cr_assert_eq(heap->real_size, 2 * MIB);
    cr_assert_eq(counted.live_size, 2 * MIB);
    check_valid(heap);
}

Test(heap_gc, remote_frees_are_taken_first)
{
    zend_mm_heap *other = new_heap();
    void *block = zend_mm_alloc(heap, 100);
    zend_mm_free(other, block);
    cr_assert_eq(zend_mm_gc(heap), ZEND_MM_PAGE_SIZE);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    check_valid(heap);
}

Test(heap_gc, neither_size_nor_contents_of_live_blocks_change)
{
    static const size_t sizes[] = { 8, 100, 500, 3072, 5000, 100000, 3 * MIB };
    enum { COUNT = 700 };
    static unsigned char *blocks[COUNT];
    for (int number = 0; number < COUNT; number++) {
        size_t size = sizes[number % 7];
        if (size < MIB || number < 14) {
            blocks[number] = zend_mm_alloc(heap, size);
            memset(blocks[number], number & 0xff, size);
        }
    }
    for (int number = 0; number < COUNT; number += 3) {
        if (blocks[number] != NULL) {
            zend_mm_free(heap, blocks[number]);
            blocks[number] = NULL;
        }
    }
    size_t size = zend_mm_heap_size(heap);
    (void)zend_mm_gc(heap);
    cr_assert_eq(zend_mm_heap_size(heap), size);
    check_valid(heap);
    for (int number = 0; number < COUNT; number++) {
        if (blocks[number] != NULL) {
            cr_assert_eq(blocks[number][0], number & 0xff);
            cr_assert_eq(blocks[number][sizes[number % 7] - 1], number & 0xff);
            zend_mm_free(heap, blocks[number]);
        }
    }
    (void)zend_mm_gc(heap);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_eq(heap->real_size, 2 * MIB);
}

Test(heap_gc, a_second_gc_finds_nothing)
{
    for (size_t size = 8; size < 4000; size += 8) {
        zend_mm_free(heap, zend_mm_alloc(heap, size));
    }
    cr_assert_gt(zend_mm_gc(heap), 0u);
    cr_assert_eq(zend_mm_gc(heap), 0u);
    check_valid(heap);
}

Test(heap_gc, the_list_of_free_slots_ends_before_the_run_that_became_pages)
{
    uint32_t bin = zend_mm_bin_of(1024), count = zend_mm_bin_infos[bin].slot_count;
    void *blocks[64];
    cr_assert_leq(2 * count, 64u);
    for (uint32_t slot = 0; slot < 2 * count; slot++) {
        blocks[slot] = zend_mm_alloc(heap, 1024);
    }
    /* All slots of the second run, then one of the first: it is in front of them on the list. */
    for (uint32_t slot = count; slot < 2 * count; slot++) {
        zend_mm_free(heap, blocks[slot]);
    }
    zend_mm_free(heap, blocks[0]);
    cr_assert_eq(zend_mm_gc(heap), zend_mm_bin_infos[bin].page_count * ZEND_MM_PAGE_SIZE);
    check_valid(heap);
    cr_assert_eq(zend_mm_alloc(heap, 1024), blocks[0]);
    cr_assert_null(heap->free_buckets[bin].first);
}
