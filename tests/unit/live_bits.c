/* One bit per 8 bytes of the segments that have live slots: addresses need not be readable. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/live_bits.h"
#include "tests/unit/alloc_support.h"

static zend_mm_live_bits live;

static void end(void)
{
    zend_mm_live_bits_free(&live);
}

TestSuite(live_bits, .fini = end, .timeout = 60);

static const void *slot_at(size_t offset)
{
    return (const void *)((uintptr_t)64 * ZEND_MM_SEGMENT_SIZE + offset);
}

Test(live_bits, nothing_is_live_at_first)
{
    cr_assert_not(zend_mm_live_bits_is_set(&live, 0, slot_at(4096)));
    cr_assert_not(zend_mm_live_bits_clear(&live, 0, slot_at(4096)));
    cr_assert_eq(live.capacity, 0u);
}

Test(live_bits, a_bit_is_one_slot_and_not_its_neighbours)
{
    for (size_t offset = 4096; offset < ZEND_MM_SEGMENT_SIZE; offset += 4096 + 8) {
        cr_assert(zend_mm_live_bits_set(&live, 0, slot_at(offset)));
        cr_assert(zend_mm_live_bits_is_set(&live, 0, slot_at(offset)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, 0, slot_at(offset - 8)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, 1, slot_at(offset)));
        cr_assert_not(zend_mm_live_bits_clear(&live, 0, slot_at(offset - 8)));
        cr_assert(zend_mm_live_bits_clear(&live, 0, slot_at(offset)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, 0, slot_at(offset)));
        cr_assert_not(zend_mm_live_bits_clear(&live, 0, slot_at(offset)));
    }
}

Test(live_bits, bits_of_many_segments_survive_the_growth_of_the_table)
{
    for (uint32_t number = 0; number < 100; number++) {
        cr_assert(zend_mm_live_bits_set(&live, number * 3, slot_at(4096 + number * 8)));
    }
    for (uint32_t number = 0; number < 300; number++) {
        bool expected = number % 3 == 0;
        cr_assert_eq(
            zend_mm_live_bits_is_set(&live, number, slot_at(4096 + number / 3 * 8)), expected);
    }
}

Test(live_bits, after_a_reset_nothing_is_live_and_all_can_be_set_again)
{
    static const uint32_t numbers[] = { 0, 5, 90 };     /* kept, and not kept */
    for (size_t index = 0; index < 3; index++) {
        cr_assert(zend_mm_live_bits_set(&live, numbers[index], slot_at(8192)));
    }
    zend_mm_live_bits_reset(&live);
    for (size_t index = 0; index < 3; index++) {
        cr_assert_not(zend_mm_live_bits_is_set(&live, numbers[index], slot_at(8192)));
        cr_assert(zend_mm_live_bits_set(&live, numbers[index], slot_at(8200)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, numbers[index], slot_at(8192)));
    }
    cr_assert_not_null(live.segments[0]);
}

Test(live_bits, a_number_beyond_all_others_grows_the_table_at_once)
{
    cr_assert(zend_mm_live_bits_set(&live, ZEND_MM_SEGMENT_NUMBER_MAX, slot_at(4096)));
    cr_assert_eq(live.capacity, (size_t)ZEND_MM_SEGMENT_NUMBER_MAX + 1);
    cr_assert_not(zend_mm_live_bits_is_set(&live, 0, slot_at(4096)));
}
