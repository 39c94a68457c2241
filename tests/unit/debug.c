/* ZEND_MM_DEBUG in any build: its parameters, what they fill, and that the heap stays what it is. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/debug.h"
#include "alloc/environment.h"
#include "alloc/globals.h"
#include "tests/unit/alloc_support.h"

#define ALL "poison_alloc=0xbe,poison_free=0xeb,padding=16,check_freelists_on_shutdown=1,leaks=0"

static void begin_with(const char *value)
{
    setenv("ZEND_MM_DEBUG", value, 1);
    begin_memory_manager();
}

static void begin(void)
{
    begin_with(ALL);
}

TestSuite(debug, .init = begin, .timeout = 60);

/* The address as a number: the compiler knows where blocks end, and padding lies beyond. */
static bool is_filled_at(uintptr_t address, int byte, size_t size)
{
    const void *volatile block = (const void *)address;
    for (size_t index = 0; index < size; index++) {
        if (((const unsigned char *)block)[index] != (unsigned char)byte) {
            return false;
        }
    }
    return true;
}

static bool is_filled(const void *block, int byte, size_t size)
{
    return is_filled_at(number_of(block), byte, size);
}

Test(debug_settings, each_parameter_is_read_and_the_rest_stays)
{
    zend_mm_debug_settings settings = { .poison_alloc = ZEND_MM_NO_POISON,
        .poison_free = ZEND_MM_NO_POISON };
    zend_mm_parse_debug("", &settings);
    zend_mm_parse_debug("padding=8", &settings);
    cr_assert(settings.padding == 8 && settings.poison_alloc == ZEND_MM_NO_POISON);
    zend_mm_parse_debug("poison_alloc=0xff,poison_free=12,leaks=1,backtrace=1", &settings);
    cr_assert(settings.poison_alloc == 255 && settings.poison_free == 12);
    cr_assert(settings.reports_leaks && settings.takes_backtraces && !settings.check_freelists);
    zend_mm_parse_debug("check_freelists_on_shutdown=1,leaks=0,", &settings);
    cr_assert(settings.check_freelists && !settings.reports_leaks && settings.padding == 8);
}

Test(debug, the_heap_stays_the_built_in_one)
{
    void *block = emalloc(unknown(100));
    cr_assert(is_zend_mm());
    cr_assert(is_zend_ptr(block));
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_dispatch_heap);
    cr_assert_eq(zend_mem_block_size(block), 100u);
    check_valid(zend_mm_get_heap());
}

Test(debug, new_blocks_are_poisoned_and_padded)
{
    const size_t sizes[] = { 0, 1, 8, 100, 3000, 5000, 3 * MIB };
    for (size_t index = 0; index < 7; index++) {
        unsigned char *block = emalloc(unknown(sizes[index]));
        cr_assert(is_filled(block, 0xbe, sizes[index]));
        cr_assert(is_filled_at(number_of(block) - 16, ZEND_MM_PAD_BYTE, 16));
        cr_assert(is_filled_at(number_of(block) + sizes[index], ZEND_MM_PAD_BYTE, 16));
        memset(block, 0, sizes[index]);
        efree(block);
    }
    unsigned char *zeros = ecalloc(10, 10);
    cr_assert(is_filled(zeros, 0, 100));
}

Test(debug, freed_blocks_are_poisoned)
{
    unsigned char *block = emalloc(unknown(1000));
    uintptr_t address = number_of(block);
    memset(block, 1, 1000);
    efree(block);
    cr_assert(is_filled((void *)address, 0xeb, 1000));
}

Test(debug, a_resized_block_keeps_its_contents_and_the_rest_is_poisoned)
{
    char *block = emalloc(unknown(100));
    memset(block, 7, 100);
    uintptr_t before = number_of(block);
    block = erealloc(block, unknown(5000));
    cr_assert(is_filled(block, 7, 100));
    cr_assert(is_filled(block + 100, 0xbe, 4900));
    cr_assert(is_filled((void *)before, 0xeb, 100));
    block = erealloc(block, unknown(10));
    cr_assert(is_filled(block, 7, 10));
    block = erealloc2(block, unknown(50), 5);
    cr_assert(is_filled(block, 7, 5));
    cr_assert(is_filled(block + 5, 0xbe, 45));
    efree(block);
    cr_assert_eq(zend_mm_get_heap()->debug->blocks.count, 0u);
}

