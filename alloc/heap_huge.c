/* heap_huge: huge blocks of a heap: taking, resizing and caching their mappings under the limit.
 * Owns        the mappings of live and cached huge blocks.
 * Thread      the heap's owner.
 * Invariants  I1  a live huge block is in the table, and its first 2 MiB are in the segment map
 *             I2  a cached mapping is in neither
 *             I3  real_size counts what was touched of the mappings of both
 *             I4  real_size is above real_peak at no moment, and rises to it with an empty cache only:
 *                 what is cached raises no peak
 * Failure     NULL or false with heap->failure set; the heap is as before.
 * Tests       tests/unit/heap_huge.c, tests/fault/heap_fault.c
 */
#include "config.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alloc/heap.h"
#include "alloc/os.h"
#include "alloc/os_shadow.h"
#include "alloc/panic.h"
#include "alloc/process_limit.h"

/* A block in a mapping that was used before leaves so much of it resident in vain: with thousands of
 * blocks an eighth each would add up. */
#define WASTE_FRACTION 128

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

/* Of an elastic mapping only what was touched is counted, and its end can be discarded. Behind huge
 * pages more is touched than the block. */
static bool is_elastic(const zend_mm_heap *heap)
{
    return heap->maps_lazily && !heap->wants_huge_pages;
}

/* Whole segments of addresses: any freed mapping of about the size serves again, and the system's
 * next one is aligned. */
static size_t mapped_size_for(const zend_mm_heap *heap, size_t size)
{
    size_t mask = is_elastic(heap) ? ZEND_MM_SEGMENT_SIZE - 1 : 0;
    return size > SIZE_MAX - mask ? size : (size + mask) & ~mask;
}

static void give_mapping(zend_mm_heap *heap, const zend_mm_huge *mapping)
{
    heap->real_size -= mapping->touched_size;
    if (heap->hides_memory) {
        zend_mm_os_shadow_show(mapping->address, mapping->mapped_size);
    }
    zend_mm_heap_storage_free(heap, mapping->address, mapping->mapped_size,
        mapping->touched_size);
}

/* The mapping's bytes from `size` on are gone. */
static void lower_touched_size(zend_mm_heap *heap, zend_mm_huge *mapping, size_t size)
{
    size_t less = mapping->touched_size - size;
    heap->real_size -= less;
    zend_mm_process_release(less);
    mapping->touched_size = size;
}

static void discard_tail(zend_mm_heap *heap, zend_mm_huge *mapping, size_t size)
{
    if (zend_mm_os_discard((char *)mapping->address + size, mapping->touched_size - size)) {
        lower_touched_size(heap, mapping, size);
    }
}

bool zend_mm_heap_huge_give_oldest(zend_mm_heap *heap)
{
    zend_mm_huge evicted;
    if (!zend_mm_huge_cache_evict(&heap->huge, &evicted)) {
        return false;
    }
    give_mapping(heap, &evicted);
    return true;
}

bool zend_mm_heap_huge_drop_cache(zend_mm_heap *heap)
{
    bool dropped = false;
    while (zend_mm_heap_huge_give_oldest(heap)) {
        dropped = true;
    }
    return dropped;
}

void zend_mm_heap_huge_trim_cache(zend_mm_heap *heap, size_t size)
{
    zend_mm_huge_table *table = &heap->huge;
    while (size > 0 && table->cached_count > 0) {
        zend_mm_huge *oldest = &table->cached[0];
        size_t before = oldest->touched_size;
        if (is_elastic(heap) && before > size) {
            discard_tail(heap, oldest, before - size);
            table->cached_size -= before - oldest->touched_size;
        }
        if (oldest->touched_size == before) {
            (void)zend_mm_heap_huge_give_oldest(heap);
        }
        size -= before < size ? before : size;
    }
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
    if (heap->hides_memory) {
        zend_mm_os_shadow_show(memory, size);
    }
    size_t old_size;
    void *old = zend_mm_huge_rehash(&heap->huge, memory, size, &old_size);
    if (old != NULL) {
        size_t old_count = (old_size + ZEND_MM_PAGE_SIZE - 1) / ZEND_MM_PAGE_SIZE;
        if (heap->hides_memory) {
            zend_mm_os_shadow_hide(old, old_size);
        }
        zend_mm_heap_free_pages(heap, old, (uint32_t)old_count);
    }
    return true;
}

