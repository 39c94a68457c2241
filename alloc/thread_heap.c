/* thread_heap: the thread's heap pointers, and what falls out of the hot half of efree().
 * Owns        this layer's thread-local variables and the two constant heaps.
 * Thread      each thread its own.
 * Invariants  hot == current, unless the thread has no heap yet (hot is the empty heap, current NULL)
 *             or its heap must see every call (hot is the dispatch heap)
 * Failure     NULL: no memory for a passing heap.
 * Tests       tests/unit/globals.c, tests/unit/dispatch.c, tests/php/basics.sh
 */
#include "config.h"

#include "alloc/thread_heap.h"

#include <errno.h>
#include <string.h>

#include "alloc/environment.h"
#include "alloc/hot.h"
#include "alloc/os.h"
#include "alloc/tracked.h"

const zend_mm_heap zend_mm_empty_heap = { .index = ZEND_MM_HEAP_INDEX_CONSTANT };
const zend_mm_heap zend_mm_dispatch_heap = { .index = ZEND_MM_HEAP_INDEX_CONSTANT };

ZEND_MM_TLS zend_mm_heap *zend_mm_hot_heap = (zend_mm_heap *)&zend_mm_empty_heap;
ZEND_MM_TLS zend_mm_heap *zend_mm_current_heap;

zend_mm_remote_free_policies zend_mm_remote_free_policy;

void zend_mm_forget_heap(void)
{
    zend_mm_hot_heap = (zend_mm_heap *)&zend_mm_empty_heap;
    zend_mm_current_heap = NULL;
}

void zend_mm_use_heap(zend_mm_heap *heap)
{
    if (heap == NULL) {
        zend_mm_forget_heap();
        return;
    }
    zend_mm_hot_heap = heap->sees_calls ? (zend_mm_heap *)&zend_mm_dispatch_heap : heap;
    if (heap != zend_mm_current_heap) {
        atomic_store_explicit(&heap->snapshot.thread, zend_mm_os_thread_id(),
            memory_order_relaxed);
    }
    zend_mm_current_heap = heap;
}

void zend_mm_update_entrance(zend_mm_heap *heap)
{
    heap->sees_calls = heap->storage == NULL || heap->custom._malloc != NULL
        || heap->observers != NULL || heap->debug != NULL || heap->hardened != NULL;
    if (heap == zend_mm_current_heap) {
        zend_mm_use_heap(heap);
    }
}

zend_mm_heap *zend_mm_new_passing_heap(void *(*malloc_function)(size_t size),
    void (*free_function)(void *block), void *(*realloc_function)(void *block, size_t size))
{
    zend_mm_heap *heap = zend_mm_os_aligned_malloc(alignof(zend_mm_heap), sizeof *heap);
    if (heap == NULL) {
        return NULL;
    }
    memset(heap, 0, sizeof *heap);
    heap->custom_mode = 1;
    heap->index = ZEND_MM_HEAP_INDEX_CONSTANT;
    heap->sees_calls = true;
    heap->limit = SIZE_MAX;
    heap->_malloc = malloc_function;
    heap->_free = free_function;
    heap->_realloc = realloc_function;
    if (zend_mm_environment_use_tracked_alloc() && !zend_mm_tracked_start(heap)) {
        zend_mm_os_aligned_free(heap);
        return NULL;
    }
    return heap;
}

/* ---- free ---- */

void zend_mm_free_by(zend_mm_heap *heap, void *block, zend_mm_entrance entrance)
{
    int saved = errno;
    if (heap->sees_calls) {
        zend_mm_dispatch_free(heap, block, entrance);
    } else {
        zend_mm_heap_free(heap, block);
    }
    errno = saved;
}

void zend_mm_efree_slow(void *block)
{
    zend_mm_heap *heap = zend_mm_hot_heap;
    const zend_mm_segment_info *info = zend_mm_page_info(heap, block);
    zend_mm_bucket *bucket = zend_mm_page_bucket(heap, info, block);
    if (bucket != NULL ? zend_mm_hot_push(heap, bucket, block)
                       : zend_mm_page_hold(heap, info, block)) {
        return;
    }
    heap = zend_mm_heap_of_thread();
    heap = heap != NULL ? heap : (zend_mm_heap *)&zend_mm_empty_heap;
    zend_mm_free_by(heap, block, ZEND_MM_ENTRANCE_THREAD);
}
