/* block_table: what is known of each live block, in a hash table beside the heap.
 * Owns        the records and their backtraces.
 * Thread      the heap's owner.
 * Invariants  I1  at most three quarters of the places are used
 *             I2  no free place lies between a record and the place its address hashes to
 * Failure     insert: NULL, the table is as before.
 * Tests       tests/unit/block_table.c
 */
#include "config.h"

#include "alloc/block_table.h"

#define FIRST_CAPACITY ((size_t)256)

static size_t home_of(const zend_mm_block_table *table, const void *block)
{
    uint64_t hash = (uint64_t)((uintptr_t)block >> 3) * UINT64_C(0x9E3779B97F4A7C15);
    return (size_t)(hash >> 20) & (table->capacity - 1);
}

/* Where `block` is, or where it would go. */
static zend_mm_block_record *place_of(const zend_mm_block_table *table, const void *block)
{
    size_t place = home_of(table, block);
    while (table->records[place].block != NULL && table->records[place].block != block) {
        place = (place + 1) & (table->capacity - 1);
    }
    return &table->records[place];
}

static bool grow(zend_mm_block_table *table)
{
    zend_mm_block_table larger = { .capacity = table->capacity == 0 ? FIRST_CAPACITY
                                                                    : table->capacity * 2 };
    larger.records = calloc(larger.capacity, sizeof *larger.records);
    if (larger.records == NULL) {
        return false;
    }
    for (size_t place = 0; place < table->capacity; place++) {
        if (table->records[place].block != NULL) {
            *place_of(&larger, table->records[place].block) = table->records[place];
        }
    }
    larger.count = table->count;
    free(table->records);
    *table = larger;
    return true;
}

zend_mm_block_record *zend_mm_block_table_insert(zend_mm_block_table *table, void *block)
{
    if ((table->count + 1) * 4 > table->capacity * 3 && !grow(table)) {
        return NULL;
    }
    zend_mm_block_record *record = place_of(table, block);
    if (record->block == NULL) {
        table->count++;
    } else {
        free(record->trace);
    }
    *record = (zend_mm_block_record){ .block = block };
    return record;
}

zend_mm_block_record *zend_mm_block_table_find(const zend_mm_block_table *table, const void *block)
{
    if (table->count == 0 || block == NULL) {
        return NULL;
    }
    zend_mm_block_record *record = place_of(table, block);
    return record->block != NULL ? record : NULL;
}

void zend_mm_block_table_remove(zend_mm_block_table *table, zend_mm_block_record *record)
{
    free(record->trace);
    size_t mask = table->capacity - 1;
    size_t hole = (size_t)(record - table->records);
    for (size_t place = (hole + 1) & mask; table->records[place].block != NULL;
            place = (place + 1) & mask) {
        /* A record may move into the hole unless its home lies behind the hole. */
        size_t home = home_of(table, table->records[place].block);
        if (((place - home) & mask) >= ((place - hole) & mask)) {
            table->records[hole] = table->records[place];
            hole = place;
        }
    }
    table->records[hole] = (zend_mm_block_record){ 0 };
    table->count--;
}

void zend_mm_block_table_clear(zend_mm_block_table *table)
{
    for (size_t place = 0; place < table->capacity; place++) {
        free(table->records[place].trace);
    }
    free(table->records);
    *table = (zend_mm_block_table){ 0 };
}
