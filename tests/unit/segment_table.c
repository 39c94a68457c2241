/* The table of segments: numbers, the growth of its memory, and buckets against a plain model; and the
 * sets of pages that it is made of. */
#include "config.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "alloc/segment_map.h"
#include "alloc/segment_table.h"

static zend_mm_segment_table table;
static uint64_t random_state = 1;

static uint32_t next_random(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(random_state >> 33) % below;
}

static void begin(void)
{
    zend_mm_segment_table_init(&table);
    zend_mm_segment_table_clear(&table);
}

static void end(void)
{
    zend_mm_segment_table_free(&table);
}

TestSuite(segment_table, .init = begin, .fini = end, .timeout = 60);

static uint32_t take(uint32_t count)
{
    uint32_t first = UINT32_MAX;
    cr_assert(zend_mm_segment_table_take(&table, count, &first));
    return first;
}

Test(segment_table, numbers_are_dense)
{
    for (uint32_t number = 0; number < 300; number++) {
        cr_assert_eq(take(1), number);
    }
}

Test(segment_table, a_unit_has_its_numbers_in_a_row)
{
    cr_assert_eq(take(4), 0u);
    cr_assert_eq(take(4), 4u);
    zend_mm_segment_table_give(&table, 4, 0);
    cr_assert_eq(take(4), 0u);
    cr_assert_eq(take(4), 8u);
}

Test(segment_table, numbers_given_back_are_taken_first)
{
    for (uint32_t number = 0; number < 10; number++) {
        cr_assert_eq(take(1), number);
    }
    zend_mm_segment_table_give(&table, 1, 3);
    zend_mm_segment_table_give(&table, 1, 7);
    cr_assert_null(table.infos[3].segment);
    cr_assert_eq(take(1), 7u);
    cr_assert_eq(take(1), 3u);
    cr_assert_eq(take(1), 10u);
}

Test(segment_table, infos_and_buckets_survive_each_growth)
{
    for (uint32_t number = 0; number < 5000; number++) {
        cr_assert_eq(take(1), number);
        table.infos[number].free_page_count = number;
        zend_mm_bucket_set(&table, number % ZEND_MM_RUN_CLASS_COUNT, number);
    }
    for (uint32_t number = 0; number < 5000; number++) {
        cr_assert_eq(table.infos[number].free_page_count, number);
        uint32_t class = number % ZEND_MM_RUN_CLASS_COUNT;
        cr_assert_eq(zend_mm_bucket_lowest(&table, class), number);
        zend_mm_bucket_clear(&table, class, number, 1);
    }
    cr_assert_eq(table.large_free_bitmap, 0u);
}

Test(segment_table, no_more_numbers_than_the_map_can_name_are_given)
{
    table.end = ZEND_MM_SEGMENT_NUMBER_MAX;
    uint32_t first;
    cr_assert_not(zend_mm_segment_table_take(&table, 1, &first));
    table.end = 0;
}

Test(segment_table, a_table_that_was_copied_uses_its_own_memory)
{
    cr_assert_eq(take(1), 0u);
    zend_mm_bucket_set(&table, 5, 0);
    static zend_mm_segment_table copy;
    memcpy(&copy, &table, sizeof copy);
    zend_mm_segment_table_moved(&copy);
    memset(&table, 0xa5, sizeof table);
    cr_assert_eq(zend_mm_bucket_lowest(&copy, 5), 0u);
    zend_mm_bucket_clear(&copy, 5, 0, 1);
    cr_assert_eq(copy.large_free_bitmap, 0u);
    memcpy(&table, &copy, sizeof copy);
    zend_mm_segment_table_moved(&table);
}

Test(segment_table, clearing_forgets_segments_and_buckets)
{
    for (uint32_t number = 0; number < 100; number++) {
        zend_mm_bucket_set(&table, 7, take(1));
    }
    zend_mm_segment_table_clear(&table);
    cr_assert_eq(table.large_free_bitmap, 0u);
    cr_assert_eq(take(1), 0u);
    zend_mm_bucket_set(&table, 7, 0);
    zend_mm_bucket_clear(&table, 7, 0, 1);
    cr_assert_eq(table.large_free_bitmap, 0u);
}

