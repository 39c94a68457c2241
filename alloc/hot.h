/* hot: the inline halves of allocation and free. Each tries the common case and says whether it
 * did; everything else is a call to a slow sibling. Look at the disassembly of api.o after a change.
 */
#ifndef TSRMALLOC_HOT_H
#define TSRMALLOC_HOT_H

#include <string.h>

#include "alloc/checks.h"
#include "alloc/heap.h"

#define zend_mm_likely(condition) __builtin_expect(!!(condition), 1)

/* Hot functions begin on a cache line: where they lie decides up to a tenth of their time. */
#define ZEND_MM_HOT_ENTRY __attribute__((hot, aligned(64)))

#define ZEND_MM_HOT static inline __attribute__((always_inline))

/* Pop the slot that was freed last in a bucket. NULL when there is none, or when its link is damaged:
 * the slow sibling tells the two apart. */
ZEND_MM_HOT void *zend_mm_hot_pop(const zend_mm_heap *heap, zend_mm_bucket *bucket)
{
    zend_mm_slot *slot = bucket->first;
    if (!zend_mm_likely(slot != NULL)) {
        return NULL;
    }
    uintptr_t opened = zend_mm_link_open(slot, heap->link_key);
    if (ZEND_MM_CHECK_LINK && !zend_mm_likely((opened & ZEND_MM_LINK_INVALID) == 0)) {
        return NULL;
    }
    zend_mm_slot *next = zend_mm_link_next(opened);
    bucket->first = next;
    if (ZEND_MM_CHECK_DOUBLE_FREE) {
        bucket->second = next;
    }
    bucket->used_count++;
    /* More than half of a small allocation is the miss on the next pop's link: start it now. */
    __builtin_prefetch(next, 1);
    return slot;
}

/* Push a slot of the bucket. false: it is one of the two freed last, a double free. */
ZEND_MM_HOT bool zend_mm_hot_push(const zend_mm_heap *heap, zend_mm_bucket *bucket, void *block)
{
    zend_mm_slot *first = bucket->first;
    zend_mm_slot *slot = block;
    if (ZEND_MM_CHECK_DOUBLE_FREE
            && !zend_mm_likely(slot != first && slot != bucket->second)) {
        return false;
    }
    slot->link = zend_mm_link_encode(first, heap->link_key);
    if (ZEND_MM_CHECK_DOUBLE_FREE) {
        bucket->second = first;
    }
    bucket->first = slot;
    bucket->used_count--;
    return true;
}

ZEND_MM_HOT zend_mm_bucket *zend_mm_hot_bucket_of_size(zend_mm_heap *heap, size_t size)
{
    return zend_mm_bucket_at(heap->free_buckets, zend_mm_mark_of_size(size));
}

ZEND_MM_HOT zend_mm_bucket *zend_mm_hot_bucket_of_mark(zend_mm_heap *heap, uint32_t mark)
{
    return zend_mm_bucket_at(heap->free_buckets, (uint8_t)mark);
}

