/* The table beside the heap: what is known of live blocks. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/block_table.h"
#include "stress/random.h"

#define COUNT 4000

TestSuite(block_table, .timeout = 60);

static char memory[COUNT * 8];

Test(block_table, an_empty_table_knows_nothing)
{
    zend_mm_block_table table = { 0 };
    cr_assert_null(zend_mm_block_table_find(&table, memory));
    cr_assert_null(zend_mm_block_table_find(&table, NULL));
    zend_mm_block_table_clear(&table);
}

Test(block_table, a_record_is_found_until_it_is_removed)
{
    zend_mm_block_table table = { 0 };
    zend_mm_block_table_insert(&table, memory)->size = 7;
    zend_mm_block_record *record = zend_mm_block_table_find(&table, memory);
    cr_assert(record != NULL && record->size == 7 && record->block == memory);
    cr_assert_null(zend_mm_block_table_find(&table, memory + 8));
    zend_mm_block_table_remove(&table, record);
    cr_assert_null(zend_mm_block_table_find(&table, memory));
    cr_assert_eq(table.count, 0u);
    zend_mm_block_table_clear(&table);
}

Test(block_table, a_block_that_is_inserted_again_has_a_fresh_record)
{
    zend_mm_block_table table = { 0 };
    zend_mm_block_record *record = zend_mm_block_table_insert(&table, memory);
    record->size = 7;
    record->trace = malloc(sizeof *record->trace);
    record = zend_mm_block_table_insert(&table, memory);
    cr_assert(record->size == 0 && record->trace == NULL);
    cr_assert_eq(table.count, 1u);
    zend_mm_block_table_clear(&table);
}

Test(block_table, random_inserts_and_removals_agree_with_a_plain_array)
{
    static bool is_in[COUNT];
    zend_mm_block_table table = { 0 };
    uint64_t seed = 1;
    size_t count = 0;
    for (int step = 0; step < 100000; step++) {
        size_t index = stress_below(&seed, COUNT);
        zend_mm_block_record *record = zend_mm_block_table_find(&table, memory + index * 8);
        cr_assert_eq(record != NULL, is_in[index]);
        if (record != NULL) {
            cr_assert_eq(record->size, index);
            zend_mm_block_table_remove(&table, record);
            count--;
        } else {
            zend_mm_block_table_insert(&table, memory + index * 8)->size = index;
            count++;
        }
        is_in[index] = !is_in[index];
        cr_assert_eq(table.count, count);
    }
    for (size_t index = 0; index < COUNT; index++) {
        cr_assert_eq(zend_mm_block_table_find(&table, memory + index * 8) != NULL, is_in[index]);
    }
    zend_mm_block_table_clear(&table);
    cr_assert_eq(table.capacity, 0u);
}
