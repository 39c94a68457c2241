/* storage: where segments and huge blocks come from: malloc, mmap_anon, mmap_zero, win32.
 * Owns        the table of built-in handlers; a zend_mm_storage per heap.
 * Thread      a storage belongs to one heap; the table is constant.
 * Invariants  every block is 2 MiB-aligned; sizes are passed, nothing is stored in the block.
 * Failure     NULL.
 * Tests       tests/unit/storage.c, tests/fault/storage_fault.c
 */
#include "config.h"

#include "alloc/storage.h"

#include <string.h>

#include "alloc/os.h"
#include "alloc/segment_pool.h"
#include "alloc/storage_win32.h"

/* The heap fills in storage->handlers. */
static zend_mm_storage *storage_new(void *data)
{
    zend_mm_storage *storage = malloc(sizeof *storage);
    if (storage != NULL) {
        storage->data = data;
    }
    return storage;
}

static void storage_dtor(zend_mm_storage *storage)
{
    free(storage);
}

/* ---- malloc ---- */

static zend_mm_storage *malloc_init(void *params)
{
    (void)params;
    return storage_new(NULL);
}

static void *malloc_alloc(zend_mm_storage *storage, size_t size)
{
    (void)storage;
    return zend_mm_os_aligned_malloc(ZEND_MM_SEGMENT_SIZE, size);
}

/* realloc() would lose the alignment: the heap copies. */
static void *malloc_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)storage, (void)block, (void)old_size, (void)new_size;
    return NULL;
}

static void malloc_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)storage, (void)size;
    zend_mm_os_aligned_free(block);
}

#ifndef _WIN32

/* ---- mmap_anon, mmap_zero: the same calls, with another descriptor in storage->data ---- */

static int storage_file(const zend_mm_storage *storage)
{
    return (int)(intptr_t)storage->data;
}

static zend_mm_storage *mmap_anon_init(void *params)
{
    (void)params;
    return storage_new((void *)(intptr_t)ZEND_MM_OS_NO_FILE);
}

static zend_mm_storage *mmap_zero_init(void *params)
{
    (void)params;
    int file = zend_mm_os_zero_file();
    return file == ZEND_MM_OS_NO_FILE ? NULL : storage_new((void *)(intptr_t)file);
}

static void *mmap_alloc(zend_mm_storage *storage, size_t size)
{
    return zend_mm_os_map(size, storage_file(storage));
}

static void *mmap_realloc(zend_mm_storage *storage, void *block, size_t old_size, size_t new_size)
{
    return zend_mm_os_remap(block, old_size, new_size, storage_file(storage));
}

static void mmap_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)storage;
    zend_mm_os_unmap(block, size);
}

#endif

/* ---- the table ---- */

const zend_mm_storage_type zend_mm_storage_types[] = {
#ifdef _WIN32
    { { "win32", zend_mm_win32_init, zend_mm_win32_dtor, zend_mm_win32_compact,
        zend_mm_win32_alloc, zend_mm_win32_realloc, zend_mm_win32_free }, NULL },
#endif
    { { "malloc", malloc_init, storage_dtor, NULL, malloc_alloc, malloc_realloc, malloc_free },
      NULL },
#ifndef _WIN32
    { { "mmap_anon", mmap_anon_init, storage_dtor, NULL, mmap_alloc, mmap_realloc, mmap_free },
      &zend_mm_mmap_anon_pool },
    { { "mmap_zero", mmap_zero_init, storage_dtor, NULL, mmap_alloc, mmap_realloc, mmap_free },
      &zend_mm_mmap_zero_pool },
#endif
    { { NULL, NULL, NULL, NULL, NULL, NULL, NULL }, NULL },
};

#ifdef _WIN32
static const char default_name[] = "win32";
#else
/* 5.x took the first entry, malloc; the mmap handlers align without waste and give memory back. */
static const char default_name[] = "mmap_anon";
#endif

const zend_mm_storage_type *zend_mm_storage_find(const char *name)
{
    if (name == NULL) {
        name = default_name;
    }
    for (const zend_mm_storage_type *type = zend_mm_storage_types; type->handlers.name; type++) {
        if (strcmp(type->handlers.name, name) == 0) {
            return type;
        }
    }
    return NULL;
}

zend_mm_segment_pool *zend_mm_storage_pool(const zend_mm_mem_handlers *handlers)
{
    for (const zend_mm_storage_type *type = zend_mm_storage_types; type->handlers.name; type++) {
        if (&type->handlers == handlers) {
            return type->pool;
        }
    }
    return NULL;
}
