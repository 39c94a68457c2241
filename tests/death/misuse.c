/* Frees of addresses that are no block: each ends the process, and says what was found. */
#include "config.h"

#include "tests/death/death.h"

#define FOREIGN "free of an address that belongs to no heap"
#define INSIDE "free of an address inside a block"
#define INSIDE_LARGE "free of an address inside a large block"
#define INSIDE_HUGE "free of an address inside a huge block"
#define NO_START "free of an address where no block starts"

static char static_data[64];
static const char constant_data[64];

/* ---- addresses of no heap ---- */

static void test_foreign_addresses(void)
{
    void *foreign = malloc(64);
    int local = 0;

    CHECK_CASE("freeing a block of malloc is caught");
    check_panic(free_it, foreign, FOREIGN, foreign, NO_BIN);
    CHECK_CASE("freeing an address of the stack is caught");
    check_panic(free_it, &local, FOREIGN, &local, NO_BIN);
    CHECK_CASE("freeing static data is caught");
    check_panic(free_it, static_data, FOREIGN, static_data, NO_BIN);
    check_panic(free_it, at(constant_data, 8), FOREIGN, at(constant_data, 8), NO_BIN);
    CHECK_CASE("freeing a function is caught");
    void *function = at((const void *)(uintptr_t)test_foreign_addresses, 0);
    check_panic(free_it, function, FOREIGN, function, NO_BIN);
    free(foreign);
}

static void test_wild_addresses(void)
{
    static const uint64_t wild[] = { 1, 8, 0x10, 4096, 0x200000, UINT64_C(0x7ffffffff000),
        UINT64_C(0x800000000000), UINT64_C(0x800000000010), UINT64_C(0xdeadbeefdeadbeef),
        UINT64_C(0xffff800000000000), UINT64_C(0xfffffffffffffff8), UINT64_C(0xffffffffffffffff) };

    CHECK_CASE("freeing NULL plus a little, a kernel or a non-canonical address is caught unread");
    for (size_t index = 0; index < sizeof wild / sizeof wild[0]; index++) {
        void *address = at(NULL, (ptrdiff_t)wild[index]);
        check_panic(free_it, address, FOREIGN, address, NO_BIN);
    }
}

/* ---- addresses inside blocks ---- */

static void test_interior_small(void)
{
    CHECK_CASE("freeing any offset inside a small block is caught");
    if (!has_free_checks()) {
        return;
    }
    static const size_t sizes[] = { 8, 24, 56, 80 };
    for (size_t index = 0; index < 4; index++) {
        (void)!emalloc(unknown(sizes[index]));      /* not the run's first slot */
        char *block = emalloc(unknown(sizes[index]));
        int bin = (int)zend_mm_bin_of(sizes[index]);
        for (ptrdiff_t offset = 1; offset < (ptrdiff_t)sizes[index]; offset++) {
            check_panic(free_it, at(block, offset), INSIDE, at(block, offset), bin);
        }
    }

    CHECK_CASE("freeing inside a block of every bin is caught, also on a later page of its run");
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        ptrdiff_t size = zend_mm_bin_infos[bin].slot_size;
        char *block = NULL;
        for (int count = 0; count < 4; count++) {
            block = emalloc(unknown((size_t)size));
        }
        const ptrdiff_t offsets[] = { 1, 4, size / 2 + (size == 8), size - 1, -1 };
        /* In random order the slot before may be another run's last. */
        size_t count = is_hardened() ? 4 : 5;
        for (size_t index = 0; index < count; index++) {
            void *address = at(block, offsets[index]);
            check_panic(free_it, address, INSIDE, address, bin);
        }
    }
}

static void test_run_tail(void)
{
    CHECK_CASE("freeing the unused tail of a run is caught");
    if (!has_free_checks()) {
        return;
    }
    char *first = at(emalloc(unknown(24)), 0);
    char *run = at(NULL, (ptrdiff_t)((uintptr_t)first & ~(uintptr_t)4095));
    check_panic(free_it, at(run, 170 * 24), INSIDE, at(run, 170 * 24), 2);
}

static void test_interior_large(void)
{
    CHECK_CASE("freeing inside a large block is caught");
    char *block = emalloc(unknown(5 * 4096));
    static const ptrdiff_t bytes[] = { 1, 8, 16, 2048, 4095 };
    for (size_t index = 0; index < 5; index++) {
        void *address = at(block, bytes[index]);
        check_panic(free_it, address, INSIDE_LARGE, address, NO_BIN);
        address = at(block, 4 * 4096 + bytes[index]);
        check_panic(free_it, address, INSIDE_LARGE, address, NO_BIN);
        address = at(block, 2 * 4096 + bytes[index]);
        check_panic(free_it, address, INSIDE_LARGE, address, NO_BIN);
    }

    CHECK_CASE("freeing a later page of a large block is caught");
    for (int page = 1; page < 4; page++) {
        check_panic(free_it, at(block, page * 4096), INSIDE_LARGE, at(block, page * 4096), NO_BIN);
    }
    check_panic(free_it, at(block, 4 * 4096), INSIDE_LARGE, at(block, 4 * 4096), NO_BIN);
}

