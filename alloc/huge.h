/* huge: blocks with a mapping of their own, found by their address in O(1).
 * The segment map says that an address is the start of a heap's huge block; this table, of the
 * owner, says how long it is. A huge block marks only its first 2 MiB in the map.
 *
 *   |<----------------- mapped_size: addresses ---------------->|
 *   |<------------ touched_size: what is counted ------>|       |
 *   |<------ size: the block ------>|                   |       |
 */
#ifndef TSRMALLOC_HUGE_H
#define TSRMALLOC_HUGE_H

#include "alloc/zend_alloc.h"

#define ZEND_MM_HUGE_CACHE_COUNT 16
#define ZEND_MM_HUGE_CACHE_SIZE ((size_t)64 * 1024 * 1024)

typedef struct zend_mm_huge {
    void *address;          /* NULL: free place */
    size_t size;            /* bytes of the block, whole OS pages; of a cached mapping nothing */
    size_t touched_size;    /* bytes that may have been touched since they were mapped */
    size_t mapped_size;     /* bytes of its mapping */
} zend_mm_huge;

/* Owner only. */
typedef struct zend_mm_huge_table {
    zend_mm_huge *places;               /* open addressing, linear probing */
    size_t capacity;                    /* places; 0 or a power of two */
    size_t count;                       /* live huge blocks */
    size_t size;                        /* bytes of them */
    size_t touched_size;                /* touched bytes of their mappings */
    size_t cached_size;                 /* touched bytes of the mappings below */
    uint32_t cached_count;
    zend_mm_huge cached[ZEND_MM_HUGE_CACHE_COUNT];  /* freed mappings, oldest first */
} zend_mm_huge_table;

/* true when one more block needs a larger table: give it memory with zend_mm_huge_rehash(). */
bool zend_mm_huge_is_full(const zend_mm_huge_table *table);
/* Bytes of the next larger table. */
size_t zend_mm_huge_next_table_size(const zend_mm_huge_table *table);
/* Move the table into `memory` of that many bytes. Returns the old memory, its size in *old_size
 * (NULL and 0 for the first table). */
void *zend_mm_huge_rehash(zend_mm_huge_table *table, void *memory, size_t size, size_t *old_size);

/* Add a block; there is room for it. */
void zend_mm_huge_insert(zend_mm_huge_table *table, const zend_mm_huge *huge);
/* The block that starts at `address`; NULL when there is none. */
zend_mm_huge *zend_mm_huge_find(const zend_mm_huge_table *table, const void *address);
void zend_mm_huge_remove(zend_mm_huge_table *table, zend_mm_huge *huge);
/* Change the sizes of a block that stays where it is. */
void zend_mm_huge_resize(zend_mm_huge_table *table, zend_mm_huge *huge, const zend_mm_huge *now);

/* How well a cached mapping must fit. */
typedef enum zend_mm_huge_fit {
    ZEND_MM_HUGE_CLOSE,     /* no more than an eighth of the request is touched in vain */
    ZEND_MM_HUGE_LOOSE,     /* another is taken when none fits closely: its end can be discarded */
} zend_mm_huge_fit;

/* A cached mapping with room for `size` bytes, the newest that fits closely, in *found. */
bool zend_mm_huge_cache_take(zend_mm_huge_table *table, size_t size, zend_mm_huge_fit fit,
    zend_mm_huge *found);
/* The one freed last, whatever its size; false when there is none. */
bool zend_mm_huge_cache_take_newest(zend_mm_huge_table *table, zend_mm_huge *found);
/* Keep a freed mapping. false: the oldest must be taken out with zend_mm_huge_cache_evict() before,
 * or the mapping is larger than the cache. */
bool zend_mm_huge_cache_give(zend_mm_huge_table *table, const zend_mm_huge *mapping);
/* The oldest cached mapping, in *evicted; false when there is none. */
bool zend_mm_huge_cache_evict(zend_mm_huge_table *table, zend_mm_huge *evicted);
/* `size` bytes of touched memory more than this are waste for a request of `wanted` bytes. */
bool zend_mm_huge_is_close(size_t size, size_t wanted);

#endif
