/* Redzones and the quarantine of freed blocks, which heaps have where memcheck or AddressSanitizer is
 * told of them. What the tools say is in tests/shadow/; here the mode is forced, so that its accounts
 * are checked in every build. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/debug.h"
#include "alloc/globals.h"
#include "alloc/quarantine.h"
#include "tests/unit/alloc_support.h"

static zend_mm_heap *heap;

static void begin(void)
{
    static const zend_mm_debug_settings settings = { .poison_alloc = ZEND_MM_NO_POISON,
        .poison_free = ZEND_MM_NO_POISON, .uses_shadow = true };
    heap = new_counted_heap(ZEND_MM_SEGMENT_SIZE, ZEND_MM_DEFAULT_RESERVE_SIZE, 0);
    cr_assert_not_null(heap);
    make_plain(heap);
    cr_assert(zend_mm_debug_start(heap, &settings));
    zend_mm_update_entrance(heap);
}

static void end(void)
{
    zend_mm_shutdown(heap, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
}

TestSuite(shadow, .init = begin, .fini = end, .timeout = 60);

Test(shadow, a_block_has_redzones_and_its_size_to_the_byte)
{
    char *block = zend_mm_alloc(heap, 13);
    cr_assert_eq(zend_mm_block_size(heap, block), 13u);
    cr_assert(is_aligned_to(block, 16));
    cr_assert_eq(zend_mm_heap_size(heap), 48u);     /* 16 + 13 + 16 bytes are in that bin */
    memset(block, 1, 13);
    block = zend_mm_realloc(heap, block, 1000);
    cr_assert(block[12] == 1);
    zend_mm_free(heap, block);
    check_valid(heap);
}

Test(shadow, a_freed_block_rests_and_is_not_counted)
{
    void *block = zend_mm_alloc(heap, 100);
    zend_mm_free(heap, block);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    for (int count = 0; count < 1000; count++) {
        void *other = zend_mm_alloc(heap, 100);
        cr_assert_neq(other, block);
        zend_mm_free(heap, other);
    }
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    cr_assert_eq(heap->debug->quarantine->count, 1001u);
    check_valid(heap);
}

Test(shadow, the_quarantine_is_bounded_in_blocks_and_bytes)
{
    const zend_mm_quarantine *quarantine = heap->debug->quarantine;
    for (unsigned int count = 0; count < 3 * ZEND_MM_QUARANTINE_COUNT; count++) {
        zend_mm_free(heap, zend_mm_alloc(heap, 8));
        cr_assert_leq(quarantine->count, ZEND_MM_QUARANTINE_COUNT);
    }
    cr_assert_eq(quarantine->count, ZEND_MM_QUARANTINE_COUNT);
    for (int count = 0; count < 40; count++) {
        zend_mm_free(heap, zend_mm_alloc(heap, MIB));
        cr_assert_leq(quarantine->size, ZEND_MM_QUARANTINE_SIZE);
        cr_assert_eq(quarantine->size, heap->quarantined_size);
    }
    zend_mm_free(heap, zend_mm_alloc(heap, 10 * MIB));
    cr_assert_leq(quarantine->size, ZEND_MM_QUARANTINE_SIZE);
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
    check_valid(heap);
}

Test(shadow, the_quarantine_gives_way_to_the_limit)
{
    heap->limit = heap->real_size;
    for (int count = 0; count < 100; count++) {
        void *block = zend_mm_try_alloc(heap, MIB);
        cr_assert_not_null(block);
        zend_mm_free(heap, block);
    }
    check_valid(heap);
}

Test(shadow, a_gc_and_a_trim_free_what_rests)
{
    for (int count = 0; count < 1000; count++) {
        zend_mm_free(heap, zend_mm_alloc(heap, 3000));
    }
    cr_assert_gt(zend_mm_gc(heap), 0u);
    cr_assert_eq(heap->debug->quarantine->count, 0u);
    zend_mm_free(heap, zend_mm_alloc(heap, 3 * MIB));
    (void)zend_mm_trim(heap, 0);
    cr_assert_eq(heap->debug->quarantine->count, 0u);
    cr_assert_eq(heap->real_size, ZEND_MM_SEGMENT_SIZE);
    check_valid(heap);
}

Test(shadow, a_request_end_forgets_what_rests)
{
    for (int request = 0; request < 3; request++) {
        for (size_t size = 1; size < 4 * MIB; size *= 3) {
            memset(zend_mm_alloc(heap, size), 1, size);
            zend_mm_free(heap, zend_mm_alloc(heap, size));
        }
        zend_mm_shutdown(heap, 0, 1);
        cr_assert_eq(heap->quarantined_size, 0u);
        cr_assert_eq(zend_mm_heap_size(heap), 0u);
        cr_assert_eq(heap->real_size, ZEND_MM_SEGMENT_SIZE);
    }
}

Test(shadow, aligned_blocks_and_more_huge_ones_than_a_table_holds_have_redzones)
{
    void *blocks[80];
    for (int index = 0; index < 80; index++) {
        blocks[index] = zend_mm_alloc(heap, 2 * MIB + 1);
    }
    for (size_t alignment = 16; alignment <= ZEND_MM_PAGE_SIZE; alignment *= 2) {
        void *block = zend_mm_alloc_aligned(heap, alignment, 100);
        cr_assert(is_aligned_to(block, alignment));
        memset(block, 1, 100);
        zend_mm_free(heap, block);
    }
    check_valid(heap);
    for (int index = 0; index < 80; index++) {
        zend_mm_free(heap, blocks[index]);
    }
    check_valid(heap);
}

Test(shadow_off, with_the_variable_at_0_no_tool_is_told, .timeout = 60)
{
    setenv("ZEND_MM_REDZONES", "0", 1);
    begin_memory_manager();
    cr_assert_not_null(emalloc(unknown(100)));
    cr_assert_not(zend_mm_get_heap()->hides_memory);
    cr_assert_eq(zend_mm_get_heap()->debug != NULL, ZEND_DEBUG);
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(zend_mm_get_heap()));
}
