/* USE_ZEND_ALLOC=0: every call falls into its slow sibling and goes on to the C library. */
#include "config.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "alloc/globals.h"
#include "tests/unit/alloc_support.h"

static size_t asked_size;           /* of the last _malloc or _realloc */
static int malloc_count, free_count, realloc_count;

static void *counting_malloc(size_t size)
{
    asked_size = size;
    malloc_count++;
    return malloc(size);
}

static void counting_free(void *block)
{
    free_count++;
    free(block);
}

static void *counting_realloc(void *block, size_t size)
{
    asked_size = size;
    realloc_count++;
    return realloc(block, size);
}

static void begin(void)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    begin_memory_manager();
}

TestSuite(dispatch, .init = begin, .timeout = 60);

/* Put the counting functions in. */
static void count_calls(void)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    heap->_malloc = counting_malloc;
    heap->_free = counting_free;
    heap->_realloc = counting_realloc;
}

Test(dispatch, the_heap_passes_calls_on_and_is_not_the_built_in_one)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert_not_null(heap);
    cr_assert(heap->custom_mode == 1);
    cr_assert_eq(heap->_malloc, malloc);
    cr_assert_eq(heap->_free, free);
    cr_assert_eq(heap->_realloc, realloc);
    cr_assert_not(is_zend_mm());
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_dispatch_heap);
}

Test(dispatch, blocks_are_mallocs)
{
    char *block = emalloc(unknown(100));
    cr_assert_eq(zend_mm_owner_of(block), ZEND_MM_OWNER_NONE);
    cr_assert_not(is_zend_ptr(block));
    memset(block, 1, 100);
    free(block);
    efree(malloc(unknown(100)));
    block = erealloc(malloc(unknown(100)), unknown(200));
    memset(block, 1, 200);
    efree(block);
}

Test(dispatch, usage_is_0_and_a_block_size_is_not_known)
{
    void *block = emalloc(unknown(5000));
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(usage(1), 0u);
    cr_assert_eq(peak_usage(0), 0u);
    cr_assert_eq(peak_usage(1), 0u);
    cr_assert_eq(zend_mem_block_size(block), 0u);
    zend_memory_reset_peak_usage();
    cr_assert_eq(zend_mm_gc(zend_mm_get_heap()), 0u);
    efree(block);
}

Test(dispatch, the_statistics_say_so)
{
    zend_mm_heap_statistics statistics;
    cr_assert(zend_mm_heap_stats(NULL, &statistics));
    cr_assert_str_eq(statistics.storage, "none (USE_ZEND_ALLOC=0)");
    cr_assert_eq(statistics.size, 0u);
}

Test(dispatch, the_size_that_is_asked_for_is_passed_on)
{
    count_calls();
    const size_t sizes[] = { 1, 9, 100, 1000, 3000, 5000, 100001, 3 * MIB + 1 };
    for (size_t index = 0; index < sizeof sizes / sizeof sizes[0]; index++) {
        void *block = emalloc(unknown(sizes[index]));
        cr_assert_eq(asked_size, sizes[index], "asked for %zu, passed on %zu", sizes[index],
            asked_size);
        efree(block);
    }
}

Test(dispatch, every_member_of_the_family_passes_its_call_on)
{
    count_calls();
    char *block = ecalloc(unknown(10), 10);
    cr_assert_eq(block[0] | block[99], 0);
    efree(block);
    cr_assert_eq(malloc_count, 1);
    cr_assert_eq(free_count, 1);
    block = safe_emalloc(unknown(10), 10, 1);
    block = safe_erealloc(block, unknown(20), 10, 1);
    block = erealloc2(block, unknown(1000), 10);
    block = erealloc_recoverable(block, unknown(5000));
    efree_size(block, 5000);
    cr_assert_eq(malloc_count, 2);
    cr_assert_eq(realloc_count, 3);
    cr_assert_eq(free_count, 2);
    block = estrdup("tsrmalloc");
    cr_assert_str_eq(block, "tsrmalloc");
    efree(block);
    block = emalloc_large(unknown(5000));
    _efree_large(block, 5000);
    block = emalloc_huge(unknown(3 * MIB));
    _efree_huge(block, 3 * MIB);
    cr_assert_eq(malloc_count, 5);
    cr_assert_eq(free_count, 5);
}

