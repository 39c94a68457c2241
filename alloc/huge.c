/* huge: the table of a heap's huge blocks and its cache of freed mappings.
 * Owns        the table's places (memory given by the heap) and the cached mappings.
 * Thread      the heap's owner.
 * Invariants  I1  a block is reached from its hash by probing over live places only
 *             I2  count, size and touched_size are the sums over live places
 *             I3  cached_size is what was touched of the cached mappings, at most
 *                 ZEND_MM_HUGE_CACHE_SIZE
 *             I4  of each mapping: size <= touched_size <= mapped_size
 * Failure     none here: the heap provides memory before it is needed.
 * Tests       tests/unit/huge.c
 */
#include "config.h"

#include "alloc/huge.h"

#include <string.h>

#include "alloc/segment_map.h"

#define FIRST_CAPACITY 128u     /* places: 4 KiB, one page */

static size_t place_of(const zend_mm_huge_table *table, const void *address)
{
    uint64_t number = (uintptr_t)address >> ZEND_MM_SEGMENT_SHIFT;
    /* Fibonacci hashing: neighbours in memory are spread over the table. */
    return (size_t)(number * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (table->capacity - 1);
}

static size_t place_after(const zend_mm_huge_table *table, size_t place)
{
    return (place + 1) & (table->capacity - 1);
}

bool zend_mm_huge_is_full(const zend_mm_huge_table *table)
{
    return (table->count + 1) * 4 > table->capacity * 3;
}

static size_t next_capacity(const zend_mm_huge_table *table)
{
    return table->capacity == 0 ? FIRST_CAPACITY : table->capacity * 2;
}

size_t zend_mm_huge_next_table_size(const zend_mm_huge_table *table)
{
    return next_capacity(table) * sizeof table->places[0];
}

static void put(zend_mm_huge_table *table, const zend_mm_huge *huge)
{
    size_t place = place_of(table, huge->address);
    while (table->places[place].address != NULL) {
        place = place_after(table, place);
    }
    table->places[place] = *huge;
}

void *zend_mm_huge_rehash(zend_mm_huge_table *table, void *memory, size_t size, size_t *old_size)
{
    zend_mm_huge *old_places = table->places;
    size_t old_capacity = table->capacity;
    table->capacity = next_capacity(table);
    table->places = memory;
    memset(memory, 0, size);
    for (size_t place = 0; place < old_capacity; place++) {
        if (old_places[place].address != NULL) {
            put(table, &old_places[place]);
        }
    }
    *old_size = old_capacity * sizeof old_places[0];
    return old_places;
}

void zend_mm_huge_insert(zend_mm_huge_table *table, const zend_mm_huge *huge)
{
    put(table, huge);
    table->count++;
    table->size += huge->size;
    table->touched_size += huge->touched_size;
}

zend_mm_huge *zend_mm_huge_find(const zend_mm_huge_table *table, const void *address)
{
    if (table->count == 0) {
        return NULL;
    }
    size_t place = place_of(table, address);
    while (table->places[place].address != address) {
        if (table->places[place].address == NULL) {
            return NULL;
        }
        place = place_after(table, place);
    }
    return &table->places[place];
}

/* Close the gap: move back each block behind it that may stand there. */
void zend_mm_huge_remove(zend_mm_huge_table *table, zend_mm_huge *huge)
{
    table->count--;
    table->size -= huge->size;
    table->touched_size -= huge->touched_size;
    size_t mask = table->capacity - 1;
    size_t gap = (size_t)(huge - table->places);
    for (size_t place = place_after(table, gap); table->places[place].address != NULL;
            place = place_after(table, place)) {
        size_t home = place_of(table, table->places[place].address);
        if (((place - home) & mask) >= ((place - gap) & mask)) {
            table->places[gap] = table->places[place];
            gap = place;
        }
    }
    table->places[gap].address = NULL;
}

void zend_mm_huge_resize(zend_mm_huge_table *table, zend_mm_huge *huge, const zend_mm_huge *now)
{
    table->size += now->size - huge->size;
    table->touched_size += now->touched_size - huge->touched_size;
    *huge = *now;
}

/* ---- the cache ---- */

bool zend_mm_huge_is_close(size_t size, size_t wanted)
{
    return size <= wanted || size - wanted <= wanted / 8;
}

static void cache_remove_at(zend_mm_huge_table *table, uint32_t index)
{
    table->cached_size -= table->cached[index].touched_size;
    uint32_t behind = --table->cached_count - index;
    memmove(&table->cached[index], &table->cached[index + 1], behind * sizeof table->cached[0]);
}

/* A mapping of more than twice the addresses is left to larger requests. */
bool zend_mm_huge_cache_take(zend_mm_huge_table *table, size_t size, zend_mm_huge_fit fit,
    zend_mm_huge *found)
{
    uint32_t loose = table->cached_count;
    for (uint32_t index = table->cached_count; index-- > 0;) {
        const zend_mm_huge *mapping = &table->cached[index];
        if (mapping->mapped_size < size || mapping->mapped_size / 2 > size) {
            continue;
        }
        if (zend_mm_huge_is_close(mapping->touched_size, size)) {
            *found = *mapping;
            cache_remove_at(table, index);
            return true;
        }
        if (fit == ZEND_MM_HUGE_LOOSE && loose == table->cached_count) {
            loose = index;
        }
    }
    if (loose == table->cached_count) {
        return false;
    }
    *found = table->cached[loose];
    cache_remove_at(table, loose);
    return true;
}

bool zend_mm_huge_cache_take_newest(zend_mm_huge_table *table, zend_mm_huge *found)
{
    if (table->cached_count == 0) {
        return false;
    }
    *found = table->cached[table->cached_count - 1];
    cache_remove_at(table, table->cached_count - 1);
    return true;
}

bool zend_mm_huge_cache_give(zend_mm_huge_table *table, const zend_mm_huge *mapping)
{
    if (table->cached_count == ZEND_MM_HUGE_CACHE_COUNT
            || mapping->touched_size > ZEND_MM_HUGE_CACHE_SIZE - table->cached_size) {
        return false;
    }
    table->cached[table->cached_count++] = *mapping;
    table->cached_size += mapping->touched_size;
    return true;
}

bool zend_mm_huge_cache_evict(zend_mm_huge_table *table, zend_mm_huge *evicted)
{
    if (table->cached_count == 0) {
        return false;
    }
    *evicted = table->cached[0];
    cache_remove_at(table, 0);
    return true;
}