/* The bucket of a small block of this heap; NULL for anything else. */
ZEND_MM_HOT zend_mm_bucket *zend_mm_hot_bucket(zend_mm_heap *heap, const void *block)
{
    if (!zend_mm_likely(zend_mm_owner_of(block) == heap->index)) {
        return NULL;
    }
    /* Where a page begins, a large block may: that is seen without a look at the segment. */
    if (!zend_mm_likely(((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) != 0)) {
        return NULL;
    }
    uint32_t mark = *zend_mm_mark_of(block);
    zend_mm_bucket *bucket = zend_mm_hot_bucket_of_mark(heap, mark);
    /* The bound of a page that belongs to no bin is 0: it is no slot's start either. */
    bool is_slot = ZEND_MM_CHECK_SLOT_START ? zend_mm_is_slot_start(bucket, mark, block)
                                            : bucket->bound != 0;
    return zend_mm_likely(is_slot) ? bucket : NULL;
}

/* Free a small block of this heap. false: it is something else. */
ZEND_MM_HOT bool zend_mm_hot_free(zend_mm_heap *heap, void *block)
{
    zend_mm_bucket *bucket = zend_mm_hot_bucket(heap, block);
    return zend_mm_likely(bucket != NULL) && zend_mm_hot_push(heap, bucket, block);
}

/* A new block. NULL: it is no small one, the bin has no run to carve, or a link is damaged. */
ZEND_MM_HOT void *zend_mm_hot_alloc(zend_mm_heap *heap, size_t size)
{
    if (!zend_mm_likely(size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return NULL;
    }
    void *slot = zend_mm_hot_pop(heap, zend_mm_hot_bucket_of_size(heap, size));
    return zend_mm_likely(slot != NULL) ? slot : zend_mm_heap_carve(heap, zend_mm_bin_of(size));
}

/* Move a small block of `bucket` to a slot of another bin, for `size` bytes, which are small, too. NULL: the
 * bin has no free slot, or a link is damaged, or the block was just freed; the slow sibling tells them apart,
 * and nobody has seen what was taken. */
ZEND_MM_HOT void *zend_mm_hot_move(zend_mm_heap *heap, zend_mm_bucket *bucket, void *block,
    size_t size, size_t copy_size)
{
    void *moved = zend_mm_hot_pop(heap, zend_mm_hot_bucket_of_size(heap, size));
    if (!zend_mm_likely(moved != NULL)) {
        return NULL;
    }
    size_t old_size = zend_mm_bin_infos[bucket - heap->free_buckets].slot_size;
    size_t kept = old_size < copy_size ? old_size : copy_size;
    kept = kept < size ? kept : size;
    /* A compiler that knows how little this is copies with `rep movs`, which starts slowly. */
    __asm__("" : "+r"(kept));
    memcpy(moved, block, kept);
    return zend_mm_likely(zend_mm_hot_push(heap, bucket, block)) ? moved : NULL;
}

/* Resize a small block of `bucket` within its bin, or by moving it. NULL: neither (or bucket is NULL). */
ZEND_MM_HOT void *zend_mm_hot_realloc(zend_mm_heap *heap, zend_mm_bucket *bucket, void *block,
    size_t size, size_t copy_size)
{
    if (!zend_mm_likely(bucket != NULL && size <= ZEND_MM_MAX_SMALL_SIZE)) {
        return NULL;
    }
    return zend_mm_hot_bucket_of_size(heap, size) == bucket
        ? block : zend_mm_hot_move(heap, bucket, block, size, copy_size);
}

/* ---- blocks at the start of a page: for the slow siblings to try first ---- */

/* What the segment table knows of a block of this heap that begins a page; NULL for others. */
static inline const zend_mm_segment_info *zend_mm_page_info(const zend_mm_heap *heap,
    const void *block)
{
    bool is_page = ((uintptr_t)block & (ZEND_MM_PAGE_SIZE - 1)) == 0;
    return is_page && zend_mm_owner_of(block) == heap->index
        ? zend_mm_segment_info_of(&heap->free_runs, block) : NULL;
}

/* The bucket of a small block at the start of a page; NULL for anything else. */
static inline zend_mm_bucket *zend_mm_page_bucket(zend_mm_heap *heap,
    const zend_mm_segment_info *info, const void *block)
{
    uint32_t page = zend_mm_page_of(block);
    if (info == NULL || zend_mm_page_is_set(&info->starts, page)) {
        return NULL;
    }
    uint32_t mark = *zend_mm_mark_of(block);
    zend_mm_bucket *bucket = zend_mm_hot_bucket_of_mark(heap, mark);
    return zend_mm_is_slot_start(bucket, mark, block) ? bucket : NULL;
}

/* Make a block, where there is none, or resize a small one at the start of a page. NULL: neither. */
static inline void *zend_mm_page_realloc(zend_mm_heap *heap, void *block, size_t size,
    size_t copy_size)
{
    if (block == NULL) {
        return zend_mm_hot_alloc(heap, size);
    }
    zend_mm_bucket *bucket = zend_mm_page_bucket(heap, zend_mm_page_info(heap, block), block);
    return zend_mm_hot_realloc(heap, bucket, block, size, copy_size);
}

/* Is it a large block that has as many pages as `size` bytes need? */
static inline bool zend_mm_page_keeps_length(const zend_mm_heap *heap,
    const zend_mm_segment_info *info, const void *block, size_t size)
{
    if (info == NULL || size <= ZEND_MM_MAX_SMALL_SIZE || size > ZEND_MM_MAX_LARGE_SIZE) {
        return false;
    }
    uint32_t length = zend_mm_large_length(info, zend_mm_page_of(block));
    return length == (size + ZEND_MM_PAGE_SIZE - 1) >> ZEND_MM_PAGE_SHIFT
        && !zend_mm_heap_is_held(heap, block, length);
}

/* Free a large block that becomes a held run. false: it is something else. */
static inline bool zend_mm_page_hold(zend_mm_heap *heap, const zend_mm_segment_info *info,
    void *block)
{
    uint32_t length = info == NULL ? 0 : zend_mm_large_length(info, zend_mm_page_of(block));
    if (length == 0 || !zend_mm_heap_hold(heap, block, length)) {
        return false;
    }
    heap->large_size -= (size_t)length << ZEND_MM_PAGE_SHIFT;
    return true;
}

#endif
