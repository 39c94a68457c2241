/* ZEND_MM_HARDENED=1: what the default build cannot see. The misuses that it sees, too, are in the other
 * programs of this folder, which tests/death/hardened_misuse.sh runs in this mode. */
#include "config.h"

#include "alloc/hardened.h"
#include "tests/death/death.h"

#define TWICE "a block was freed twice"
#define OVERWRITTEN "a free slot was overwritten"

#define COUNT 40

static void test_double_free(void)
{
    CHECK_CASE("in every bin a small block that is freed twice is caught, however long ago");
    for (int bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        void *blocks[COUNT];
        for (int number = 0; number < COUNT; number++) {
            blocks[number] = emalloc(unknown(zend_mm_bin_infos[bin].slot_size));
        }
        for (int number = 0; number < COUNT; number++) {
            efree(blocks[number]);
        }
        for (int number = 0; number < COUNT; number += 13) {
            check_panic(free_it, blocks[number], TWICE, blocks[number], bin);
        }
    }
}

static void move_it(void *block)
{
    (void)!erealloc(block, unknown(2000));
}

static void free_slot_never_handed_out(void *block)
{
    efree(block);
}

static void test_dead_slots(void)
{
    CHECK_CASE("resizing a block that was freed is caught");
    void *block = emalloc(unknown(100)), *other = emalloc(unknown(100));
    efree(block);
    efree(other);
    check_panic(move_it, block, TWICE, block, 10);

    CHECK_CASE("freeing a slot that was never handed out is caught");
    end_request();
    char *slots[2] = { emalloc(unknown(2048)), NULL };
    uintptr_t page = (uintptr_t)slots[0] & ~(uintptr_t)4095;
    slots[1] = at(NULL, (ptrdiff_t)((uintptr_t)slots[0] == page ? page + 2048 : page));
    check_panic(free_slot_never_handed_out, slots[1], TWICE, slots[1], 27);
}

static void collect(void *unused)
{
    (void)unused;
    (void)zend_mm_gc(zend_mm_get_heap());
}

static void end_it(void *unused)
{
    (void)unused;
    end_request();
}

static void test_write_after_free(void)
{
    CHECK_CASE("a write to any byte of a freed slot is caught when it leaves the quarantine");
    char *block = emalloc(unknown(100));
    efree(block);
    for (ptrdiff_t offset = 0; offset < 112; offset += 37) {
        char *byte = at(block, offset), kept = *byte;
        *byte = 1;
        check_panic(collect, NULL, OVERWRITTEN, block, 10);
        *byte = kept;
    }

    CHECK_CASE("it is caught at the request end, if the slot still rests then");
    char *last = at(block, 111), kept = *last;
    *last = 1;
    check_panic(end_it, NULL, OVERWRITTEN, block, 10);
    *last = kept;
}

/* ---- guard pages ---- */

static void write_to(void *address)
{
    *(volatile char *)address = 1;
}

static bool faults(void *address)
{
    death result = die(write_to, address);
    int end = WIFSIGNALED(result.status) ? WTERMSIG(result.status) : 0;
    /* A sanitizer turns the signal into its own report and exit. */
    return end == SIGSEGV || end == SIGBUS
        || (TSRMALLOC_SANITIZE_ADDRESS && strstr(result.text, "SEGV") != NULL)
        || (TSRMALLOC_SANITIZE_THREAD && strstr(result.text, "SEGV") != NULL);
}

static void test_guard_pages(void)
{
    CHECK_CASE("the pages before and behind a huge block cannot be touched");
    const ptrdiff_t size = 3 * 1024 * 1024;
    char *block = emalloc(unknown((size_t)size));
    memset(block, 1, (size_t)size);
    CHECK(faults(at(block, -1)));
    CHECK(faults(at(block, -2 * 1024 * 1024)));
    CHECK(faults(at(block, size)));
    CHECK(!faults(at(block, size - 1)));
    block = erealloc(block, unknown((size_t)(size - 512 * 1024)));
    CHECK(faults(at(block, size - 512 * 1024)));
    efree(block);

    CHECK_CASE("neither can those around a segment");
    char *segment = at(NULL, (ptrdiff_t)((uintptr_t)emalloc(unknown(24)) & ~(2 * MIB - 1)));
    CHECK(faults(at(segment, -1)));
    CHECK(faults(at(segment, 2 * 1024 * 1024)));
}

int main(void)
{
    setenv("ZEND_MM_HARDENED", "1", 1);
    begin_memory_manager();
    test_double_free();
    test_dead_slots();
    test_write_after_free();
    test_guard_pages();
    return check_summary();
}
