/* What a debug build catches by itself, without any setting: every double free of a small block,
 * writes beside a block. */
#include "config.h"

#include "alloc/globals.h"
#include "tests/death/death.h"

#define TWICE "a block was freed twice"
#define PADDING ((size_t)16)
#define BLOCK_COUNT 40

static int padded_bin(size_t size)
{
    return (int)zend_mm_bin_of(size + 2 * PADDING);
}

static void resize_it(void *block)
{
    (void)!erealloc(block, unknown(5000));
}

static void test_double_free_of_each_size(void)
{
    CHECK_CASE("a small block of any bin that is freed twice is caught, however long ago");
    for (size_t size = 8; size + 2 * PADDING <= ZEND_MM_MAX_SMALL_SIZE; size += size / 2) {
        void *blocks[BLOCK_COUNT];
        for (int number = 0; number < BLOCK_COUNT; number++) {
            blocks[number] = emalloc(unknown(size));
        }
        for (int number = 0; number < BLOCK_COUNT; number++) {
            efree(blocks[number]);
        }
        check_panic(free_it, blocks[0], TWICE, blocks[0], padded_bin(size));
        check_panic(free_it, blocks[BLOCK_COUNT - 1], TWICE, blocks[BLOCK_COUNT - 1],
            padded_bin(size));
    }
    CHECK_CASE("resizing a block that was freed is caught");
    void *block = emalloc(unknown(100));
    efree(block);
    check_panic(resize_it, block, TWICE, block, padded_bin(100));
}

static zend_mm_heap *other;

static void free_in_other(void *block)
{
    zend_mm_free(other, block);
}

static void free_remotely_twice(void *block)
{
    efree(block);
    zend_mm_free(other, block);
    (void)zend_mm_gc(other);
}

static void test_other_heaps(void)
{
    CHECK_CASE("a heap that a program makes for itself catches it, too");
    void *block = zend_mm_alloc(other, unknown(100));
    zend_mm_free(other, zend_mm_alloc(other, unknown(100)));
    void *freed = zend_mm_alloc(other, unknown(100));
    zend_mm_free(other, freed);
    check_panic(free_in_other, freed, TWICE, freed, padded_bin(100));
    CHECK_CASE("a block freed by another thread and by its owner is caught by the owner");
    check_panic(free_remotely_twice, block, TWICE, block, padded_bin(100));
}

static void test_other_kinds(void)
{
    CHECK_CASE("a large block that is freed twice is caught");
    void *large = emalloc(unknown(20000)), *wall = emalloc(unknown(20000));
    efree(large);
    death result = die(free_it, large);
    CHECK(is_aborted(&result) && strstr(result.text, "zend_mm_heap corrupted\n") == result.text);
    CHECK_CASE("a huge block that is freed twice is caught");
    void *huge = emalloc(unknown(3 * MIB));
    efree(huge);
    result = die(free_it, huge);
    CHECK(is_aborted(&result) && strstr(result.text, "zend_mm_heap corrupted\n") == result.text);
    efree(wall);
}

static void test_writes(void)
{
    CHECK_CASE("a byte beyond the end or before the start is caught when the block is freed");
    static const size_t sizes[] = { 1, 100, 3040, 5000, 3 * 1024 * 1024 };
    for (size_t index = 0; index < 5; index++) {
        char *block = emalloc(unknown(sizes[index]));
        int bin = sizes[index] <= 3040 ? padded_bin(sizes[index]) : NO_BIN;
        char *behind = at(block, (ptrdiff_t)sizes[index]), *before = at(block, -1);
        char kept = *behind;
        *behind = 1;
        check_panic(free_it, block, "a block was written beyond its end", block, bin);
        *behind = kept;
        *before = 1;
        check_panic(free_it, block, "a block was written before its start", block, bin);
        *before = kept;
        efree(block);
    }
}

int main(void)
{
    if (!ZEND_DEBUG) {
        CHECK_CASE("what a debug build catches by itself");
        CHECK_SKIP("not configured with --enable-debug");
        return check_summary();
    }
    unsetenv("ZEND_MM_DEBUG");
    begin_memory_manager();
    other = new_heap();
    test_double_free_of_each_size();
    test_other_heaps();
    test_other_kinds();
    test_writes();
    return check_summary();
}
