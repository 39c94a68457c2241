/* The segment map: whose an address is, without reading it. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/segment_map.h"

TestSuite(segment_map, .timeout = 60);

#define SEGMENT ((uintptr_t)ZEND_MM_SEGMENT_SIZE)
/* The first address without an entry. */
#define TOP ((uintptr_t)1 << (ZEND_MM_ADDRESS_BITS - 1) << 1)

static uint16_t owner_at(uintptr_t address)
{
    return zend_mm_owner_of((const void *)address);
}

Test(segment_map, no_address_has_an_owner_at_first)
{
    int local = 0;
    cr_assert_eq(owner_at(0), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(0x10), ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_owner_of(&local), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(TOP - 1), ZEND_MM_OWNER_NONE);
}

Test(segment_map, addresses_beyond_the_address_space_have_no_owner)
{
    zend_mm_set_owner((const void *)(TOP - SEGMENT), 5);
    cr_assert_eq(owner_at(TOP - 1), 5);
    cr_assert_eq(owner_at(TOP), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(TOP | (uintptr_t)0x10), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(UINTPTR_MAX), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(UINTPTR_MAX - SEGMENT), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at((uintptr_t)UINT64_C(0x8000000000000000)), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at((uintptr_t)UINT64_C(0xdeadbeefdeadbeef)), ZEND_MM_OWNER_NONE);
}

Test(segment_map, an_owner_holds_all_of_its_2_mib_and_nothing_else)
{
    uintptr_t start = 7 * SEGMENT;
    zend_mm_set_owner((const void *)start, 42);
    cr_assert_eq(owner_at(start), 42);
    cr_assert_eq(owner_at(start + 1), 42);
    cr_assert_eq(owner_at(start + SEGMENT - 1), 42);
    cr_assert_eq(owner_at(start - 1), ZEND_MM_OWNER_NONE);
    cr_assert_eq(owner_at(start + SEGMENT), ZEND_MM_OWNER_NONE);
}

Test(segment_map, an_owner_can_be_taken_back)
{
    const void *start = (const void *)(3 * SEGMENT);
    zend_mm_set_owner(start, 1);
    zend_mm_set_owner(start, ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_owner_of(start), ZEND_MM_OWNER_NONE);
}

Test(segment_map, the_huge_bit_does_not_change_the_heap_index)
{
    cr_assert_eq(zend_mm_owner_index(42), 42);
    cr_assert_eq(zend_mm_owner_index(42 | ZEND_MM_OWNER_HUGE), 42);
    cr_assert_eq(ZEND_MM_HEAP_INDEX_MAX & ZEND_MM_OWNER_HUGE, 0);
    cr_assert_gt(ZEND_MM_HEAP_INDEX_CONSTANT, ZEND_MM_HEAP_INDEX_MAX);
    cr_assert_eq(ZEND_MM_HEAP_INDEX_CONSTANT & ZEND_MM_OWNER_HUGE, 0);
}

static bool is_mappable(uintptr_t start, size_t size)
{
    return zend_mm_is_mappable((const void *)start, size);
}

Test(segment_map, only_whole_aligned_blocks_below_the_top_can_have_entries)
{
    cr_assert(is_mappable(SEGMENT, SEGMENT));
    cr_assert(is_mappable(SEGMENT, 1));
    cr_assert(is_mappable(TOP - SEGMENT, SEGMENT));
    cr_assert_not(is_mappable(SEGMENT + 4096, SEGMENT));
    cr_assert_not(is_mappable(SEGMENT + 1, SEGMENT));
    cr_assert_not(is_mappable(TOP - SEGMENT, SEGMENT + 1));
    cr_assert_not(is_mappable(TOP, SEGMENT));
    cr_assert_not(is_mappable(UINTPTR_MAX - SEGMENT + 1, SEGMENT));
    cr_assert_not(is_mappable(SEGMENT, SIZE_MAX));
}
