/* Frees of another heap's blocks: what is refused at once, and what its owner finds later. Two
 * heaps of one thread behave like those of two, so no thread is needed. */
#include "config.h"

#include "alloc/globals.h"
#include "tests/death/death.h"

/* The heap's thread is the one that made it, the parent; the child is another one. */
static const char *not_ours(void)
{
    static char text[80];
    snprintf(text, sizeof text, "free of a block of another thread's heap (of thread %ld)",
        (long)getpid());
    return text;
}

static zend_mm_heap *other;

static void drain(void)
{
    (void)zend_mm_gc(other);
}

static void free_and_drain(void *address)
{
    efree(address);
    drain();
}

static void free_here_and_there(void *address)
{
    efree(address);
    zend_mm_free(other, address);
    drain();
}

static void test_panic_policy(void)
{
    zend_mm_remote_free_policy = ZEND_MM_REMOTE_FREE_PANIC;
    CHECK_CASE("with the policy `panic` a block of another heap is caught");
    void *blocks[] = { zend_mm_alloc(other, 100), zend_mm_alloc(other, 5000),
        zend_mm_alloc(other, 3 * MIB) };
    for (size_t index = 0; index < 3; index++) {
        check_panic(free_it, blocks[index], not_ours(), blocks[index], NO_BIN);
    }
    zend_mm_remote_free_policy = ZEND_MM_REMOTE_FREE_ACCEPT;
}

static void test_internal(void)
{
    CHECK_CASE("an internal heap takes no remote frees");
    zend_mm_heap *internal = zend_mm_startup_ex(&zend_mm_storage_find(NULL)->handlers,
        ZEND_MM_SEGMENT_SIZE, 0, 1, NULL);
    void *block = zend_mm_alloc(internal, 100);
    check_panic(free_it, block, not_ours(), block, NO_BIN);
    zend_mm_shutdown(internal, 1, 1);
}

static void test_interior(void)
{
    CHECK_CASE("an address inside another heap's huge block is caught at once");
    char *huge = zend_mm_alloc(other, 3 * MIB);
    check_panic(free_it, at(huge, 4096), "free of an address inside a huge block",
        at(huge, 4096), NO_BIN);
    CHECK_CASE("an address that is not 8-aligned is caught at once");
    char *block = zend_mm_alloc(other, 100);
    check_panic(free_it, at(block, 4), "free of an address inside a block", at(block, 4), NO_BIN);
    CHECK_CASE("an address inside another heap's small block is caught by its owner");
    check_panic(free_and_drain, at(block, 8), "free of an address inside a block", at(block, 8),
        10);
    CHECK_CASE("an address inside another heap's large block is caught by its owner");
    char *large = zend_mm_alloc(other, 5 * 4096);
    check_panic(free_and_drain, at(large, 4096), "free of an address inside a large block",
        at(large, 4096), NO_BIN);
}

static void test_twice(void)
{
    CHECK_CASE("a block freed by another thread and by its owner is caught by the owner");
    if (!has_free_checks()) {
        return;
    }
    void *small = zend_mm_alloc(other, 100);
    check_panic(free_here_and_there, small, "a block was freed twice", small, 10);
    void *large = zend_mm_alloc(other, 5000);
    void *wall = zend_mm_alloc(other, 5000);
    check_panic(free_here_and_there, large, "a large block was freed twice", large, NO_BIN);
    void *huge = zend_mm_alloc(other, 3 * MIB);
    check_panic(free_here_and_there, huge, "a block was freed twice, once by another thread", huge,
        NO_BIN);
    zend_mm_free(other, wall);
}

/* Two more frees in between: the block is none of the two freed last, so the list's broken link is
 * what the owner finds, unless it remembers its blocks. */
static void free_with_others_between(void *address)
{
    void *others[] = { zend_mm_alloc(other, 100), zend_mm_alloc(other, 100) };
    efree(address);
    zend_mm_free(other, address);
    zend_mm_free(other, others[0]);
    zend_mm_free(other, others[1]);
    drain();
}

#define TWICE "zend_mm_heap corrupted\na block was freed twice: "
#define ONCE_REMOTE "zend_mm_heap corrupted\na block was freed twice, once by another thread: "

static void test_twice_and_gone(void)
{
    CHECK_CASE("a block freed by another thread and, some frees ago, by its owner is caught");
    death result = die(free_with_others_between, zend_mm_alloc(other, 100));
    CHECK(is_aborted(&result));
    const char *text = ZEND_DEBUG ? TWICE : ONCE_REMOTE;
    CHECK(strncmp(result.text, text, strlen(text)) == 0);

    CHECK_CASE("a huge block freed by another thread and given back by its owner is caught");
    void *huge = zend_mm_alloc(other, ZEND_MM_HUGE_CACHE_SIZE + 2 * MIB);
    check_panic(free_here_and_there, huge, "a block was freed twice, once by another thread", huge,
        NO_BIN);
    zend_mm_free(other, huge);
}

static void test_ended(void)
{
    CHECK_CASE("a block of a heap that has ended is caught");
    void *block = zend_mm_alloc(other, 100);
    zend_mm_shutdown(other, 1, 1);
    check_panic(free_it, block, "free of an address that belongs to no heap", block, NO_BIN);
}

int main(void)
{
    begin_memory_manager();
    other = new_heap();
    test_panic_policy();
    test_internal();
    test_interior();
    test_twice();
    test_twice_and_gone();
    test_ended();
    return check_summary();
}