static void test_segment_header(void)
{
    CHECK_CASE("freeing a segment's header is caught");
    char *segment = (char *)zend_mm_segment_of(emalloc(unknown(24)));
    check_panic(free_it, segment, NO_START, segment, NO_BIN);
    check_panic(free_it, at(segment, 2048), NO_START, at(segment, 2048), NO_BIN);
    check_panic(free_it, at(segment, 24), NO_START, at(segment, 24), NO_BIN);
}

static void test_interior_huge(void)
{
    CHECK_CASE("freeing inside the first 2 MiB of a huge block is caught");
    char *block = emalloc(unknown(5 * MIB));
    static const ptrdiff_t offsets[] = { 1, 8, 16, 4096, 2 * 1024 * 1024 - 8 };
    for (size_t index = 0; index < 5; index++) {
        void *address = at(block, offsets[index]);
        check_panic(free_it, address, INSIDE_HUGE, address, NO_BIN);
    }
    CHECK_CASE("freeing inside a huge block beyond its first 2 MiB is caught");
    check_panic(free_it, at(block, 2 * 1024 * 1024), FOREIGN, at(block, 2 * 1024 * 1024), NO_BIN);
    check_panic(free_it, at(block, 4 * 1024 * 1024 + 8), FOREIGN,
        at(block, 4 * 1024 * 1024 + 8), NO_BIN);
    efree(block);
}

/* ---- dead pointers ---- */

static void test_dead_after_reset(void)
{
    CHECK_CASE("after a request end a block of a segment that is gone is caught");
    void *large[3], *huge = emalloc(unknown(3 * MIB));
    for (int number = 0; number < 3; number++) {
        large[number] = emalloc(unknown(ZEND_MM_MAX_LARGE_SIZE));
    }
    end_request();
    for (int number = 0; number < 3; number++) {
        check_panic(free_it, large[number], FOREIGN, large[number], NO_BIN);
    }
    CHECK_CASE("after a request end a huge block is caught");
    check_panic(free_it, huge, FOREIGN, huge, NO_BIN);

    CHECK_CASE("after a request end a large block of the first segment is caught");
    void *block = emalloc(unknown(300 * KIB));
    end_request();
    CHECK(zend_mm_owner_of(block) == zend_mm_get_heap()->index);
    death result = die(free_it, block);
    CHECK(is_aborted(&result));
    CHECK(strncmp(result.text, "zend_mm_heap corrupted\n", 23) == 0);
}

static void test_dead_after_end(void)
{
    CHECK_CASE("after the end of its heap a block is caught");
    zend_mm_heap *heap = new_heap();
    void *small = zend_mm_alloc(heap, 100), *large = zend_mm_alloc(heap, 5000);
    void *huge = zend_mm_alloc(heap, 3 * MIB);
    zend_mm_shutdown(heap, 1, 1);
    check_panic(free_it, small, FOREIGN, small, NO_BIN);
    check_panic(free_it, large, FOREIGN, large, NO_BIN);
    check_panic(free_it, huge, FOREIGN, huge, NO_BIN);
}

/* ---- every way to free ---- */

static void free_as_bin(void *address)
{
    _efree_24(address);
}

static void free_as_large(void *address)
{
    _efree_large(address, 5000);
}

static void free_as_huge(void *address)
{
    _efree_huge(address, 3 * MIB);
}

static void free_in_heap(void *address)
{
    zend_mm_free(zend_mm_get_heap(), address);
}

static void test_every_free(void)
{
    CHECK_CASE("every way to free catches a foreign and an interior address");
    if (!has_free_checks()) {
        return;
    }
    void (*const ways[])(void *) = { free_as_bin, free_as_large, free_as_huge, free_in_heap };
    char *block = emalloc(unknown(100));
    for (size_t index = 0; index < 4; index++) {
        check_panic(ways[index], static_data, FOREIGN, static_data, NO_BIN);
        check_panic(ways[index], at(block, 8), INSIDE, at(block, 8), 10);
    }
}

static void free_without_heap(void *address)
{
    efree(address);
}

int main(void)
{
    CHECK_CASE("freeing something before the memory manager has started is caught");
    check_panic(free_without_heap, static_data, FOREIGN, static_data, NO_BIN);

    begin_memory_manager();
    test_foreign_addresses();
    test_wild_addresses();
    test_interior_small();
    test_run_tail();
    test_interior_large();
    test_segment_header();
    test_interior_huge();
    test_dead_after_reset();
    test_dead_after_end();
    test_every_free();
    return check_summary();
}
