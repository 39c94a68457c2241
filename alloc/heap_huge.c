/* heap_huge: huge blocks of a heap: taking, resizing and caching their mappings under the limit.
 * Owns        the mappings of live and cached huge blocks.
 * Thread      the heap's owner.
 * Invariants  I1  a live huge block is in the table, and its first 2 MiB are in the segment map
 *             I2  a cached mapping is in neither
 *             I3  real_size counts the mappings of both
 * Failure     NULL or false with heap->failure set; the heap is as before.
 * Tests       tests/unit/heap_huge.c, tests/fault/heap_fault.c
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "alloc/heap.h"
#include "alloc/os.h"
#include "alloc/panic.h"

size_t zend_mm_heap_huge_round(size_t size)
{
    size_t page_mask = zend_mm_os_page_size() - 1;
    return size > SIZE_MAX - page_mask ? 0 : (size + page_mask) & ~page_mask;
}

static void set_owner(const zend_mm_heap *heap, const void *block)
{
    zend_mm_set_owner(block, (uint16_t)(heap->index | ZEND_MM_OWNER_HUGE));
}

static void add_real_size(zend_mm_heap *heap, size_t size)
{
    heap->real_size += size;
    if (heap->real_size > heap->real_peak) {
        heap->real_peak = heap->real_size;
    }
}

static void give_mapping(zend_mm_heap *heap, void *address, size_t mapped_size)
{
    heap->real_size -= mapped_size;
    zend_mm_heap_storage_free(heap, address, mapped_size);
}

bool zend_mm_heap_huge_drop_cache(zend_mm_heap *heap)
{
    zend_mm_huge evicted;
    bool dropped = false;
    while (zend_mm_huge_cache_evict(&heap->huge, &evicted)) {
        give_mapping(heap, evicted.address, evicted.mapped_size);
        dropped = true;
    }
    return dropped;
}

/* ---- allocation ---- */

