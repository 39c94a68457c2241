/* heap_storage: the one way from a heap to its storage; every byte that passes is counted.
 * Owns        nothing.
 * Thread      the heap's owner, or the thread that ends the heap.
 * Invariants  what was got and not given back is counted by process_limit, at every moment.
 * Failure     NULL: the storage has nothing, or (heap->is_refused_by_process) the process's limit no
 *             room.
 * Tests       tests/unit/process_limit.c, tests/unit/tracked.c, tests/fault/heap_fault.c
 */
#include "config.h"

#include "alloc/heap.h"
#include "alloc/os.h"
#include "alloc/process_limit.h"

bool zend_mm_heap_storage_reserve(zend_mm_heap *heap, size_t size)
{
    heap->is_refused_by_process = !zend_mm_process_reserve(size);
    return !heap->is_refused_by_process;
}

void *zend_mm_heap_storage_alloc(zend_mm_heap *heap, size_t size, size_t counted_size)
{
    if (!zend_mm_heap_storage_reserve(heap, counted_size)) {
        return NULL;
    }
    void *block = heap->storage->handlers->_alloc(heap->storage, size);
    if (block == NULL) {
        zend_mm_process_release(counted_size);
    } else if (heap->wants_huge_pages) {
        zend_mm_os_advise_huge_pages(block, size);
    }
    return block;
}

void *zend_mm_heap_storage_realloc(zend_mm_heap *heap, void *block, size_t old_size,
    size_t new_size)
{
    return heap->storage->handlers->_realloc(heap->storage, block, old_size, new_size);
}

void zend_mm_heap_storage_free(zend_mm_heap *heap, void *block, size_t size, size_t counted_size)
{
    uint64_t start = zend_mm_os_now();
    heap->storage->handlers->_free(heap->storage, block, size);
    heap->storage_duration += zend_mm_os_now() - start;
    zend_mm_process_release(counted_size);
}
