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

static const void *slot_at(size_t segment, size_t offset)
{
    return (const void *)((uintptr_t)64 * ZEND_MM_SEGMENT_SIZE + segment * ZEND_MM_SEGMENT_SIZE + offset);
}

Test(live_bits, nothing_is_live_at_first)
{
    cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(0, 4096)));
}

Test(live_bits, a_bit_is_one_slot_and_not_its_neighbours)
{
    for (size_t offset = 4096; offset < ZEND_MM_SEGMENT_SIZE; offset += 4096 + 8) {
        cr_assert(zend_mm_live_bits_set(&live, slot_at(0, offset)));
        cr_assert(zend_mm_live_bits_is_set(&live, slot_at(0, offset)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(0, offset - 8)));
        cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(1, offset)));
        zend_mm_live_bits_clear(&live, slot_at(0, offset));
        cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(0, offset)));
    }
}

Test(live_bits, bits_of_many_segments_survive_the_growth_of_the_table)
{
    for (size_t segment = 0; segment < 100; segment++) {
        cr_assert(zend_mm_live_bits_set(&live, slot_at(segment * 3, 4096 + segment * 8)));
    }
    for (size_t segment = 0; segment < 300; segment++) {
        bool expected = segment % 3 == 0;
        cr_assert_eq(zend_mm_live_bits_is_set(&live, slot_at(segment, 4096 + segment / 3 * 8)), expected);
    }
}

Test(live_bits, after_a_clearing_nothing_is_live_and_all_can_be_set_again)
{
    cr_assert(zend_mm_live_bits_set(&live, slot_at(5, 8192)));
    zend_mm_live_bits_free(&live);
    cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(5, 8192)));
    cr_assert(zend_mm_live_bits_set(&live, slot_at(5, 8200)));
    cr_assert_not(zend_mm_live_bits_is_set(&live, slot_at(5, 8192)));
}
