/* ZEND_MM_HARDENED=1: the heap works as ever, slots come in random order and are not reused at once,
 * mappings lie between guard pages. What it catches is in tests/death/hardened.c. */
#include "config.h"

#include <criterion/criterion.h>
#include <sys/wait.h>
#include <unistd.h>

#include "alloc/hardened.h"
#include "alloc/storage_guarded.h"
#include "stress/random.h"
#include "tests/unit/alloc_support.h"

static void begin(void)
{
    setenv("ZEND_MM_HARDENED", "1", 1);
    begin_memory_manager();
}

TestSuite(hardened, .init = begin, .timeout = 60);

Test(hardened, the_heap_is_the_built_in_one_and_counts_exactly)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(is_zend_mm());
    void *blocks[100];
    for (int number = 0; number < 100; number++) {
        blocks[number] = emalloc(unknown(100));
    }
    cr_assert_eq(usage(0), 11200u);
    for (int number = 0; number < 100; number++) {
        cr_assert(is_zend_ptr(blocks[number]));
        efree(blocks[number]);
    }
    cr_assert_eq(usage(0), 0u);
    check_valid(heap);
}

Test(hardened, slots_come_in_random_order)
{
    char *blocks[32];
    size_t ascending = 0;
    for (int number = 0; number < 32; number++) {
        blocks[number] = emalloc(unknown(128));
        ascending += number > 0 && blocks[number] == blocks[number - 1] + 128;
    }
    /* In order there are 31 such pairs; by chance more than 12 of them once in 10^11 runs. */
    cr_assert_lt(ascending, 13u);
}

#define ORDER_COUNT 24

/* The slots that a child is given, in their order, behind `act`. */
static void order_in_child(void (*act)(void), uintptr_t *order)
{
    int ends[2];
    cr_assert_eq(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        act();
        for (int number = 0; number < ORDER_COUNT; number++) {
            order[number] = number_of(emalloc(unknown(128)));
        }
        size_t size = ORDER_COUNT * sizeof *order;
        _exit(write(ends[1], order, size) == (ssize_t)size ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    cr_assert_eq(read(ends[0], order, ORDER_COUNT * sizeof *order),
        (ssize_t)(ORDER_COUNT * sizeof *order));
    close(ends[0]);
    close(ends[1]);
}

static void do_nothing(void)
{
}

Test(hardened, each_child_has_an_order_of_its_own_after_its_reset_or_a_refresh)
{
    static void (*const acts[])(void) = { do_nothing, end_request, refresh_memory_manager };
    for (size_t index = 0; index < 3; index++) {
        uintptr_t first[ORDER_COUNT], second[ORDER_COUNT];
        order_in_child(acts[index], first);
        order_in_child(acts[index], second);
        bool is_same = memcmp(first, second, sizeof first) == 0;
        cr_assert_eq(is_same, acts[index] == do_nothing);
    }
}

Test(hardened, a_freed_slot_is_not_reused_at_once)
{
    void *first = emalloc(unknown(100));
    uintptr_t address = number_of(first);
    efree(first);
    for (int number = 0; number < 100; number++) {
        void *block = emalloc(unknown(100));
        cr_assert_neq(number_of(block), address);
        efree(block);
    }
}

Test(hardened, random_operations_keep_contents_and_invariants)
{
    static unsigned char *blocks[500];
    static size_t sizes[500];
    uint64_t seed = 5;
    for (int step = 0; step < 40000; step++) {
        size_t index = stress_below(&seed, 500);
        size_t size = stress_below(&seed, stress_below(&seed, 50) == 0 ? 3000000 : 4000) + 1;
        if (blocks[index] != NULL) {
            cr_assert_eq(blocks[index][0], (unsigned char)index);
            cr_assert_eq(blocks[index][sizes[index] - 1], (unsigned char)index);
        }
        if (blocks[index] != NULL && stress_below(&seed, 3) != 0) {
            efree(blocks[index]);
            blocks[index] = NULL;
        } else {
            blocks[index] = erealloc(blocks[index], size);
            memset(blocks[index], (int)index, size);
            sizes[index] = size;
        }
    }
    check_valid(zend_mm_get_heap());
    for (size_t index = 0; index < 500; index++) {
        efree(blocks[index]);
    }
    cr_assert_eq(usage(0), 0u);
    (void)zend_mm_gc(zend_mm_get_heap());
    check_valid(zend_mm_get_heap());
}

Test(hardened, the_peak_does_not_show_the_moment_of_a_move)
{
    void *block = emalloc(unknown(3072));
    block = erealloc(block, unknown(5000));
    cr_assert_eq(usage(0), 8192u);
    cr_assert_eq(peak_usage(0), 8192u);
    efree(block);
}

Test(hardened, the_quarantine_is_freed_before_the_limit_is_an_error)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    static void *blocks[3000];
    size_t count = 0;
    while (count < 3000 && (blocks[count] = zend_mm_try_alloc(zend_mm_get_heap(), 3072)) != NULL) {
        count++;
    }
    cr_assert(count > 400 && count < 3000);
    for (size_t index = 0; index < count; index++) {
        efree(blocks[index]);
    }
    void *large = zend_mm_try_alloc(zend_mm_get_heap(), MIB);
    cr_assert_not_null(large);
    efree(large);
}

/* Fills the heap up to its limit with small blocks and frees them all: what the quarantine holds is
 * scattered over every run, so no run is free before it is flushed. */
static void fill_and_free(void)
{
    static void *blocks[3000];
    size_t count = 0;
    while (count < 3000 && (blocks[count] = zend_mm_try_alloc(zend_mm_get_heap(), 3072)) != NULL) {
        count++;
    }
    cr_assert(count > 400 && count < 3000);
    while (count > 0) {
        efree(blocks[--count]);
    }
}

Test(hardened, the_quarantine_is_freed_for_an_aligned_block_too)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    fill_and_free();
    void *aligned = zend_mm_try_alloc_aligned(zend_mm_get_heap(), 4096, MIB);
    cr_assert(aligned != NULL && is_aligned_to(aligned, 4096));
    efree(aligned);
    check_valid(zend_mm_get_heap());
}

