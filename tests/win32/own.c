/* own: what only Windows has: the win32 storage seen from below, and the calls of os_win32.c. Rows
 * that do not depend on the system are in rows.c.
 *
 * Owns        nothing beyond a case.
 * Thread      main, and one thread of its own.
 * Invariants  none.
 * Failure     a CHECK.
 * Tests       alloc/storage_win32.c, alloc/os_win32.c, tsrm/os_win32.c. */
#include "config.h"

#include <stdatomic.h>
#include <string.h>

#include "alloc/os.h"
#include "alloc/storage.h"
#include "tests/support/check.h"
#include "tests/win32/system.h"
#include "tsrm/os.h"

#define MIB ((size_t)1024 * 1024)

static bool is_aligned(const void *block)
{
    return ((uintptr_t)block & (ZEND_MM_SEGMENT_SIZE - 1)) == 0;
}

static bool is_filled(const unsigned char *bytes, int value, size_t size)
{
    for (size_t offset = 0; offset < size; offset++) {
        if (bytes[offset] != value) {
            return false;
        }
    }
    return true;
}

/* ---- the storage ---- */

static zend_mm_storage *open_win32(void)
{
    const zend_mm_storage_type *type = zend_mm_storage_find("win32");
    zend_mm_storage *storage = type == NULL ? NULL : type->handlers.init(NULL);
    if (CHECK(storage != NULL)) {
        storage->handlers = &type->handlers;
    }
    return storage;
}

static void check_blocks(void)
{
    enum { COUNT = 20 };
    unsigned char *blocks[COUNT];
    CHECK_CASE("every block of the win32 storage is aligned to 2 MiB and all of it is its own");
    zend_mm_storage *storage = open_win32();
    for (int index = 0; index < COUNT; index++) {
        blocks[index] = storage->handlers->_alloc(storage, 2 * MIB + (size_t)index * 4096);
        CHECK(blocks[index] != NULL && is_aligned(blocks[index]));
        memset(blocks[index], index + 1, 2 * MIB + (size_t)index * 4096);
    }
    for (int index = 0; index < COUNT; index++) {
        CHECK(is_filled(blocks[index], index + 1, 2 * MIB + (size_t)index * 4096));
        storage->handlers->_free(storage, blocks[index], 2 * MIB + (size_t)index * 4096);
    }
    storage->handlers->dtor(storage);
}

static void check_resizing(void)
{
    CHECK_CASE("a block is resized where it is, or not at all");
    zend_mm_storage *storage = open_win32();
    unsigned char *block = storage->handlers->_alloc(storage, 8 * MIB);
    memset(block, 'x', 8 * MIB);
    unsigned char *shrunk = storage->handlers->_realloc(storage, block, 8 * MIB, 4 * MIB);
    CHECK(shrunk == NULL || shrunk == block);
    CHECK(is_filled(block, 'x', 4 * MIB));
    size_t size = shrunk == NULL ? 8 * MIB : 4 * MIB;
    unsigned char *grown = storage->handlers->_realloc(storage, block, size, 64 * MIB);
    CHECK(grown == NULL || grown == block);
    CHECK(is_filled(block, 'x', 4 * MIB));
    if (grown != NULL) {
        memset(block, 'y', 64 * MIB);
    }
    CHECK(storage->handlers->_realloc(storage, block, size, SIZE_MAX - 4095) == NULL);
    storage->handlers->_free(storage, block, size);
    storage->handlers->dtor(storage);
}

static void check_refusal(void)
{
    CHECK_CASE("a size that no system has is refused");
    zend_mm_storage *storage = open_win32();
    CHECK(storage->handlers->_alloc(storage, SIZE_MAX - 4095) == NULL);
    CHECK(storage->handlers->_alloc(storage, (size_t)1 << 60) == NULL);
    storage->handlers->dtor(storage);
}

static void check_compaction(void)
{
    CHECK_CASE("compacting makes the Windows heap anew, and it works as before");
    zend_mm_storage *storage = open_win32();
    void *before = storage->data;
    void *block = storage->handlers->_alloc(storage, 2 * MIB);
    storage->handlers->_free(storage, block, 2 * MIB);
    storage->handlers->compact(storage);
    CHECK(storage->data != NULL && storage->data != before);
    block = storage->handlers->_alloc(storage, 2 * MIB);
    CHECK(block != NULL && is_aligned(block));
    storage->handlers->_free(storage, block, 2 * MIB);
    storage->handlers->dtor(storage);
}