/* A mapping from the storage; real_size counts `size` bytes of it. */
static bool obtain_mapping(zend_mm_heap *heap, size_t size, zend_mm_huge *mapping)
{
    zend_mm_heap_yield(heap, size);
    size_t mapped_size = mapped_size_for(heap, size);
    bool is_within_limit = zend_mm_heap_is_within_limit(heap, size);
    void *block = NULL;
    for (int attempt = 0; attempt < 2; attempt++) {
        if (is_within_limit) {
            block = zend_mm_heap_storage_alloc(heap, mapped_size, size);
        }
        if (block != NULL || !zend_mm_heap_reclaim(heap)) {
            break;
        }
        is_within_limit = zend_mm_heap_is_within_limit(heap, size);
    }
    if (block == NULL) {
        heap->failure = is_within_limit ? ZEND_MM_FAILURE_STORAGE : ZEND_MM_FAILURE_LIMIT;
        return false;
    }
    if (!zend_mm_is_mappable(block, mapped_size)) {
        fprintf(stderr, "zend_mm storage [%s] gave a block at %p, expected one aligned to %zu\n",
            heap->storage->handlers->name, block, ZEND_MM_SEGMENT_SIZE);
        zend_mm_heap_storage_free(heap, block, mapped_size, size);
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return false;
    }
    add_real_size(heap, size);
    *mapping = (zend_mm_huge){ block, size, size, mapped_size };
    return true;
}

static bool remap(zend_mm_heap *heap, zend_mm_huge *huge, size_t mapped_size);

/* No cached mapping fits, and a new one would cost the cache its oldest: the newest is made to fit.
 * Its pages are moved, which is cheaper than to make as many anew. */
static bool refit_mapping(zend_mm_heap *heap, size_t size, zend_mm_huge *mapping)
{
    if (!is_elastic(heap) || heap->real_size + size <= heap->real_peak
            || !zend_mm_huge_cache_take_newest(&heap->huge, mapping)) {
        return false;
    }
    if (heap->hides_memory) {       /* the next mapping of the addresses it may leave is another's */
        zend_mm_os_shadow_show(mapping->address, mapping->mapped_size);
    }
    size_t mapped_size = mapped_size_for(heap, size);
    int error = errno;      /* that it cannot be resized where it stands is no failure */
    bool fits = mapped_size == mapping->mapped_size || remap(heap, mapping, mapped_size);
    errno = error;
    zend_mm_set_owner(mapping->address, ZEND_MM_OWNER_NONE);
    if (!fits) {
        give_mapping(heap, mapping);
    } else if (mapping->touched_size > mapped_size) {
        lower_touched_size(heap, mapping, mapped_size);
    }
    return fits;
}

/* A cached mapping for `size` bytes, of which little more is touched. */
static bool reuse_mapping(zend_mm_heap *heap, size_t size, zend_mm_huge *mapping)
{
    zend_mm_huge_fit fit = is_elastic(heap) ? ZEND_MM_HUGE_LOOSE : ZEND_MM_HUGE_CLOSE;
    if (!zend_mm_huge_cache_take(&heap->huge, size, fit, mapping)
            && !refit_mapping(heap, size, mapping)) {
        return false;
    }
    mapping->size = size;
    if (mapping->touched_size < size) {
        size_t more = size - mapping->touched_size;
        zend_mm_heap_yield(heap, more);
        if (!zend_mm_heap_is_within_limit(heap, more)
                || !zend_mm_heap_storage_reserve(heap, more)) {
            give_mapping(heap, mapping);
            return false;
        }
        add_real_size(heap, more);
        mapping->touched_size = size;
    } else if (is_elastic(heap) && mapping->touched_size - size > size / WASTE_FRACTION) {
        discard_tail(heap, mapping, size);
    }
    return true;
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
    if (!reuse_mapping(heap, block_size, &mapping)
            && !obtain_mapping(heap, block_size, &mapping)) {
        return NULL;
    }
    zend_mm_huge_insert(&heap->huge, &mapping);
    set_owner(heap, mapping.address);
    zend_mm_heap_grown(heap);
    return mapping.address;
}

/* ---- free ---- */

void zend_mm_heap_huge_free(zend_mm_heap *heap, void *block)
{
    zend_mm_huge *huge = zend_mm_huge_find(&heap->huge, block);
    zend_mm_huge mapping = *huge;
    zend_mm_huge_remove(&heap->huge, huge);
    zend_mm_set_owner(block, ZEND_MM_OWNER_NONE);
    while (!zend_mm_huge_cache_give(&heap->huge, &mapping)) {
        zend_mm_huge evicted;
        if (mapping.touched_size > ZEND_MM_HUGE_CACHE_SIZE
                || !zend_mm_huge_cache_evict(&heap->huge, &evicted)) {
            give_mapping(heap, &mapping);
            return;
        }
        give_mapping(heap, &evicted);
    }
}

