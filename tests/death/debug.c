/* What ZEND_MM_DEBUG catches: writes beside a block, any double free, damaged free lists. */
#include "config.h"

#include "tests/death/death.h"

#define BEYOND "a block was written beyond its end"
#define BEFORE "a block was written before its start"
#define TWICE "a block was freed twice"

static void end_request_with(void *block)
{
    (void)block;
    end_request();
}

static void resize_it(void *block)
{
    (void)!erealloc(block, unknown(500));
}

static void test_padding(void)
{
    CHECK_CASE("a byte beyond the end of a block is noticed when it is freed, resized or dies");
    static const size_t sizes[] = { 1, 100, 5000, 3 * 1024 * 1024 };
    for (size_t index = 0; index < 4; index++) {
        char *block = emalloc(unknown(sizes[index]));
        int bin = sizes[index] <= 100 ? (int)zend_mm_bin_of(sizes[index] + 16) : NO_BIN;
        char *behind = at(block, (ptrdiff_t)sizes[index]), kept = *behind;
        *behind = 1;
        check_panic(free_it, block, BEYOND, block, bin);
        check_panic(resize_it, block, BEYOND, block, bin);
        check_panic(end_request_with, NULL, BEYOND, block, bin);
        *behind = kept;
        efree(block);
    }
    CHECK_CASE("a byte before the start of a block is noticed");
    char *block = emalloc(unknown(100));
    char *before = at(block, -1), kept = *before;
    *before = 1;
    check_panic(free_it, block, BEFORE, block, (int)zend_mm_bin_of(116));
    *before = kept;
    efree(block);
}

static void test_double_free(void)
{
    CHECK_CASE("any small block that is freed twice is caught, however long ago it was freed");
    void *blocks[50];
    for (int number = 0; number < 50; number++) {
        blocks[number] = emalloc(unknown(100));
    }
    for (int number = 0; number < 50; number++) {
        efree(blocks[number]);
    }
    for (int number = 0; number < 50; number += 7) {
        check_panic(free_it, blocks[number], TWICE, blocks[number], (int)zend_mm_bin_of(116));
        check_panic(resize_it, blocks[number], TWICE, blocks[number], (int)zend_mm_bin_of(116));
    }
}

static void test_never_handed_out(void)
{
    CHECK_CASE("freeing a slot that was never handed out is caught");
    end_request();
    uintptr_t base = (uintptr_t)emalloc(unknown(496)) - 8, page = base & ~(uintptr_t)4095;
    for (uintptr_t offset = 512; offset < 4096; offset += 512) {
        void *other = at(NULL, (ptrdiff_t)(page + (base - page + offset) % 4096 + 8));
        check_panic(free_it, other, TWICE, other, (int)zend_mm_bin_of(512));
    }
}

static void damage_a_free_slot(void *slot)
{
    memset(slot, 0xff, 16);
    end_request();
}

static void test_free_lists(void)
{
    CHECK_CASE("check_freelists_on_shutdown notices a free slot that was overwritten");
    if (!has_free_checks()) {
        return;
    }
    void *block = emalloc(unknown(1000));
    void *slot = at(block, -8);
    efree(block);
    death result = die(damage_a_free_slot, slot);
    CHECK(is_aborted(&result));
    CHECK(strncmp(result.text, "zend_mm_heap corrupted\n", 23) == 0);
}

static void test_foreign(void)
{
    CHECK_CASE("resizing an address that is no block's is caught");
    static char variable[16];
    check_panic(resize_it, variable, "not a block of this thread's heap", variable, NO_BIN);
}

/* ---- settings ---- */

static void start_with(void *value)
{
    setenv("ZEND_MM_DEBUG", value, 1);
    (void)!zend_mm_startup();
}

static void check_exit(const char *value, const char *text)
{
    death result = die(start_with, at(value, 0));
    CHECK(is_exit(&result, 255) && is_text(&result, text));
}

static void test_settings(void)
{
    CHECK_CASE("a wrong ZEND_MM_DEBUG says what is wrong and exits with 255");
    check_exit("padding", "Unexpected EOF after ZEND_MM_DEBUG parameter 'padding', expected '='\n");
    check_exit("poison_alloc=1,leak",
        "Unexpected EOF after ZEND_MM_DEBUG parameter 'leak', expected '='\n");
    check_exit("padding=12", "ZEND_MM_DEBUG padding must be a multiple of 8, 12 given\n");
    check_exit("poison=1", "Unknown ZEND_MM_DEBUG parameter: 'poison'\n");
    check_exit("padding=8,Leaks=1", "Unknown ZEND_MM_DEBUG parameter: 'Leaks'\n");
}

int main(void)
{
    test_settings();
    setenv("ZEND_MM_DEBUG", "padding=8,check_freelists_on_shutdown=1,leaks=0", 1);
    begin_memory_manager();
    test_padding();
    test_double_free();
    test_never_handed_out();
    test_free_lists();
    test_foreign();
    return check_summary();
}
