/* The bins: their table, the size look-up, the slot test, the encoded links. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/bin.h"

TestSuite(bin, .timeout = 60);

static const size_t slot_sizes[] = {
    8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512,
    640, 768, 896, 1024, 1280, 1536, 1792, 2048, 2560, 3072,
};

Test(bin, there_are_the_30_sizes_of_zend_mm)
{
    cr_assert_eq(sizeof slot_sizes / sizeof slot_sizes[0], ZEND_MM_BIN_COUNT);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        cr_assert_eq(zend_mm_bin_infos[bin].slot_size, slot_sizes[bin], "bin %u", bin);
    }
}

Test(bin, a_run_holds_as_many_slots_as_fit_into_its_pages)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
        cr_assert_eq(info->slot_count, info->page_count * ZEND_MM_PAGE_SIZE / info->slot_size,
            "bin %u", bin);
    }
}

Test(bin, a_run_wastes_less_than_a_tenth_of_a_page_per_page)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
        size_t bytes = info->page_count * ZEND_MM_PAGE_SIZE;
        size_t used = (size_t)info->slot_count * info->slot_size;
        cr_assert_leq((bytes - used) * 10, bytes, "bin %u", bin);
        cr_assert_leq(info->page_count, 7u, "the page's number in its run has three bits");
    }
}

Test(bin, every_size_gets_the_first_bin_whose_slots_hold_it)
{
    uint32_t expected = 0;
    for (size_t size = 0; size <= ZEND_MM_MAX_SMALL_SIZE; size++) {
        while (slot_sizes[expected] < size) {
            expected++;
        }
        cr_assert_eq(zend_mm_bin_of(size), expected, "size %zu", size);
    }
    cr_assert_eq(expected, ZEND_MM_BIN_COUNT - 1);
}

Test(bin, a_multiple_of_16_gets_slots_whose_size_is_a_multiple_of_16)
{
    for (size_t size = 16; size <= ZEND_MM_MAX_SMALL_SIZE; size += 16) {
        cr_assert_eq(slot_sizes[zend_mm_bin_of(size)] % 16, 0u, "size %zu", size);
    }
}

Test(bin, every_slot_size_is_a_multiple_of_8)
{
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        cr_assert_eq(slot_sizes[bin] % ZEND_MM_ALIGNMENT, 0u);
    }
}

/* ---- the slot test ---- */

/* The address `offset` bytes into a run that starts on a page. */
static const void *address_at(uint32_t offset)
{
    return (const void *)(uintptr_t)(UINT64_C(0x7f0000000000) + offset);
}

static uint32_t mark_at(uint32_t bin, uint32_t offset)
{
    return bin << ZEND_MM_MARK_BIN_SHIFT | (offset & ZEND_MM_MARK_OFFSET_MASK);
}

Test(bin, of_every_offset_of_every_run_exactly_the_slot_starts_are_accepted)
{
    zend_mm_bucket buckets[ZEND_MM_BUCKET_COUNT];
    zend_mm_buckets_init(buckets);
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        const zend_mm_bin_info *info = &zend_mm_bin_infos[bin];
        uint32_t end = (uint32_t)(info->page_count * ZEND_MM_PAGE_SIZE);
        for (uint32_t offset = 0; offset < end; offset++) {
            bool is_start = offset % info->slot_size == 0
                && offset / info->slot_size < info->slot_count;
            cr_assert_eq(zend_mm_is_slot_start(&buckets[bin], mark_at(bin, offset),
                address_at(offset)), is_start, "bin %u, offset %u", bin, offset);
        }
    }
}

Test(bin, a_page_that_belongs_to_no_bin_has_no_slot)
{
    zend_mm_bucket buckets[ZEND_MM_BUCKET_COUNT];
    zend_mm_buckets_init(buckets);
    for (uint32_t kind = ZEND_MM_BIN_COUNT; kind < ZEND_MM_BUCKET_COUNT; kind++) {
        for (uint32_t offset = 0; offset < 8 * ZEND_MM_PAGE_SIZE; offset++) {
            cr_assert_not(zend_mm_is_slot_start(&buckets[kind], mark_at(kind, offset),
                address_at(offset)));
        }
    }
}

Test(bin, fresh_buckets_are_empty)
{
    zend_mm_bucket buckets[ZEND_MM_BUCKET_COUNT];
    memset(buckets, 0xff, sizeof buckets);
    zend_mm_buckets_init(buckets);
    for (uint32_t kind = 0; kind < ZEND_MM_BUCKET_COUNT; kind++) {
        cr_assert_null(buckets[kind].first);
        cr_assert_null(buckets[kind].second);
        cr_assert_eq(buckets[kind].used_count, 0u);
    }
}

/* ---- links ---- */

#define KEY ((uintptr_t)UINT64_C(0x1f83d9abfb41bd6b))

Test(bin, a_link_opens_to_what_it_was_made_from)
{
    const uintptr_t addresses[] = { 0, 0x10, 0x7fffffffe000, 0x555555554008, 0x200000 };
    for (size_t index = 0; index < sizeof addresses / sizeof addresses[0]; index++) {
        zend_mm_slot slot = { zend_mm_link_encode((zend_mm_slot *)addresses[index], KEY) };
        uintptr_t opened = zend_mm_link_open(&slot, KEY);
        cr_assert_eq(opened & ZEND_MM_LINK_INVALID, 0u);
        cr_assert_eq((uintptr_t)zend_mm_link_next(opened), addresses[index]);
    }
}

Test(bin, a_link_does_not_show_the_address)
{
    uintptr_t address = 0x7f1234567890;
    uintptr_t link = zend_mm_link_encode((zend_mm_slot *)address, KEY);
    cr_assert_neq(link, address);
    cr_assert_neq(zend_mm_link_rotate(address, ZEND_MM_LINK_ROTATION), link);
}

/* What a valid address never has: bits above the address space, and the low three. */
Test(bin, each_flipped_bit_that_no_address_has_is_noticed)
{
    unsigned int noticed = 0;
    for (unsigned int bit = 0; bit < sizeof(uintptr_t) * 8; bit++) {
        zend_mm_slot slot = { zend_mm_link_encode((zend_mm_slot *)0x7f1234567890, KEY) };
        slot.link ^= zend_mm_link_rotate((uintptr_t)1 << bit, ZEND_MM_LINK_ROTATION);
        bool is_impossible = bit < 3 || bit >= ZEND_MM_ADDRESS_BITS;
        cr_assert_eq((zend_mm_link_open(&slot, KEY) & ZEND_MM_LINK_INVALID) != 0, is_impossible,
            "bit %u", bit);
        noticed += is_impossible;
    }
    cr_assert_eq(noticed, sizeof(uintptr_t) * 8 - ZEND_MM_ADDRESS_BITS + 3);
}

/* The first bytes of a slot are what an overflow from the slot before hits first. */
Test(bin, the_first_byte_of_a_link_holds_bits_that_are_checked)
{
    for (unsigned int value = 1; value < 256; value++) {
        zend_mm_slot slot = { zend_mm_link_encode((zend_mm_slot *)0x7f1234567890, KEY) };
        *(unsigned char *)&slot ^= (unsigned char)value;
        cr_assert_neq(zend_mm_link_open(&slot, KEY) & ZEND_MM_LINK_INVALID, 0u);
    }
}
