/* storage_win32: segments from a private Windows heap, one per zend_mm_storage.
 * Owns        the Windows heap in storage->data.
 * Thread      the storage's heap only: the Windows heap is made without its lock.
 * Invariants  the word in front of a block holds what HeapAlloc returned for it.
 * Failure     NULL.
 * Tests       tests/unit/storage.c, where a Windows build runs it
 */
#include "config.h"

#ifdef _WIN32

#include "alloc/storage_win32.h"

#include <windows.h>

static HANDLE new_windows_heap(void)
{
    return HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
}

zend_mm_storage *zend_mm_win32_init(void *params)
{
    (void)params;
    zend_mm_storage *storage = malloc(sizeof *storage);
    if (storage == NULL) {
        return NULL;
    }
    storage->data = new_windows_heap();
    if (storage->data == NULL) {
        free(storage);
        return NULL;
    }
    return storage;
}

void zend_mm_win32_dtor(zend_mm_storage *storage)
{
    HeapDestroy(storage->data);
    free(storage);
}

/* A Windows heap shrinks by being made anew. */
void zend_mm_win32_compact(zend_mm_storage *storage)
{
    HANDLE fresh = new_windows_heap();
    if (fresh != NULL) {
        HeapDestroy(storage->data);
        storage->data = fresh;
    }
}

void *zend_mm_win32_alloc(zend_mm_storage *storage, size_t size)
{
    if (size > SIZE_MAX - ZEND_MM_SEGMENT_SIZE) {
        return NULL;
    }
    char *raw = HeapAlloc(storage->data, 0, size + ZEND_MM_SEGMENT_SIZE);
    if (raw == NULL) {
        return NULL;
    }
    uintptr_t mask = ZEND_MM_SEGMENT_SIZE - 1;
    void **block = (void **)(((uintptr_t)raw + sizeof(void *) + mask) & ~mask);
    block[-1] = raw;
    return block;
}

/* HeapReAlloc would lose the alignment: the heap copies. */
void *zend_mm_win32_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)storage, (void)block, (void)old_size, (void)new_size;
    return NULL;
}

void zend_mm_win32_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)size;
    HeapFree(storage->data, 0, ((void **)block)[-1]);
}

#endif
