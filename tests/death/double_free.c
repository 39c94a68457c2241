/* Blocks freed twice: large and huge ones always, small ones while they are one of the two freed
 * last in their bin. */
#include "config.h"

#include "tests/death/death.h"

#define TWICE "a block was freed twice"
#define LARGE_TWICE "a large block was freed twice"
#define FOREIGN "free of an address that belongs to no heap"
#define NO_START "free of an address where no block starts"

/* Three blocks of a bin, none of them free. */
static void take_three(int bin, void **blocks)
{
    for (int number = 0; number < 3; number++) {
        blocks[number] = emalloc(unknown(zend_mm_bin_infos[bin].slot_size));
    }
}

static void test_small(void)
{
    void *blocks[ZEND_MM_BIN_COUNT][3];
    CHECK_CASE("in every bin a small block that is the only one freed is caught");
    if (!has_free_checks()) {
        return;
    }
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        take_three(bin, blocks[bin]);
        efree(blocks[bin][0]);
        check_panic(free_it, blocks[bin][0], TWICE, blocks[bin][0], bin);
    }
    CHECK_CASE("in every bin the small block that was freed last is caught");
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        for (int number = 1; number < 3; number++) {
            efree(blocks[bin][number]);
            check_panic(free_it, blocks[bin][number], TWICE, blocks[bin][number], bin);
        }
    }
    CHECK_CASE("in every bin the small block that was freed last but one is caught");
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        check_panic(free_it, blocks[bin][1], TWICE, blocks[bin][1], bin);
    }
}

static void free_as_bin(void *block)
{
    _efree_24(block);
}

static void free_in_heap(void *block)
{
    zend_mm_free(zend_mm_get_heap(), block);
}

static void test_every_free(void)
{
    CHECK_CASE("every way to free catches the block that was freed last");
    if (!has_free_checks()) {
        return;
    }
    void *block = emalloc(unknown(24));
    efree(block);
    check_panic(free_as_bin, block, TWICE, block, 2);
    check_panic(free_in_heap, block, TWICE, block, 2);
}

/* After a pop the list's second is not known: then the first alone is compared. */
static void test_after_a_pop(void)
{
    CHECK_CASE("after an allocation the block that is next is still caught");
    if (!has_free_checks()) {
        return;
    }
    void *a = emalloc(unknown(100)), *b = emalloc(unknown(100));
    efree(a);
    efree(b);
    CHECK(emalloc(unknown(100)) == at(b, 0) || is_hardened());
    check_panic(free_it, a, TWICE, a, 10);
}

static void move_it(void *block)
{
    (void)!erealloc(block, unknown(2000));
}

static void test_resized(void)
{
    CHECK_CASE("moving a block that was just freed is caught");
    if (!has_free_checks()) {
        return;
    }
    void *block = emalloc(unknown(100));
    efree(emalloc(unknown(2000)));      /* the new bin has a free slot */
    efree(block);
    check_panic(move_it, block, TWICE, block, 10);
    end_request();
    block = emalloc(unknown(100));      /* and now it has none */
    efree(block);
    check_panic(move_it, block, TWICE, block, 10);
}

/* Of a length whose freed blocks are held, or not. */
static void test_large(size_t size)
{
    CHECK_CASE(size < 9 * 4096 ? "a large block that is held is caught"
                               : "a large block between live ones is caught");
    void *before = emalloc(unknown(size)), *block = emalloc(unknown(size));
    void *after = emalloc(unknown(size));
    efree(block);
    check_panic(free_it, block, LARGE_TWICE, block, NO_BIN);
    check_panic(free_in_heap, block, LARGE_TWICE, block, NO_BIN);
    (void)zend_mm_gc(zend_mm_get_heap());
    check_panic(free_it, block, LARGE_TWICE, block, NO_BIN);

    CHECK_CASE("a large block that joined the free run before it is caught");
    efree(before);
    (void)zend_mm_gc(zend_mm_get_heap());
    check_panic(free_it, block, LARGE_TWICE, block, NO_BIN);
    check_panic(free_it, before, LARGE_TWICE, before, NO_BIN);

    CHECK_CASE("a large block that joined the free run behind it is caught");
    efree(after);
    (void)zend_mm_gc(zend_mm_get_heap());
    check_panic(free_it, before, LARGE_TWICE, before, NO_BIN);
    check_panic(free_it, after, LARGE_TWICE, after, NO_BIN);
}

static void test_huge(void)
{
    CHECK_CASE("a huge block whose mapping is cached is caught");
    void *block = emalloc(unknown(3 * MIB));
    efree(block);
    check_panic(free_it, block, FOREIGN, block, NO_BIN);
    CHECK_CASE("a huge block whose mapping is gone is caught");
    (void)zend_mm_gc(zend_mm_get_heap());
    check_panic(free_it, block, FOREIGN, block, NO_BIN);
}

static void test_collected(void)
{
    CHECK_CASE("a small block whose run a gc has freed is caught");
    end_request();
    void *block = emalloc(unknown(100));
    efree(block);
    (void)zend_mm_gc(zend_mm_get_heap());
    bool is_page = ((uintptr_t)block & 4095) == 0;
    check_panic(free_it, block, is_page ? LARGE_TWICE : NO_START, block, NO_BIN);
}

/* The first of three is no longer one of the two freed last: the list of free slots becomes a circle. */
static void close_circle_and_collect(void *blocks)
{
    void **slots = blocks;
    for (int number = 0; number < 4; number++) {
        efree(slots[number % 3]);
    }
    (void)zend_mm_gc(zend_mm_get_heap());
}

static void test_circle(void)
{
    CHECK_CASE("in every bin a small block freed twice, some frees ago, is found by a gc");
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        end_request();
        void *blocks[3];
        take_three(bin, blocks);
        /* Which of the three is met when the run has no more slots depends on the bin. */
        death result = die(close_circle_and_collect, blocks);
        CHECK(is_aborted(&result) && strstr(result.text, TWICE) != NULL);
    }
}

int main(void)
{
    begin_memory_manager();
    test_small();
    test_every_free();
    test_after_a_pop();
    test_resized();
    test_large(4096);
    test_large(9000);
    test_large(40000);
    test_huge();
    test_collected();
    test_circle();
    return check_summary();
}
