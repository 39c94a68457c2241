/* storage_win32: segments from a private Windows heap, one per zend_mm_storage.
 * Owns        the Windows heap in storage->data.
 * Thread      the storage's heap only: the Windows heap is made without its lock.
 * Invariants  I1  a block is 2 MiB-aligned inside a Windows block that is 2 MiB longer, and the
 *                 word in front of it holds that Windows block's address
 * Failure     NULL; a compaction without memory for a new Windows heap keeps the old one.
 * Tests       tests/win32/rows.c, by ./quickstart.sh check-win32
 */
#include "config.h"

#ifdef _WIN32

#include "alloc/storage_win32.h"

#define WIN32_LEAN_AND_MEAN
#include <windows.h>

static HANDLE windows_heap_new(void)
{
    return HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
}

/* Where HeapAlloc() put the memory around `block`. */
static void **windows_block_of(void *block)
{
    return (void **)block - 1;
}

zend_mm_storage *zend_mm_win32_init(void *params)
{
    (void)params;
    zend_mm_storage *storage = malloc(sizeof *storage);
    if (storage == NULL) {
        return NULL;
    }
    storage->data = windows_heap_new();
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
    HANDLE fresh = windows_heap_new();
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
    char *windows_block = HeapAlloc(storage->data, 0, size + ZEND_MM_SEGMENT_SIZE);
    if (windows_block == NULL) {
        return NULL;
    }
    const uintptr_t mask = ZEND_MM_SEGMENT_SIZE - 1;
    void *block = (void *)(((uintptr_t)windows_block + sizeof(void *) + mask) & ~mask);
    *windows_block_of(block) = windows_block;
    return block;
}

/* In place, or not at all: a Windows block that moves would lose the alignment. */
void *zend_mm_win32_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)old_size;
    if (new_size > SIZE_MAX - ZEND_MM_SEGMENT_SIZE) {
        return NULL;
    }
    void *resized = HeapReAlloc(storage->data, HEAP_REALLOC_IN_PLACE_ONLY,
        *windows_block_of(block), new_size + ZEND_MM_SEGMENT_SIZE);
    return resized == NULL ? NULL : block;
}

void zend_mm_win32_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)size;
    HeapFree(storage->data, 0, *windows_block_of(block));
}

#endif