static void check_end(void)
{
    enum { COUNT = 200 };
    size_t before = row_resident_size();
    CHECK_CASE("a storage that ends gives back what was still in use");
    for (int count = 0; count < COUNT; count++) {
        zend_mm_storage *storage = open_win32();
        memset(storage->handlers->_alloc(storage, 2 * MIB), 'x', 2 * MIB);
        storage->handlers->dtor(storage);
    }
    CHECK(row_resident_size() < before + 50 * MIB);
}

/* ---- the calls of alloc/ ---- */

static void check_mappings(void)
{
    CHECK_CASE("a mapping is zeroed, and a segment's is aligned");
    unsigned char *block = zend_mm_os_map(6 * MIB, ZEND_MM_OS_NO_FILE);
    CHECK(block != NULL && is_aligned(block) && is_filled(block, 0, 6 * MIB));
    zend_mm_os_unmap(block, 6 * MIB);
    CHECK(zend_mm_os_map(SIZE_MAX - 4095, ZEND_MM_OS_NO_FILE) == NULL);
    CHECK(zend_mm_os_map((size_t)1 << 60, ZEND_MM_OS_NO_FILE) == NULL);

    unsigned char *pages = zend_mm_os_map_pages(4096);
    CHECK(pages != NULL && is_filled(pages, 0, 4096));
    zend_mm_os_unmap(pages, 4096);
    CHECK(zend_mm_os_map_pages((size_t)1 << 60) == NULL);
}

static void check_clock_and_random(void)
{
    CHECK_CASE("the clock does not go back, and random numbers differ");
    uint64_t last = zend_mm_os_now(), random = zend_mm_os_random();
    for (int count = 0; count < 1000; count++) {
        uint64_t now = zend_mm_os_now(), next = zend_mm_os_random();
        CHECK(now >= last);
        CHECK(next != random);
        last = now;
        random = next;
    }
    CHECK(zend_mm_os_page_size() == 4096);
}

/* ---- the calls of tsrm/ ---- */

#ifdef ZTS

static atomic_int destroyed_count;  /* atomic: any order */
static bool is_over;                /* main thread only: no other thread will end */
static int value;

static void destroy(void *destroyed)
{
    if (is_over) {
        TerminateProcess(GetCurrentProcess(), 70);
    }
    destroyed_count += destroyed == &value;
}

static void set_value(void *arg)
{
    (void)arg;
    CHECK(tsrm_os_value_get() == NULL);
    CHECK(tsrm_os_value_set(&value) && tsrm_os_value_get() == &value);
}

static void set_and_clear_value(void *arg)
{
    set_value(arg);
    CHECK(tsrm_os_value_set(NULL));
}

static bool refuse(size_t size)
{
    (void)size;
    return false;
}

static void check_thread_value(void)
{
    CHECK_CASE("a thread's value is destroyed once, when the thread ends");
    tsrm_os_set_alloc_hook(refuse);
    CHECK(!tsrm_os_value_create(destroy));
    CHECK(tsrm_os_reserve(4096) == NULL && tsrm_os_alloc(1) == NULL);
    tsrm_os_set_alloc_hook(NULL);
    CHECK(tsrm_os_value_get() == NULL);
    CHECK(tsrm_os_value_create(destroy));
    row_thread_join(row_thread_start(set_value, NULL));
    CHECK(destroyed_count == 1);
    row_thread_join(row_thread_start(set_and_clear_value, NULL));
    CHECK(destroyed_count == 1);
    CHECK(tsrm_os_value_get() == NULL);
    /* Left for the end of the process, when nothing may be destroyed any more: see destroy(). */
    CHECK(tsrm_os_value_set(&value));
    is_over = true;
}

static void check_tsrm_memory(void)
{
    CHECK_CASE("tsrm's memory is zeroed and aligned, and its threads are Windows threads");
    unsigned char *reserved = tsrm_os_reserve(MIB);
    CHECK(reserved != NULL && is_filled(reserved, 0, MIB));
    tsrm_os_unreserve(reserved, MIB);
    unsigned char *memory = tsrm_os_alloc(100);
    CHECK((uintptr_t)memory % TSRM_OS_ALIGNMENT == 0 && is_filled(memory, 0, 100));
    tsrm_os_free(memory);
    CHECK(tsrm_os_alloc(SIZE_MAX) == NULL);
    CHECK(strcmp(tsrm_os_api_name(), "Windows Threads") == 0);
    CHECK(tsrm_os_thread_id() == zend_mm_os_thread_id());
}

#endif

int main(void)
{
    check_blocks();
    check_resizing();
    check_refusal();
    check_compaction();
    check_end();
    check_mappings();
    check_clock_and_random();
#ifdef ZTS
    check_tsrm_memory();
    check_thread_value();
#endif
    return check_summary();
}
