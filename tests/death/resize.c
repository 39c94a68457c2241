/* erealloc and zend_mem_block_size of addresses that are no block of the calling thread's heap. */
#include "config.h"

#include "tests/death/death.h"

#define NOT_OURS "not a block of this thread's heap"
#define INSIDE "an address inside a block"
#define INSIDE_HUGE "an address inside a huge block"
#define NO_START "an address where no block starts"

static char static_data[64];
static volatile size_t found_size;
static void *volatile resized;

static void resize(void *address)
{
    resized = erealloc(address, unknown(200));
}

static void resize_in_place(void *address)
{
    resized = erealloc(address, unknown(5 * 4096));
}

static void resize_recoverably(void *address)
{
    resized = erealloc2_recoverable(address, unknown(3 * MIB), 8);
}

static void resize_in_heap(void *address)
{
    resized = zend_mm_realloc(zend_mm_get_heap(), address, 200);
}

static void ask_size(void *address)
{
    found_size = zend_mem_block_size(address);
}

static void ask_size_in_heap(void *address)
{
    found_size = zend_mm_block_size(zend_mm_get_heap(), address);
}

/* All five calls must say the same. */
static void check_all(void *address, const char *what, int bin)
{
    void (*const calls[])(void *) = { resize, resize_recoverably, resize_in_heap, ask_size,
        ask_size_in_heap };
    for (size_t index = 0; index < 5; index++) {
        check_panic(calls[index], address, what, address, bin);
    }
}

int main(void)
{
    begin_memory_manager();
    int local = 0;
    void *foreign = malloc(64);
    CHECK_CASE("resizing memory of others is caught");
    check_all(foreign, NOT_OURS, NO_BIN);
    check_all(&local, NOT_OURS, NO_BIN);
    check_all(static_data, NOT_OURS, NO_BIN);
    check_all(at(NULL, 8), NOT_OURS, NO_BIN);
    check_all(at(NULL, -4096), NOT_OURS, NO_BIN);
    free(foreign);

    CHECK_CASE("resizing a block of another heap is caught");
    zend_mm_heap *other = new_heap();
    check_all(zend_mm_alloc(other, 100), NOT_OURS, NO_BIN);
    check_all(zend_mm_alloc(other, 5000), NOT_OURS, NO_BIN);
    check_all(zend_mm_alloc(other, 3 * MIB), NOT_OURS, NO_BIN);

    CHECK_CASE("resizing an address inside a small block is caught");
    char *small = emalloc(unknown(100));
    check_all(at(small, 8), INSIDE, 10);
    check_all(at(small, 1), INSIDE, 10);

    CHECK_CASE("resizing an address inside a large block is caught");
    char *large = emalloc(unknown(5 * 4096));
    check_all(at(large, 16), NO_START, NO_BIN);
    check_all(at(large, 4096), NO_START, NO_BIN);
    check_all(at(large, 4 * 4096), NO_START, NO_BIN);

    CHECK_CASE("resizing an address inside a huge block is caught");
    char *huge = emalloc(unknown(5 * MIB));
    check_all(at(huge, 8), INSIDE_HUGE, NO_BIN);
    check_all(at(huge, 4096), INSIDE_HUGE, NO_BIN);
    check_all(at(huge, 2 * 1024 * 1024), NOT_OURS, NO_BIN);

    CHECK_CASE("resizing a large or huge block that was freed is caught");
    char *after = emalloc(unknown(5000));
    efree(large);
    check_all(large, NO_START, NO_BIN);
    check_panic(resize_in_place, large, NO_START, large, NO_BIN);
    (void)zend_mm_gc(zend_mm_get_heap());       /* held no longer */
    check_all(large, NO_START, NO_BIN);
    efree(huge);
    check_all(huge, NOT_OURS, NO_BIN);
    efree(after);

    CHECK_CASE("resizing a segment's header is caught");
    check_all(zend_mm_segment_of(small), NO_START, NO_BIN);
    return check_summary();
}