/* Room for one more block in the table, whose memory is a page run of the heap. */
static bool prepare_table(zend_mm_heap *heap)
{
    if (!zend_mm_huge_is_full(&heap->huge)) {
        return true;
    }
    size_t size = zend_mm_huge_next_table_size(&heap->huge);
    size_t count = (size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE;
    if (count > ZEND_MM_USABLE_PAGE_COUNT) {
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return false;
    }
    void *memory = zend_mm_heap_alloc_pages(heap, (uint32_t)count);
    if (memory == NULL) {
        return false;
    }
    size_t old_size;
    void *old = zend_mm_huge_rehash(&heap->huge, memory, size, &old_size);
    if (old != NULL) {
        size_t old_count = (old_size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE;
        zend_mm_heap_free_pages(heap, old, (uint32_t)old_count);
    }
    return true;
}

/* A mapping from the storage; real_size counts it. */
static void *obtain_mapping(zend_mm_heap *heap, size_t size)
{
    bool is_within_limit = zend_mm_heap_is_within_limit(heap, size);
    void *block = NULL;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (is_within_limit) {
            block = zend_mm_heap_storage_alloc(heap, size);
        }
        if (block != NULL || !zend_mm_heap_reclaim(heap)) {
            break;
        }
        is_within_limit = zend_mm_heap_is_within_limit(heap, size);
    }
    if (block == NULL) {
        heap->failure = is_within_limit ? ZEND_MM_FAILURE_STORAGE : ZEND_MM_FAILURE_LIMIT;
        return NULL;
    }
    if (!zend_mm_is_mappable(block, size)) {
        fprintf(stderr, "zend_mm storage [%s] gave a block at %p, expected one aligned to %zu\n",
            heap->storage->handlers->name, block, ZEND_MM_SEGMENT_SIZE);
        zend_mm_heap_storage_free(heap, block, size);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return NULL;
    }
    add_real_size(heap, size);
    return block;
}

void *zend_mm_heap_huge_alloc(zend_mm_heap *heap, size_t size)
{
    size_t block_size = zend_mm_heap_huge_round(size);
    if (block_size == 0) {
        heap->failure = ZEND_MM_FAILURE_SIZE;
        return NULL;
    }
    if (!prepare_table(heap)) {
        return NULL;
    }
    zend_mm_huge mapping;
    if (!zend_mm_huge_cache_take(&heap->huge, block_size, &mapping)) {
        mapping.mapped_size = block_size;
        mapping.address = obtain_mapping(heap, block_size);
        if (mapping.address == NULL) {
            return NULL;
        }
    }
    zend_mm_huge_insert(&heap->huge, mapping.address, block_size, mapping.mapped_size);
    set_owner(heap, mapping.address);
    zend_mm_heap_grown(heap);
    return mapping.address;
}

/* ---- free ---- */

void zend_mm_heap_huge_free(zend_mm_heap *heap, void *block)
{
    zend_mm_huge *huge = zend_mm_huge_find(&heap->huge, block);
    size_t mapped_size = huge->mapped_size;
    zend_mm_huge_remove(&heap->huge, huge);
    zend_mm_set_owner(block, ZEND_MM_OWNER_NONE);
    while (!zend_mm_huge_cache_give(&heap->huge, block, mapped_size)) {
        zend_mm_huge evicted;
        if (mapped_size > ZEND_MM_HUGE_CACHE_SIZE
                || !zend_mm_huge_cache_evict(&heap->huge, &evicted)) {
            give_mapping(heap, block, mapped_size);
            return;
        }
        give_mapping(heap, evicted.address, evicted.mapped_size);
    }
}

void zend_mm_heap_huge_free_all(zend_mm_heap *heap)
{
    zend_mm_huge_table *table = &heap->huge;
    (void)zend_mm_heap_huge_drop_cache(heap);
    for (size_t place = 0; table->count > 0 && place < table->capacity; place++) {
        if (table->places[place].address != NULL) {
            zend_mm_set_owner(table->places[place].address, ZEND_MM_OWNER_NONE);
            give_mapping(heap, table->places[place].address, table->places[place].mapped_size);
        }
    }
    *table = (zend_mm_huge_table){ 0 };
}

/* ---- resizing ---- */

/* The storage moved a block to an address that cannot be a block's: copy it to one that can. The
 * old address is gone, so there is nothing to go back to. */
static void *realigned(zend_mm_heap *heap, void *misaligned, size_t size)
{
    void *block = zend_mm_heap_storage_alloc(heap, size);
    if (block == NULL || !zend_mm_is_mappable(block, size)) {
        zend_mm_panic("the storage moved a huge block to an address that is not 2 MiB-aligned",
            misaligned, ZEND_MM_NO_BIN);
    }
    memcpy(block, misaligned, size);
    zend_mm_heap_storage_free(heap, misaligned, size);
    return block;
}

/* The block moved with its pages: the table follows. */
static void relocate(zend_mm_heap *heap, zend_mm_huge *huge, void *address, size_t size)
{
    zend_mm_huge_remove(&heap->huge, huge);
    zend_mm_huge_insert(&heap->huge, address, size, size);
}

/* Resize the mapping by remapping pages; the block may move. */
static bool resize_mapping(zend_mm_heap *heap, zend_mm_huge *huge, size_t size, void **block)
{
    size_t old_size = huge->mapped_size;
    /* As soon as the storage has moved the pages, the old address may be another thread's. */
    zend_mm_set_owner(huge->address, ZEND_MM_OWNER_NONE);
    void *moved = zend_mm_heap_storage_realloc(heap, huge->address, old_size, size);
    if (moved == NULL) {
        set_owner(heap, huge->address);
        return false;
    }
    if (!zend_mm_is_mappable(moved, size)) {
        moved = realigned(heap, moved, size);
    }
    set_owner(heap, moved);
    heap->real_size -= old_size;
    add_real_size(heap, size);
    if (moved == huge->address) {
        zend_mm_huge_resize(&heap->huge, huge, size, size);
    } else {
        relocate(heap, huge, moved, size);
    }
    *block = moved;
    return true;
}

static bool has_room_for(zend_mm_heap *heap, size_t size)
{
    if (zend_mm_heap_is_within_limit(heap, size)) {
        return true;
    }
    (void)zend_mm_heap_reclaim(heap);
    return zend_mm_heap_is_within_limit(heap, size);
}

bool zend_mm_heap_huge_resize(zend_mm_heap *heap, zend_mm_huge *huge, size_t size, void **block)
{
    size_t block_size = zend_mm_heap_huge_round(size);
    if (block_size == 0) {
        heap->failure = ZEND_MM_FAILURE_SIZE;
        return false;
    }
    *block = huge->address;
    if (block_size > huge->mapped_size) {
        if (!has_room_for(heap, block_size - huge->mapped_size)) {
            heap->failure = ZEND_MM_FAILURE_LIMIT;
            return false;
        }
        if (!resize_mapping(heap, huge, block_size, block)) {
            return false;
        }
    } else if (huge->mapped_size - block_size <= block_size / 8
            || !resize_mapping(heap, huge, block_size, block)) {
        /* A tail that is small, or that the storage cannot take, stays with the block. */
        zend_mm_huge_resize(&heap->huge, huge, block_size, huge->mapped_size);
    }
    zend_mm_heap_grown(heap);
    return true;
}
