/* heaps: heaps as objects of PHP: storages of a program's own, block sizes.
 * Owns        one adapter per heap on a caller's storage.
 * Thread      the heap's owner.
 * Invariants  the adapter is the storage's `data`, and lives as long as the heap.
 * Failure     php_startup_ex: NULL, nothing is held.
 * Tests       tests/php/abi.c
 */
#include "config.h"

#include <string.h>

#include "alloc/dispatch.h"
#include "alloc/globals.h"
#include "php/face.h"

/* A caller's storage, as the core sees it: `core` is what the handlers below are given. */
typedef struct adapter {
    zend_mm_storage core;
    php_mm_storage php;
    max_align_t data[];     /* the caller's, copied */
} adapter;

typedef struct adapter_params {
    const php_mm_handlers *handlers;
    const void *data;
    size_t data_size;
} adapter_params;

static adapter *adapter_of(zend_mm_storage *storage)
{
    return storage->data;
}

static zend_mm_storage *adapter_init(void *params)
{
    const adapter_params *wanted = params;
    adapter *made = calloc(1, sizeof *made + wanted->data_size);
    if (made == NULL) {
        return NULL;
    }
    made->core.data = made;
    made->php.handlers = *wanted->handlers;
    if (wanted->data != NULL) {
        memcpy(made->data, wanted->data, wanted->data_size);
        made->php.data = made->data;
    }
    return &made->core;
}

static void adapter_dtor(zend_mm_storage *storage)
{
    free(adapter_of(storage));
}

static void *adapter_alloc(zend_mm_storage *storage, size_t size)
{
    php_mm_storage *php = &adapter_of(storage)->php;
    return php->handlers.chunk_alloc(php, size, ZEND_MM_SEGMENT_SIZE);
}

static void *adapter_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    php_mm_storage *php = &adapter_of(storage)->php;
    bool (*resize)(php_mm_storage *, void *, size_t, size_t) =
        new_size < old_size ? php->handlers.chunk_truncate : php->handlers.chunk_extend;
    return resize != NULL && resize(php, block, old_size, new_size) ? block : NULL;
}

static void adapter_free(zend_mm_storage *storage, void *block, size_t size)
{
    php_mm_storage *php = &adapter_of(storage)->php;
    php->handlers.chunk_free(php, block, size);
}

static const zend_mm_mem_handlers adapter_handlers = { "program's own", adapter_init, adapter_dtor,
    NULL, adapter_alloc, adapter_realloc, adapter_free };

/* Such a heap has no reserve: a storage may have a single chunk, and PHP's has none either. */
zend_mm_heap *php_startup_ex(const php_mm_handlers *handlers, void *data, size_t data_size)
{
    adapter_params params = { handlers, data, data != NULL ? data_size : 0 };
    return zend_mm_startup_ex(&adapter_handlers, ZEND_MM_SEGMENT_SIZE, 0, 0, &params);
}

php_mm_storage *php_get_storage(zend_mm_heap *heap)
{
    zend_mm_storage *storage = heap->storage;
    return storage != NULL && storage->handlers == &adapter_handlers
        ? &adapter_of(storage)->php : NULL;
}

bool php_is_custom_heap(zend_mm_heap *heap)
{
    (void)heap;
    return !php_is_zend_mm();
}

size_t php_mm_block_size(zend_mm_heap *heap, void *block)
{
    return zend_mm_dispatch_usable_size(heap, block);
}

size_t php_mem_block_size(void *block)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap == NULL || heap->custom_mode != 0 ? 0 : php_mm_block_size(heap, block);
}
