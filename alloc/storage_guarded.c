/* storage_guarded: mappings between guard pages, for hardened heaps.
 *
 *   2 MiB that cannot be touched | block, 2 MiB-aligned | one page that cannot be touched
 *
 * Owns        the mappings; address space in front of each block, no memory.
 * Thread      a storage belongs to one heap.
 * Invariants  both guards are there from _alloc to _free.
 * Failure     NULL; nothing is left mapped.
 * Tests       tests/unit/hardened.c, tests/death/hardened.c
 */
#include "config.h"

#include "alloc/storage_guarded.h"

#include "alloc/os.h"
#include "alloc/os_debug.h"

static zend_mm_storage *guarded_init(void *params)
{
    (void)params;
    return calloc(1, sizeof(zend_mm_storage));
}

static void guarded_dtor(zend_mm_storage *storage)
{
    free(storage);
}

static size_t guard_size(void)
{
    return zend_mm_os_page_size();
}

static void *guarded_alloc(zend_mm_storage *storage, size_t size)
{
    (void)storage;
    size_t total;
    if (__builtin_add_overflow(size, ZEND_MM_SEGMENT_SIZE + guard_size(), &total)) {
        return NULL;
    }
    char *mapping = zend_mm_os_map(total, ZEND_MM_OS_NO_FILE);
    if (mapping == NULL) {
        return NULL;
    }
    char *block = mapping + ZEND_MM_SEGMENT_SIZE;
    if (!zend_mm_os_protect(mapping, ZEND_MM_SEGMENT_SIZE, false)
            || !zend_mm_os_protect(block + size, guard_size(), false)) {
        zend_mm_os_unmap(mapping, total);
        return NULL;
    }
    return block;
}

static void *guarded_realloc(zend_mm_storage *storage, void *block, size_t old_size,
    size_t new_size)
{
    (void)storage;
    char *end = (char *)block + new_size;
    if (new_size >= old_size || !zend_mm_os_protect(end, guard_size(), false)) {
        return NULL;
    }
    zend_mm_os_unmap(end + guard_size(), old_size - new_size);
    return block;
}

static void guarded_free(zend_mm_storage *storage, void *block, size_t size)
{
    (void)storage;
    zend_mm_os_unmap((char *)block - ZEND_MM_SEGMENT_SIZE,
        ZEND_MM_SEGMENT_SIZE + size + guard_size());
}

const zend_mm_mem_handlers zend_mm_guarded_handlers = {
    "mmap_guarded", guarded_init, guarded_dtor, NULL, guarded_alloc, guarded_realloc, guarded_free,
};
