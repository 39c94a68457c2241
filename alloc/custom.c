/* custom: handlers of the program's own in the place of a heap's allocator.
 * Owns        heap->custom.
 * Thread      the heap's owner.
 * Invariants  custom_mode is 1 while handlers are set, and for a heap without storage.
 * Failure     none.
 * Tests       tests/unit/custom.c
 */
#include "config.h"

#include "alloc/globals.h"

void zend_mm_set_custom_handlers_ex(zend_mm_heap *heap, void *(*malloc_handler)(size_t size),
    void (*free_handler)(void *block), void *(*realloc_handler)(void *block, size_t size),
    size_t (*gc_handler)(void), void (*shutdown_handler)(bool full, bool silent))
{
    heap->custom = (zend_mm_custom_handlers){ malloc_handler, free_handler, realloc_handler,
        gc_handler, shutdown_handler };
    if (malloc_handler == NULL || free_handler == NULL || realloc_handler == NULL) {
        heap->custom = (zend_mm_custom_handlers){ 0 };
    }
    heap->custom_mode = heap->storage == NULL || heap->custom._malloc != NULL;
    zend_mm_update_entrance(heap);
}

void zend_mm_set_custom_handlers(zend_mm_heap *heap, void *(*malloc_handler)(size_t size),
    void (*free_handler)(void *block), void *(*realloc_handler)(void *block, size_t size))
{
    zend_mm_set_custom_handlers_ex(heap, malloc_handler, free_handler, realloc_handler, NULL, NULL);
}

void zend_mm_get_custom_handlers_ex(zend_mm_heap *heap, void *(**malloc_handler)(size_t size),
    void (**free_handler)(void *block), void *(**realloc_handler)(void *block, size_t size),
    size_t (**gc_handler)(void), void (**shutdown_handler)(bool full, bool silent))
{
    bool is_set = heap->custom._malloc != NULL;
    /* A heap that passes calls on has had handlers from the start. */
    *malloc_handler = is_set ? heap->custom._malloc : heap->_malloc;
    *free_handler = is_set ? heap->custom._free : heap->_free;
    *realloc_handler = is_set ? heap->custom._realloc : heap->_realloc;
    if (gc_handler != NULL) {
        *gc_handler = heap->custom._gc;
    }
    if (shutdown_handler != NULL) {
        *shutdown_handler = heap->custom._shutdown;
    }
}

void zend_mm_get_custom_handlers(zend_mm_heap *heap, void *(**malloc_handler)(size_t size),
    void (**free_handler)(void *block), void *(**realloc_handler)(void *block, size_t size))
{
    zend_mm_get_custom_handlers_ex(heap, malloc_handler, free_handler, realloc_handler, NULL, NULL);
}

bool zend_mm_is_custom_heap(zend_mm_heap *heap)
{
    return heap->custom_mode != 0;
}

zend_mm_storage *zend_mm_get_storage(zend_mm_heap *heap)
{
    return heap->storage;
}
