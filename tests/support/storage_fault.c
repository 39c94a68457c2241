/* storage_fault: own storage handlers over posix_memalign, with a plan of failures.
 * Owns        the blocks between _alloc and _free.
 * Thread      one per storage_fault.
 * Invariants  live_size is the sum over blocks[].
 * Failure     on purpose. A call the contract forbids is noted in `misuse`.
 * Tests       used by tests/fault/. */
#include "config.h"

#include "tests/support/storage_fault.h"

#include <string.h>

enum { MISALIGNMENT = 4096 };

static void misused(storage_fault *fault, const char *what)
{
    if (fault->misuse == NULL) {
        fault->misuse = what;
    }
}

static storage_fault_block *find(storage_fault *fault, const void *address)
{
    for (size_t index = 0; index < STORAGE_FAULT_BLOCK_COUNT; index++) {
        if (fault->blocks[index].address == address) {
            return &fault->blocks[index];
        }
    }
    return NULL;
}

/* Is it this call's turn to fail? */
static bool fails(storage_fault *fault)
{
    size_t count = fault->fail_count != 0 ? fault->fail_count : 1;
    fault->call_count++;
    if (fault->fail_at == 0 || fault->call_count < fault->fail_at
            || fault->call_count - fault->fail_at >= count) {
        return false;
    }
    fault->failure_count++;
    return true;
}

static void *give(storage_fault *fault, size_t size, size_t offset)
{
    storage_fault_block *place = find(fault, NULL);
    void *base;
    if (place == NULL || posix_memalign(&base, ZEND_MM_SEGMENT_SIZE, size + offset) != 0) {
        misused(fault, "the test itself has no memory");
        return NULL;
    }
    place->base = base;
    place->address = place->base + offset;
    place->size = size;
    fault->live_size += size;
    fault->live_count++;
    return place->address;
}

static void take(storage_fault *fault, storage_fault_block *block)
{
    fault->live_size -= block->size;
    fault->live_count--;
    free(block->base);
    *block = (storage_fault_block){ 0 };
}

/* ---- the handlers ---- */

static zend_mm_storage *fault_init(void *params)
{
    storage_fault *fault = params;
    zend_mm_storage *storage = fault->fail_init ? NULL : malloc(sizeof *storage);
    if (storage != NULL) {
        storage->data = fault;
        fault->init_count++;
    }
    return storage;
}

static void fault_dtor(zend_mm_storage *storage)
{
    storage_fault *fault = storage->data;
    fault->dtor_count++;
    if (fault->live_count != 0) {
        misused(fault, "dtor while blocks are in use");
    }
    free(storage);
}

static void fault_compact(zend_mm_storage *storage)
{
    storage_fault *fault = storage->data;
    fault->compact_count++;
    if (fault->live_count != 0) {
        misused(fault, "compact while blocks are in use");
    }
}

static void *fault_alloc(zend_mm_storage *storage, size_t size)
{
    storage_fault *fault = storage->data;
    if (size == 0 || size % ZEND_MM_PAGE_SIZE != 0) {
        misused(fault, "_alloc of a size that is no multiple of the page");
    }
    if (!fails(fault)) {
        return give(fault, size, 0);
    }
    return fault->kind == STORAGE_FAULT_MISALIGNED ? give(fault, size, MISALIGNMENT) : NULL;
}

static void *fault_realloc(zend_mm_storage *storage, void *address, size_t old_size,
    size_t new_size)
{
    storage_fault *fault = storage->data;
    storage_fault_block *block = find(fault, address);
    if (block == NULL || block->size != old_size || new_size % ZEND_MM_PAGE_SIZE != 0) {
        misused(fault, "_realloc of a block that was not given so");
        return NULL;
    }
    if (fails(fault) || !fault->can_resize) {
        return NULL;
    }
    char *moved = give(fault, new_size, 0);
    if (moved != NULL) {
        memcpy(moved, block->address, old_size < new_size ? old_size : new_size);
        take(fault, block);
    }
    return moved;
}

static void fault_free(zend_mm_storage *storage, void *address, size_t size)
{
    storage_fault *fault = storage->data;
    storage_fault_block *block = address != NULL ? find(fault, address) : NULL;
    if (block == NULL || block->size != size) {
        misused(fault, "_free of a block that was not given so");
        return;
    }
    take(fault, block);
}

const zend_mm_mem_handlers storage_fault_handlers = {
    "fault", fault_init, fault_dtor, fault_compact, fault_alloc, fault_realloc, fault_free,
};

bool storage_fault_is_clean(const storage_fault *fault)
{
    return fault->misuse == NULL && fault->live_size == 0 && fault->live_count == 0
        && fault->init_count == fault->dtor_count;
}