Test(debug, aligned_blocks_are_aligned_and_padded)
{
    for (size_t alignment = 16; alignment <= 4096; alignment *= 2) {
        unsigned char *block = emalloc_aligned(alignment, unknown(100));
        cr_assert(is_aligned_to(block, alignment));
        cr_assert(is_filled_at(number_of(block) - 16, ZEND_MM_PAD_BYTE, 16));
        block = erealloc(block, unknown(200));
        efree(block);
    }
    check_valid(zend_mm_get_heap());
}

Test(debug, null_can_be_freed)
{
    efree(NULL);
}

Test(debug, the_limit_and_request_ends_work)
{
    zend_mm_set_error_callback(hear);
    cr_assert(zend_set_memory_limit(4 * MIB));
    cr_assert_null(zend_mm_try_alloc(zend_mm_get_heap(), 5 * MIB));
    cr_assert_null(zend_mm_try_alloc(zend_mm_get_heap(), unknown(SIZE_MAX - 8)));
    cr_assert_not_null(emalloc(unknown(100)));
    end_request();
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(zend_mm_get_heap()->debug->blocks.count, 0u);
    efree(emalloc(unknown(100)));
    end_memory_manager();
}

Test(debug, a_thousand_blocks_come_and_go)
{
    void *blocks[1000];
    for (size_t round = 0; round < 3; round++) {
        for (size_t index = 0; index < 1000; index++) {
            blocks[index] = emalloc(unknown(index * 3));
        }
        for (size_t index = 0; index < 1000; index += 2) {
            efree(blocks[index]);
        }
        for (size_t index = 1; index < 1000; index += 2) {
            blocks[index] = erealloc(blocks[index], unknown(index));
            efree(blocks[index]);
        }
        check_valid(zend_mm_get_heap());
    }
    cr_assert_eq(usage(0), 0u);
}

Test(debug_without, without_padding_and_poison_a_block_grows_in_place)
{
    begin_with("leaks=1");
    char *block = emalloc(unknown(5000));
    uintptr_t before = number_of(block);
    block = erealloc(block, unknown(20000));
    cr_assert_eq(number_of(block), before);
    block = erealloc(block, unknown(3 * MIB));
    block = erealloc(block, unknown(100));
    efree(block);
    cr_assert_eq(zend_mm_get_heap()->debug->blocks.count, 0u);
}

Test(debug_without, a_resize_that_the_limit_refuses_leaves_the_block_as_it_was)
{
    begin_with("leaks=1");
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert(zend_set_memory_limit(4 * MIB));
    char *block = zend_mm_try_realloc(heap, NULL, unknown(5000));
    cr_assert_not_null(block);
    memset(block, 7, 5000);
    cr_assert_null(zend_mm_try_realloc(heap, block, 5 * MIB));
    cr_assert(is_filled(block, 7, 5000));
    cr_assert_eq(heap->debug->blocks.count, 1u);
    zend_mm_free(heap, block);
    check_valid(heap);
}

Test(debug, a_debugged_heap_frees_a_block_of_another_heap)
{
    unsetenv("ZEND_MM_DEBUG");
    zend_mm_heap *plain = zend_mm_startup();
    make_plain(plain);
    cr_assert_null(plain->debug);
    efree(zend_mm_alloc(plain, 100));
    cr_assert_eq(zend_mm_heap_size(plain), 112u);
    (void)zend_mm_gc(plain);
    cr_assert_eq(zend_mm_heap_size(plain), 0u);
    zend_mm_shutdown(plain, 1, 1);
}

Test(debug, a_short_block_that_another_thread_frees_is_not_damaged)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    for (size_t size = 0; size <= 9; size++) {
        zend_mm_remote_push(&heap->remote, emalloc(unknown(size)));
        cr_assert(zend_mm_heap_drain_remote(heap));
    }
    cr_assert_eq(zend_mm_heap_size(heap), 0u);
}

Test(debug, freeing_null_does_nothing)
{
    efree(NULL);
    zend_mm_free(zend_mm_get_heap(), NULL);
    cr_assert_eq(zend_mm_heap_size(zend_mm_get_heap()), 0u);
}