static void check_against_model(uint32_t segments)
{
    static bool model[5000];
    memset(model, 0, sizeof model);
    begin();
    for (uint32_t number = 0; number < segments; number++) {
        cr_assert_eq(take(1), number);
    }
    for (int step = 0; step < 20000; step++) {
        uint32_t number = next_random(segments);
        if (model[number]) {
            zend_mm_bucket_clear(&table, 9, number, 0);
            cr_assert_leq(zend_mm_bucket_lowest(&table, 9), number);
            zend_mm_bucket_clear(&table, 9, number, 1);
        } else {
            zend_mm_bucket_set(&table, 9, number);
        }
        model[number] = !model[number];
        uint32_t lowest = 0;
        while (lowest < segments && !model[lowest]) {
            lowest++;
        }
        bool has_any = (table.large_free_bitmap >> 9 & 1) != 0;
        cr_assert_eq(has_any, lowest < segments);
        if (has_any) {
            cr_assert_eq(zend_mm_bucket_lowest(&table, 9), lowest);
        }
    }
    end();
    table = (zend_mm_segment_table){ 0 };
    begin();
}

Test(segment_table, the_lowest_segment_of_a_bucket_is_that_of_a_model)
{
    check_against_model(1);
    check_against_model(8);
    check_against_model(65);
    check_against_model(5000);
}

Test(segment_table, classes_follow_each_other)
{
    uint32_t last = 0;
    for (uint32_t length = 1; length < ZEND_MM_PAGE_COUNT; length++) {
        uint32_t class = zend_mm_run_class_of(length);
        cr_assert(class == last || class == last + 1);
        cr_assert_lt(class, (uint32_t)ZEND_MM_RUN_CLASS_COUNT);
        cr_assert(length > ZEND_MM_SHORT_RUN_MAX || class == length - 1);
        last = class;
    }
    cr_assert_eq(last, ZEND_MM_RUN_CLASS_COUNT - 1u);
}

/* ---- sets of pages ---- */

static uint32_t length_in(const bool *pages, uint32_t page)
{
    uint32_t length = 0;
    while (page + length < ZEND_MM_PAGE_COUNT && pages[page + length]) {
        length++;
    }
    return length;
}

static void check_bits(const zend_mm_page_bits *bits, const bool *pages)
{
    uint32_t before = 0, next = ZEND_MM_PAGE_COUNT;
    for (uint32_t page = 1; page <= ZEND_MM_PAGE_COUNT; page++) {
        cr_assert_eq(zend_mm_pages_set_before(bits, page), before);
        cr_assert_eq(zend_mm_pages_set_from(bits, page), length_in(pages, page));
        before = page < ZEND_MM_PAGE_COUNT && pages[page] ? before + 1 : 0;
    }
    for (uint32_t page = ZEND_MM_PAGE_COUNT; page-- > 1;) {
        cr_assert_eq(zend_mm_page_is_set(bits, page), pages[page]);
        next = pages[page] ? page : next;
        cr_assert_eq(zend_mm_pages_next(bits, page), next);
    }
}

/* Every other run is one of those that zend_mm_pages_find() must not name. */
static void check_find(const zend_mm_page_bits *bits, const bool *pages)
{
    zend_mm_page_bits but = { { 0 } };
    uint32_t first[64] = { 0 };
    int count = 0;
    for (uint32_t page = 1; page < ZEND_MM_PAGE_COUNT;) {
        uint32_t length = length_in(pages, page);
        if (length > 0 && count++ % 2 == 1) {
            zend_mm_page_flip(&but, page);
        } else if (length > 0 && length < 64 && first[length] == 0) {
            first[length] = page;
        }
        page += length + 1;
    }
    for (uint32_t length = 1; length < 64; length++) {
        cr_assert_eq(zend_mm_pages_find(bits, &but, length), first[length], "length %u", length);
    }
}

Test(segment_table, sets_of_pages_are_those_of_a_model)
{
    for (int round = 0; round < 300; round++) {
        zend_mm_page_bits bits = { { 0 } };
        bool pages[ZEND_MM_PAGE_COUNT] = { false };
        uint32_t longest = 1 + next_random(1 + (uint32_t)round / 2);
        for (uint32_t page = 1 + next_random(longest); page < ZEND_MM_PAGE_COUNT;) {
            uint32_t length = 1 + next_random(longest);
            if (page + length > ZEND_MM_PAGE_COUNT) {
                length = ZEND_MM_PAGE_COUNT - page;
            }
            zend_mm_page_bits_flip(&bits, page, length);
            memset(&pages[page], 1, length);
            page += length + 1 + next_random(longest);
        }
        check_bits(&bits, pages);
        check_find(&bits, pages);
    }
}
