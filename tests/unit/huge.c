/* The table of huge blocks against a plain model, and the cache of freed mappings. */
#include "config.h"

#include <criterion/criterion.h>

#include "tests/unit/alloc_support.h"

static zend_mm_huge_table table;

TestSuite(huge, .timeout = 60);

/* Addresses need not be mapped: the table never reads them. */
static void *block_at(size_t number)
{
    return (void *)((number + 1) * ZEND_MM_SEGMENT_SIZE);
}

static void make_room(void)
{
    while (zend_mm_huge_is_full(&table)) {
        size_t old_size, size = zend_mm_huge_next_table_size(&table);
        size_t capacity = table.capacity;
        const void *places = table.places;
        void *memory = malloc(size);
        cr_assert_not_null(memory);
        memset(memory, 0xa5, size);
        void *old = zend_mm_huge_rehash(&table, memory, size, &old_size);
        cr_assert_eq(old, places);
        cr_assert_eq(old_size, capacity * sizeof table.places[0]);
        free(old);
    }
}

static void insert(size_t number, size_t size, size_t touched_size)
{
    zend_mm_huge huge = { block_at(number), size, touched_size, 2 * touched_size };
    make_room();
    zend_mm_huge_insert(&table, &huge);
}

Test(huge, an_empty_table_finds_nothing_and_is_full)
{
    cr_assert_null(zend_mm_huge_find(&table, block_at(0)));
    cr_assert(zend_mm_huge_is_full(&table));
}

Test(huge, a_block_is_found_by_its_start_and_by_no_other_address)
{
    insert(5, 3 * MIB, 4 * MIB);
    zend_mm_huge *huge = zend_mm_huge_find(&table, block_at(5));
    cr_assert_not_null(huge);
    cr_assert_eq(huge->size, 3 * MIB);
    cr_assert_eq(huge->touched_size, 4 * MIB);
    cr_assert_eq(huge->mapped_size, 8 * MIB);
    cr_assert_null(zend_mm_huge_find(&table, (char *)block_at(5) + 1));
    cr_assert_null(zend_mm_huge_find(&table, (char *)block_at(5) + 4096));
    cr_assert_null(zend_mm_huge_find(&table, block_at(6)));
    free(table.places);
}

Test(huge, a_removed_block_is_not_found)
{
    insert(5, 3 * MIB, 3 * MIB);
    insert(6, 5 * MIB, 5 * MIB);
    zend_mm_huge_remove(&table, zend_mm_huge_find(&table, block_at(5)));
    cr_assert_null(zend_mm_huge_find(&table, block_at(5)));
    cr_assert_not_null(zend_mm_huge_find(&table, block_at(6)));
    cr_assert_eq(table.count, 1u);
    cr_assert_eq(table.size, 5 * MIB);
    free(table.places);
}

Test(huge, a_resized_block_keeps_its_place_and_the_sums_follow)
{
    insert(5, 3 * MIB, 3 * MIB);
    insert(6, 1 * MIB, 2 * MIB);
    zend_mm_huge *huge = zend_mm_huge_find(&table, block_at(5));
    zend_mm_huge now = { huge->address, 2 * MIB, 4 * MIB, 4 * MIB };
    zend_mm_huge_resize(&table, huge, &now);
    cr_assert_eq(zend_mm_huge_find(&table, block_at(5)), huge);
    cr_assert_eq(huge->size, 2 * MIB);
    cr_assert_eq(table.size, 3 * MIB);
    cr_assert_eq(huge->mapped_size, 4 * MIB);
    cr_assert_eq(table.touched_size, 6 * MIB);
    free(table.places);
}

Test(huge, a_quarter_of_the_places_stays_empty)
{
    for (size_t number = 0; number < 1000; number++) {
        insert(number, 1, 1);
        cr_assert_leq(table.count * 4, table.capacity * 3);
        cr_assert_eq(table.capacity & (table.capacity - 1), 0u);
    }
    free(table.places);
}

/* ---- against a model ---- */

#define MODEL_COUNT 3000

static size_t model[MODEL_COUNT];   /* size of block number n; 0 = not there */

static uint32_t next_random(void)
{
    static uint64_t state = 20260726;
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(state >> 33);
}

static void compare_with_model(void)
{
    size_t count = 0, size = 0;
    for (size_t number = 0; number < MODEL_COUNT; number++) {
        const zend_mm_huge *huge = zend_mm_huge_find(&table, block_at(number));
        cr_assert_eq(huge != NULL, model[number] != 0, "block %zu", number);
        if (huge != NULL) {
            cr_assert_eq(huge->address, block_at(number));
            cr_assert_eq(huge->size, model[number]);
            count++;
            size += huge->size;
        }
    }
    cr_assert_eq(table.count, count);
    cr_assert_eq(table.size, size);
    cr_assert_eq(table.touched_size, 2 * size);
}

Test(huge, thousands_of_inserts_and_removes_agree_with_a_plain_model)
{
    for (int operation = 0; operation < 60000; operation++) {
        size_t number = next_random() % MODEL_COUNT;
        if (model[number] == 0) {
            model[number] = 1 + next_random() % 1000;
            insert(number, model[number], 2 * model[number]);
        } else {
            zend_mm_huge_remove(&table, zend_mm_huge_find(&table, block_at(number)));
            model[number] = 0;
        }
        if (operation % 6000 == 0) {
            compare_with_model();
        }
    }
    compare_with_model();
    free(table.places);
}

