/* dispatch: what a call becomes in a heap that must see every call.
 * Owns        nothing; chooses who does the work.
 * Thread      the heap's owner.
 * Invariants  every mode of a heap is asked in one order, the one drawn in dispatch.h; the hot path
 *             never comes here.
 * Failure     NULL with heap->failure set; the block of a failed resize is as before.
 * Tests       tests/unit/custom.c, tests/unit/observer.c, tests/unit/dispatch.c
 */
#include "config.h"

#include "alloc/dispatch.h"

#include "alloc/debug.h"
#include "alloc/hardened.h"
#include "alloc/observer.h"
#include "alloc/tracked.h"

/* ---- the heap itself, below its custom handlers ---- */

/* A function that is not ours says NULL and no more. */
static void *foreign(zend_mm_heap *heap, void *block)
{
    if (block == NULL) {
        heap->failure = ZEND_MM_FAILURE_STORAGE;
    }
    return block;
}

static void *own_alloc(zend_mm_heap *heap, size_t size)
{
    if (heap->storage == NULL) {
        return heap->tracked != NULL ? zend_mm_tracked_alloc(heap, size)
                                     : foreign(heap, heap->_malloc(size));
    }
    return heap->debug != NULL ? zend_mm_debug_alloc(heap, 1, size)
                               : zend_mm_base_alloc(heap, size);
}

static void *own_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size)
{
    /* The C library's functions know no alignment but their own. */
    bool is_alignment = alignment != 0 && (alignment & (alignment - 1)) == 0
        && alignment <= (heap->storage != NULL ? ZEND_MM_MAX_ALIGNMENT : alignof(max_align_t));
    if (!is_alignment) {
        heap->failure = ZEND_MM_FAILURE_ALIGNMENT;
        return NULL;
    }
    if (heap->storage == NULL) {
        return own_alloc(heap, size);
    }
    return heap->debug != NULL ? zend_mm_debug_alloc(heap, alignment, size)
                               : zend_mm_base_alloc_aligned(heap, alignment, size);
}

static void own_free(zend_mm_heap *heap, void *block)
{
    if (heap->debug != NULL) {
        zend_mm_debug_free(heap, block);
    } else if (heap->storage != NULL) {
        zend_mm_base_free(heap, block);
    } else if (heap->tracked != NULL) {
        zend_mm_tracked_free(heap, block);
    } else {
        heap->_free(block);
    }
}

static void *own_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size)
{
    if (heap->storage == NULL) {
        return heap->tracked != NULL
            ? zend_mm_tracked_realloc(heap, block, size)
            : foreign(heap, heap->_realloc(block, size != 0 ? size : 1));
    }
    return heap->debug != NULL ? zend_mm_debug_realloc(heap, block, size, copy_size)
                               : zend_mm_base_realloc(heap, block, size, copy_size);
}

size_t zend_mm_dispatch_usable_size(zend_mm_heap *heap, const void *block)
{
    if (heap->storage == NULL) {
        return heap->tracked != NULL ? zend_mm_tracked_size(heap, block) : 0;
    }
    return heap->debug != NULL ? zend_mm_debug_size(heap, block)
                               : zend_mm_heap_usable_size(heap, block);
}

/* ---- what observers hear ---- */

static bool is_custom(const zend_mm_heap *heap, zend_mm_entrance entrance)
{
    return entrance == ZEND_MM_ENTRANCE_THREAD && heap->custom_mode != 0
        && heap->custom._malloc != NULL;
}

/* Under custom handlers only the outer call is told: the handlers' own calls are part of it. */
static bool is_told(const zend_mm_heap *heap, zend_mm_entrance entrance)
{
    return heap->observers != NULL
        && (entrance == ZEND_MM_ENTRANCE_THREAD || heap->custom._malloc == NULL);
}

/* What a block that is about to be freed or resized holds; 0 where nobody knows, or it is none. */
static size_t told_size(zend_mm_heap *heap, const void *block, zend_mm_entrance entrance)
{
    if (is_custom(heap, entrance)) {
        return 0;
    }
    if (heap->debug != NULL) {
        return zend_mm_debug_find_size(heap, block);
    }
    return heap->storage != NULL ? zend_mm_heap_find_size(heap, block)
                                 : zend_mm_tracked_find_size(heap, block);
}

/* ---- the calls ---- */

void *zend_mm_dispatch_alloc(zend_mm_heap *heap, size_t size, zend_mm_entrance entrance)
{
    void *block = is_custom(heap, entrance) ? foreign(heap, heap->custom._malloc(size))
                                            : own_alloc(heap, size);
    if (block != NULL && is_told(heap, entrance)) {
        zend_mm_observers_tell_malloc(heap, block, size);
    }
    return block;
}

/* Custom handlers have no aligned allocation: theirs serves if it happens to be aligned enough. */
static void *custom_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size)
{
    void *block = foreign(heap, heap->custom._malloc(size));
    if (block != NULL && ((uintptr_t)block & (alignment - 1)) != 0) {
        heap->custom._free(block);
        heap->failure = ZEND_MM_FAILURE_ALIGNMENT;
        return NULL;
    }
    return block;
}

void *zend_mm_dispatch_alloc_aligned(zend_mm_heap *heap, size_t alignment, size_t size,
    zend_mm_entrance entrance)
{
    void *block = is_custom(heap, entrance) ? custom_alloc_aligned(heap, alignment, size)
                                            : own_alloc_aligned(heap, alignment, size);
    if (block != NULL && is_told(heap, entrance)) {
        zend_mm_observers_tell_malloc(heap, block, size);
    }
    return block;
}

void zend_mm_dispatch_free(zend_mm_heap *heap, void *block, zend_mm_entrance entrance)
{
    if (block != NULL && is_told(heap, entrance)) {
        zend_mm_observers_tell_free(heap, block, told_size(heap, block, entrance));
    }
    if (is_custom(heap, entrance)) {
        heap->custom._free(block);
    } else {
        own_free(heap, block);
    }
}

void *zend_mm_dispatch_realloc(zend_mm_heap *heap, void *block, size_t size, size_t copy_size,
    zend_mm_entrance entrance)
{
    bool told = is_told(heap, entrance);
    size_t old_size = told && block != NULL ? told_size(heap, block, entrance) : 0;
    void *resized = is_custom(heap, entrance)
        ? foreign(heap, heap->custom._realloc(block, size))
        : own_realloc(heap, block, size, copy_size);
    if (resized != NULL && told) {
        zend_mm_observers_tell_realloc(heap, block, old_size, resized, size);
    }
    return resized;
}

void zend_mm_dispatch_drained(zend_mm_heap *heap, void *block)
{
    if (heap->observers != NULL) {
        zend_mm_observers_tell_free(heap, block, told_size(heap, block, ZEND_MM_ENTRANCE_HEAP));
    }
    if (heap->debug != NULL) {
        zend_mm_debug_drained(heap, block);
    }
    own_free(heap, block);
}
