/* segment_table: the numbers of a heap's segments and the memory of their infos.
 * Owns        that memory: in the table itself for the first segments, a mapping for more, which
 *             stays until the heap ends.
 * Thread      the heap's owner.
 * Invariants  I1  a number below `end` is in use, or its unit's first number is on the unused list
 *             I2  bit n of bucket c is set iff classes[c].count of segment n is not 0; the bit of a
 *                 word in the summary, and bit c of large_free_bitmap, are set iff what they sum up is
 * Failure     take: false when the system has no memory, or the heap 65,535 segments (128 GiB); nothing
 *             has changed.
 * Tests       tests/unit/segment_table.c, tests/stress/heap_model.c
 */
#include "config.h"

#include "alloc/segment_table.h"

#include <string.h>

#include "alloc/os.h"
#include "alloc/segment_map.h"

#define FIRST_MAPPED_CAPACITY 64u
#define NONE UINT32_MAX

static size_t rows_size(uint32_t row_words)
{
    return sizeof(uint64_t) * ZEND_MM_RUN_CLASS_COUNT * row_words;
}

static uint32_t words_for(uint32_t count)
{
    return (count + 63) / 64;
}

void zend_mm_segment_table_moved(zend_mm_segment_table *table)
{
    if (table->mapped_size == 0) {
        table->large_free_buckets = table->inline_buckets;
        table->infos = table->inline_infos;
    }
}

void zend_mm_segment_table_init(zend_mm_segment_table *table)
{
    table->capacity = ZEND_MM_INLINE_SEGMENT_COUNT;
    table->row_words = 1;
    table->first_unused = NONE;
    zend_mm_segment_table_moved(table);
}

void zend_mm_segment_table_clear(zend_mm_segment_table *table)
{
    table->large_free_bitmap = 0;
    memset(table->large_free_buckets, 0, rows_size(table->row_words));
    if (table->summaries != NULL) {
        memset(table->summaries, 0, rows_size(table->summary_words));
    }
    table->end = 0;
    table->first_unused = NONE;
}

void zend_mm_segment_table_free(zend_mm_segment_table *table)
{
    if (table->mapped_size != 0) {
        zend_mm_os_unmap(table->infos, table->mapped_size);
    }
}

/* Copy the buckets to wider rows of zeroed memory, and sum them up. */
static void copy_rows(const zend_mm_segment_table *from, zend_mm_segment_table *to)
{
    for (uint32_t class = 0; class < ZEND_MM_RUN_CLASS_COUNT; class++) {
        for (uint32_t word = 0; word < from->row_words; word++) {
            uint64_t bits = from->large_free_buckets[class * from->row_words + word];
            to->large_free_buckets[class * to->row_words + word] = bits;
            to->summaries[class * to->summary_words + word / 64] |=
                (uint64_t)(bits != 0) << word % 64;
        }
    }
}

/* Infos first: they are aligned as the mapping is. */
static bool grow(zend_mm_segment_table *table, uint32_t needed)
{
    zend_mm_segment_table old = *table;
    uint32_t capacity = FIRST_MAPPED_CAPACITY;
    while (capacity < needed) {
        capacity *= 2;
    }
    uint32_t row_words = words_for(capacity);
    uint32_t summary_words = words_for(row_words);
    size_t infos_size = sizeof table->infos[0] * capacity;
    size_t size = infos_size + rows_size(row_words) + rows_size(summary_words);
    char *memory = zend_mm_os_map_pages(size);
    if (memory == NULL) {
        return false;
    }
    memcpy(memory, table->infos, sizeof table->infos[0] * table->end);
    table->infos = (zend_mm_segment_info *)(void *)memory;
    table->large_free_buckets = (uint64_t *)(void *)(memory + infos_size);
    table->summaries = table->large_free_buckets + ZEND_MM_RUN_CLASS_COUNT * row_words;
    table->row_words = row_words;
    table->summary_words = summary_words;
    table->capacity = capacity;
    table->mapped_size = size;
    copy_rows(&old, table);
    zend_mm_segment_table_free(&old);
    return true;
}

bool zend_mm_segment_table_take(zend_mm_segment_table *table, uint32_t count, uint32_t *first)
{
    if (table->first_unused != NONE) {
        *first = table->first_unused;
        table->first_unused = table->infos[*first].next_unused;
        return true;
    }
    if (count > ZEND_MM_SEGMENT_NUMBER_MAX - table->end
            || (count > table->capacity - table->end && !grow(table, table->end + count))) {
        return false;
    }
    *first = table->end;
    table->end += count;
    return true;
}

void zend_mm_segment_table_give(zend_mm_segment_table *table, uint32_t count, uint32_t first)
{
    for (uint32_t number = first; number < first + count; number++) {
        table->infos[number].segment = NULL;
    }
    table->infos[first].next_unused = table->first_unused;
    table->first_unused = first;
}