void zend_mm_heap_huge_free_all(zend_mm_heap *heap)
{
    zend_mm_huge_table *table = &heap->huge;
    (void)zend_mm_heap_huge_drop_cache(heap);
    for (size_t place = 0; table->count > 0 && place < table->capacity; place++) {
        if (table->places[place].address != NULL) {
            zend_mm_set_owner(table->places[place].address, ZEND_MM_OWNER_NONE);
            give_mapping(heap, &table->places[place]);
        }
    }
    *table = (zend_mm_huge_table){ 0 };
}

/* ---- resizing ---- */

/* The storage moved a block to an address that cannot be a block's: copy it to one that can. The
 * old address is gone, so there is nothing to go back to. */
static void *realigned(zend_mm_heap *heap, void *misaligned, size_t touched_size,
    size_t mapped_size)
{
    void *block = heap->storage->handlers->_alloc(heap->storage, mapped_size);
    if (block == NULL || !zend_mm_is_mappable(block, mapped_size)) {
        zend_mm_panic("the storage moved a huge block to an address that is not 2 MiB-aligned",
            misaligned, ZEND_MM_NO_BIN);
    }
    memcpy(block, misaligned, touched_size);
    heap->storage->handlers->_free(heap->storage, misaligned, mapped_size);
    return block;
}

/* Resize a mapping by remapping pages; the block may move. */
static bool remap(zend_mm_heap *heap, zend_mm_huge *huge, size_t mapped_size)
{
    /* As soon as the storage has moved the pages, the old address may be another thread's. */
    zend_mm_set_owner(huge->address, ZEND_MM_OWNER_NONE);
    void *moved = zend_mm_heap_storage_realloc(heap, huge->address, huge->mapped_size,
        mapped_size);
    if (moved == NULL) {
        set_owner(heap, huge->address);
        return false;
    }
    if (!zend_mm_is_mappable(moved, mapped_size)) {
        size_t kept = huge->touched_size < mapped_size ? huge->touched_size : mapped_size;
        moved = realigned(heap, moved, kept, mapped_size);
    }
    set_owner(heap, moved);
    huge->address = moved;
    huge->mapped_size = mapped_size;
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

/* More of the mapping is touched, or of a longer one. */
static bool grow(zend_mm_heap *heap, zend_mm_huge *huge, size_t size)
{
    size_t more = size - huge->touched_size;
    zend_mm_heap_yield(heap, more);
    if (!has_room_for(heap, more)) {
        heap->failure = ZEND_MM_FAILURE_LIMIT;
        return false;
    }
    if (!zend_mm_heap_storage_reserve(heap, more)) {
        heap->failure = ZEND_MM_FAILURE_STORAGE;
        return false;
    }
    if (size > huge->mapped_size && !remap(heap, huge, mapped_size_for(heap, size))) {
        zend_mm_process_release(more);
        return false;
    }
    add_real_size(heap, more);
    huge->touched_size = size;
    return true;
}

/* A tail that the storage cannot take stays with the block. */
static void shrink(zend_mm_heap *heap, zend_mm_huge *huge, size_t size)
{
    size_t mapped_size = mapped_size_for(heap, size);
    if (mapped_size < huge->mapped_size && remap(heap, huge, mapped_size)
            && mapped_size < huge->touched_size) {
        lower_touched_size(heap, huge, mapped_size);
    }
    if (is_elastic(heap) && !zend_mm_huge_is_close(huge->touched_size, size)) {
        discard_tail(heap, huge, size);
    }
}

bool zend_mm_heap_huge_resize(zend_mm_heap *heap, const zend_mm_huge *huge, size_t size,
    void **block)
{
    size_t block_size = zend_mm_heap_huge_round(size);
    if (block_size == 0) {
        heap->failure = ZEND_MM_FAILURE_SIZE;
        return false;
    }
    const void *old_address = huge->address;
    zend_mm_huge now = *huge;
    if (block_size > huge->touched_size) {
        if (!grow(heap, &now, block_size)) {
            return false;
        }
    } else if (!zend_mm_huge_is_close(huge->touched_size, block_size)) {
        shrink(heap, &now, block_size);
    }
    now.size = block_size;
    /* Making room may have freed other blocks, and that moves places in the table. */
    zend_mm_huge *place = zend_mm_huge_find(&heap->huge, old_address);
    if (now.address == old_address) {
        zend_mm_huge_resize(&heap->huge, place, &now);
    } else {
        zend_mm_huge_remove(&heap->huge, place);
        zend_mm_huge_insert(&heap->huge, &now);
    }
    *block = now.address;
    zend_mm_heap_grown(heap);
    return true;
}
