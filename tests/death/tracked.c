/* USE_ZEND_ALLOC=0 with USE_TRACKED_ALLOC=1: nothing is freed that is not remembered. */
#include "config.h"

#include "tests/death/death.h"

#define UNKNOWN "not a live block of this heap"

static void resize_it(void *block)
{
    (void)!erealloc(block, unknown(10));
}

static void size_it(void *block)
{
    (void)!zend_mem_block_size(block);
}

int main(void)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    setenv("USE_TRACKED_ALLOC", "1", 1);
    begin_memory_manager();

    CHECK_CASE("a block that is freed twice is caught before the C library sees it");
    void *block = emalloc(unknown(100)), *live = emalloc(unknown(100));
    efree(block);
    check_panic(free_it, block, UNKNOWN, block, NO_BIN);
    check_panic(resize_it, block, UNKNOWN, block, NO_BIN);
    check_panic(size_it, block, UNKNOWN, block, NO_BIN);

    CHECK_CASE("an address inside a block, and one of nobody, is caught");
    int local = 0;
    check_panic(free_it, at(live, 8), UNKNOWN, at(live, 8), NO_BIN);
    check_panic(free_it, &local, UNKNOWN, &local, NO_BIN);

    CHECK_CASE("a block that died with its request is caught");
    end_request();
    check_panic(free_it, live, UNKNOWN, live, NO_BIN);
    return check_summary();
}