Test(hardened, the_quarantine_is_freed_for_a_large_block_that_grows_too)
{
    cr_assert(zend_set_memory_limit(2 * MIB));
    char *large = emalloc(unknown(5000));
    large[4999] = 'z';
    fill_and_free();
    large = zend_mm_try_realloc(zend_mm_get_heap(), large, MIB);
    cr_assert(large != NULL && large[4999] == 'z');
    efree(large);
    check_valid(zend_mm_get_heap());
}

Test(hardened, requests_end_and_begin_anew)
{
    for (int request = 0; request < 5; request++) {
        for (size_t size = 1; size < 4000; size += 7) {
            void *block = emalloc(unknown(size));
            if (size % 2 == 0) {
                efree(block);
            }
        }
        end_request();
        cr_assert_eq(usage(0), 0u);
        cr_assert_eq(usage(1), 2 * MIB);
        check_valid(zend_mm_get_heap());
    }
    end_memory_manager();
}

Test(hardened, aligned_blocks_are_slots_like_others)
{
    for (size_t alignment = 8; alignment <= 2 * MIB; alignment *= 2) {
        void *block = emalloc_aligned(alignment, unknown(40));
        cr_assert(is_aligned_to(block, alignment));
        block = erealloc(block, unknown(400));
        efree(block);
    }
    cr_assert_eq(usage(0), 0u);
}

Test(hardened, it_goes_together_with_debugging)
{
    setenv("ZEND_MM_DEBUG", "padding=8,poison_free=1", 1);
    zend_mm_heap *heap = zend_mm_startup();
    cr_assert(heap->debug != NULL && heap->hardened != NULL);
    for (size_t size = 0; size < 5000; size += 11) {
        zend_mm_free(heap, zend_mm_realloc(heap, zend_mm_alloc(heap, size), size * 2));
    }
    check_valid(heap);
    zend_mm_shutdown(heap, 1, 1);
}

Test(hardened_off, with_0_it_is_off)
{
    setenv("ZEND_MM_HARDENED", "0", 1);
    begin_memory_manager();
    cr_assert_null(zend_mm_get_heap()->hardened);
}

Test(hardened_off, the_guarded_storage_gives_aligned_blocks_and_takes_all_back)
{
    zend_mm_heap *heap =
        zend_mm_startup_ex(&zend_mm_guarded_handlers, 2 * MIB, 0, 0, NULL);
    cr_assert_not_null(heap);
    char *block = zend_mm_alloc(heap, 10 * MIB);
    memset(block, 1, 10 * MIB);
    block = zend_mm_realloc(heap, block, 3 * MIB);
    block = zend_mm_realloc(heap, block, 6 * MIB);
    cr_assert_eq(block[3 * MIB - 1], 1);
    zend_mm_free(heap, block);
    cr_assert_null(zend_mm_guarded_handlers._alloc(heap->storage, SIZE_MAX - 4095));
    zend_mm_shutdown(heap, 1, 1);
}