/* ---- the cache ---- */

/* A mapping, all of it touched. */
static bool give(size_t number, size_t mapped_size)
{
    zend_mm_huge mapping = { block_at(number), 0, mapped_size, mapped_size };
    return zend_mm_huge_cache_give(&table, &mapping);
}

static bool take(size_t size, zend_mm_huge *found)
{
    return zend_mm_huge_cache_take(&table, size, ZEND_MM_HUGE_CLOSE, found);
}

Test(huge, a_cached_mapping_is_taken_for_a_size_it_fits_closely)
{
    zend_mm_huge found = { 0 };
    cr_assert(give(1, 9 * MIB));
    cr_assert_not(take(9 * MIB + 4096, &found));
    cr_assert_not(take(8 * MIB - 4096, &found));
    cr_assert(take(8 * MIB, &found));
    cr_assert_eq(found.address, block_at(1));
    cr_assert_eq(found.mapped_size, 9 * MIB);
    cr_assert_not(take(8 * MIB, &found));
    cr_assert_eq(table.cached_size, 0u);
}

Test(huge, a_mapping_that_was_touched_less_fits_closely_while_its_addresses_suffice)
{
    zend_mm_huge found, mapping = { block_at(1), 0, 1 * MIB, 4 * MIB };
    cr_assert(zend_mm_huge_cache_give(&table, &mapping));
    cr_assert_eq(table.cached_size, 1 * MIB, "what was not touched is not counted");
    cr_assert_not(take(4 * MIB + 4096, &found));
    cr_assert(take(4 * MIB, &found));
    cr_assert_eq(found.touched_size, 1 * MIB);
    cr_assert_eq(table.cached_size, 0u);
}

Test(huge, a_loose_fit_is_taken_only_where_it_is_asked_for_and_none_is_close)
{
    zend_mm_huge found;
    cr_assert(give(1, 4 * MIB));
    cr_assert_not(take(3 * MIB, &found));
    cr_assert(zend_mm_huge_cache_take(&table, 3 * MIB, ZEND_MM_HUGE_LOOSE, &found));
    cr_assert_eq(found.address, block_at(1));
    cr_assert(give(1, 3 * MIB));
    cr_assert(give(2, 4 * MIB));
    cr_assert(zend_mm_huge_cache_take(&table, 3 * MIB, ZEND_MM_HUGE_LOOSE, &found));
    cr_assert_eq(found.address, block_at(1), "the close one, though it is older");
    cr_assert_eq(table.cached_size, 4 * MIB);
}

Test(huge, a_mapping_of_more_than_twice_the_addresses_is_left_to_larger_requests)
{
    zend_mm_huge found;
    cr_assert(give(1, 8 * MIB));
    cr_assert_not(zend_mm_huge_cache_take(&table, 4 * MIB - 4096, ZEND_MM_HUGE_LOOSE, &found));
    cr_assert(zend_mm_huge_cache_take(&table, 4 * MIB, ZEND_MM_HUGE_LOOSE, &found));
}

Test(huge, of_several_cached_mappings_the_newest_is_taken)
{
    zend_mm_huge found;
    cr_assert(give(1, 4 * MIB));
    cr_assert(give(2, 4 * MIB));
    cr_assert(give(3, 8 * MIB));
    cr_assert(take(4 * MIB, &found));
    cr_assert_eq(found.address, block_at(2));
    cr_assert_eq(table.cached_count, 2u);
    cr_assert_eq(table.cached_size, 12 * MIB);
}

Test(huge, the_cache_holds_16_mappings)
{
    for (size_t number = 0; number < ZEND_MM_HUGE_CACHE_COUNT; number++) {
        cr_assert(give(number, 2 * MIB));
    }
    cr_assert_not(give(99, 2 * MIB));
    cr_assert_eq(table.cached_count, (uint32_t)ZEND_MM_HUGE_CACHE_COUNT);
}

Test(huge, the_cache_holds_64_mib)
{
    cr_assert(give(1, ZEND_MM_HUGE_CACHE_SIZE - 2 * MIB));
    cr_assert_not(give(2, 2 * MIB + 4096));
    cr_assert(give(3, 2 * MIB));
    cr_assert_not(give(4, 4096));
    cr_assert_eq(table.cached_size, ZEND_MM_HUGE_CACHE_SIZE);
}

Test(huge, a_mapping_larger_than_the_cache_is_refused)
{
    cr_assert_not(give(1, ZEND_MM_HUGE_CACHE_SIZE + 4096));
    cr_assert_eq(table.cached_count, 0u);
}

Test(huge, the_oldest_mapping_is_evicted_first)
{
    zend_mm_huge evicted;
    cr_assert(give(1, 2 * MIB));
    cr_assert(give(2, 4 * MIB));
    cr_assert(zend_mm_huge_cache_evict(&table, &evicted));
    cr_assert_eq(evicted.address, block_at(1));
    cr_assert_eq(evicted.mapped_size, 2 * MIB);
    cr_assert(zend_mm_huge_cache_evict(&table, &evicted));
    cr_assert_eq(evicted.address, block_at(2));
    cr_assert_not(zend_mm_huge_cache_evict(&table, &evicted));
    cr_assert_eq(table.cached_size, 0u);
}