Test(dispatch, the_constant_size_functions_pass_their_calls_on)
{
    count_calls();
    int calls = 0;
#define CHECK_BIN(index, slot_size, slots, pages) \
    { \
        void *block = _emalloc_##slot_size(); \
        cr_assert_eq(asked_size, (size_t)slot_size); \
        _efree_##slot_size(block); \
        calls++; \
    }
    ZEND_MM_BINS(CHECK_BIN)
#undef CHECK_BIN
    cr_assert_eq(malloc_count, calls);
    cr_assert_eq(free_count, calls);
}

Test(dispatch, an_explicit_heap_passes_calls_on_too)
{
    count_calls();
    zend_mm_heap *heap = zend_mm_get_heap();
    void *block = zend_mm_alloc(heap, 100);
    block = zend_mm_realloc(heap, block, 200);
    cr_assert_eq(zend_mm_block_size(heap, block), 0u);
    zend_mm_free(heap, block);
    block = zend_mm_try_alloc(heap, 100);
    block = zend_mm_try_realloc(heap, block, 5000);
    zend_mm_free(heap, block);
    cr_assert_eq(malloc_count, 2);
    cr_assert_eq(realloc_count, 2);
    cr_assert_eq(free_count, 2);
}

Test(dispatch, no_size_gives_null)
{
    void *a = emalloc(unknown(0)), *b = emalloc(unknown(0));
    cr_assert_not_null(a);
    cr_assert_not_null(b);
    cr_assert_neq(number_of(a), number_of(b));
    a = erealloc(a, unknown(0));
    cr_assert_not_null(a);
    efree(a);
    efree(b);
    efree(NULL);
}

Test(dispatch, a_size_that_the_c_library_has_not_is_an_error)
{
    zend_mm_set_error_callback(hear);
    char *block = emalloc(unknown(100));
    cr_assert_null(erealloc_recoverable(block, unknown(SIZE_MAX / 2)));
    cr_assert_eq(heard.count, 0);
    volatile bool bailed_out = false;
    void *volatile lost = NULL;
    zend_try {
        lost = emalloc(unknown(SIZE_MAX / 2));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_null(lost);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    cr_assert_str_eq(heard.message,
        "Out of memory (allocated 0 bytes) (tried to allocate 9223372036854775807 bytes)");
    efree(block);
}

Test(dispatch, efree_keeps_errno)
{
    void *block = emalloc(unknown(3 * MIB));
    errno = 77;
    efree(block);
    cr_assert_eq(errno, 77);
}

Test(dispatch, request_ends_and_the_end_leave_the_c_librarys_blocks_alone)
{
    char *block = emalloc(unknown(100));
    block[99] = 9;
    end_request();
    cr_assert_eq(block[99], 9);
    cr_assert_not(is_zend_mm());
    efree(block);
    end_memory_manager();
    cr_assert_null(zend_mm_current_heap);
}

Test(dispatch, a_built_in_heap_beside_it_works)
{
    zend_mm_heap *passing = zend_mm_get_heap(), *heap = new_heap();
    cr_assert_eq(set_heap(heap), passing);
    cr_assert(is_zend_mm());
    void *block = emalloc(unknown(100));
    cr_assert_eq(zend_mm_owner_of(block), heap->index);
    efree(block);
    cr_assert_eq(set_heap(passing), heap);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_dispatch_heap);
    zend_mm_shutdown(heap, 1, 1);
}

Test(dispatch, a_limit_can_be_set_and_is_without_effect)
{
    cr_assert(zend_set_memory_limit(MIB));
    efree(emalloc(unknown(3 * MIB)));
}
