/* Custom handlers in the place of a heap's allocator: set, asked, chained, taken off. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/globals.h"
#include "tests/unit/alloc_support.h"

static struct {
    int mallocs, frees, reallocs, gcs, shutdowns;
    bool full, silent, refuses;
} calls;

/* Handlers as a profiler has them: they count, and go on to the heap below. */
static void *counting_malloc(size_t size)
{
    calls.mallocs++;
    return calls.refuses ? NULL : zend_mm_alloc(zend_mm_get_heap(), size);
}

static void counting_free(void *block)
{
    calls.frees++;
    zend_mm_free(zend_mm_get_heap(), block);
}

static void *counting_realloc(void *block, size_t size)
{
    calls.reallocs++;
    return calls.refuses ? NULL : zend_mm_realloc(zend_mm_get_heap(), block, size);
}

static size_t counting_gc(void)
{
    calls.gcs++;
    return 42;
}

static void counting_shutdown(bool full, bool silent)
{
    calls.shutdowns++;
    calls.full = full;
    calls.silent = silent;
}

TestSuite(custom, .init = begin_memory_manager, .timeout = 60);

static zend_mm_heap *set_counting(void)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    zend_mm_set_custom_handlers_ex(heap, counting_malloc, counting_free, counting_realloc,
        counting_gc, counting_shutdown);
    return heap;
}

Test(custom, a_fresh_heap_has_none)
{
    zend_mm_heap *heap = zend_mm_get_heap();
    void *(*malloc_handler)(size_t) = malloc;
    void (*free_handler)(void *) = free;
    void *(*realloc_handler)(void *, size_t) = realloc;
    zend_mm_get_custom_handlers(heap, &malloc_handler, &free_handler, &realloc_handler);
    cr_assert(malloc_handler == NULL && free_handler == NULL && realloc_handler == NULL);
    cr_assert_not(zend_mm_is_custom_heap(heap));
}

Test(custom, what_is_set_can_be_asked_for)
{
    zend_mm_heap *heap = set_counting();
    void *(*malloc_handler)(size_t);
    void (*free_handler)(void *);
    void *(*realloc_handler)(void *, size_t);
    size_t (*gc_handler)(void);
    void (*shutdown_handler)(bool, bool);
    zend_mm_get_custom_handlers_ex(heap, &malloc_handler, &free_handler, &realloc_handler,
        &gc_handler, &shutdown_handler);
    cr_assert(malloc_handler == counting_malloc && free_handler == counting_free);
    cr_assert(realloc_handler == counting_realloc && gc_handler == counting_gc);
    cr_assert(shutdown_handler == counting_shutdown);
    zend_mm_set_custom_handlers(heap, counting_malloc, counting_free, counting_realloc);
    zend_mm_get_custom_handlers_ex(heap, &malloc_handler, &free_handler, &realloc_handler,
        &gc_handler, &shutdown_handler);
    cr_assert(gc_handler == NULL && shutdown_handler == NULL);
    cr_assert(zend_mm_is_custom_heap(heap));
    cr_assert_not(is_zend_mm());
}

Test(custom, every_call_of_the_family_comes_to_them_once)
{
    zend_mm_heap *heap = set_counting();
    void *block = emalloc(24);
    efree_size(block, 24);
    block = emalloc(unknown(24));
    block = erealloc(block, unknown(5000));
    block = erealloc2(block, unknown(100), 10);
    efree(block);
    block = ecalloc(unknown(10), 10);
    efree(block);
    block = estrdup("tsrmalloc");
    efree(block);
    efree(emalloc(unknown(3 * MIB)));
    cr_assert_eq(calls.mallocs, 5);
    cr_assert_eq(calls.reallocs, 2);
    cr_assert_eq(calls.frees, 5);
    cr_assert_eq(zend_mm_gc(heap), 42u);
    cr_assert_eq(calls.gcs, 1);
}

Test(custom, every_constant_size_comes_to_them)
{
    (void)set_counting();
    int count = 0;
#define CHECK_BIN(index, slot_size, slots, pages) \
    _efree_##slot_size(_emalloc_##slot_size()); \
    count++; \
    cr_assert_eq(calls.mallocs, count); \
    cr_assert_eq(calls.frees, count);
    ZEND_MM_BINS(CHECK_BIN)
#undef CHECK_BIN
}

Test(custom, a_call_that_names_its_heap_goes_below_them)
{
    zend_mm_heap *heap = set_counting();
    void *block = zend_mm_alloc(heap, 100);
    block = zend_mm_realloc(heap, block, 5000);
    cr_assert_eq(zend_mm_block_size(heap, block), 8192u);
    cr_assert_eq(zend_mem_block_size(block), 0u);
    zend_mm_free(heap, block);
    zend_mm_free(heap, zend_mm_try_alloc(heap, 100));
    cr_assert_eq(calls.mallocs + calls.frees + calls.reallocs, 0);
}

Test(custom, handlers_that_use_the_heap_keep_its_limit_and_its_statistics)
{
    (void)set_counting();
    void *block = emalloc(unknown(5000));
    cr_assert_eq(usage(0), 8192u);
    cr_assert_eq(usage(1), 2 * MIB);
    cr_assert(is_zend_ptr(block));
    cr_assert(zend_set_memory_limit(4 * MIB));
    zend_mm_set_error_callback(hear);
    volatile bool bailed_out = false;
    zend_try {
        efree(emalloc(unknown(5 * MIB)));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_LIMIT);
    cr_assert_eq(heard.count, 1);
}

Test(custom, a_handler_that_gives_null_is_out_of_memory)
{
    (void)set_counting();
    void *block = emalloc(unknown(100));
    zend_mm_set_error_callback(hear);
    calls.refuses = true;
    cr_assert_null(erealloc_recoverable(block, unknown(200)));
    volatile bool bailed_out = false;
    zend_try {
        efree(emalloc(unknown(100)));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    calls.refuses = false;
    efree(block);
}

Test(custom, three_nulls_or_one_bring_the_built_in_allocator_back)
{
    zend_mm_heap *heap = set_counting();
    void *before = emalloc(unknown(100));
    zend_mm_set_custom_handlers(heap, NULL, NULL, NULL);
    cr_assert(is_zend_mm());
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(heap));
    efree(before);
    efree(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 1);
    cr_assert_eq(calls.frees, 0);
    zend_mm_set_custom_handlers(heap, counting_malloc, NULL, counting_realloc);
    cr_assert(is_zend_mm());
}

Test(custom, request_ends_call_the_shutdown_handler_and_empty_the_heap)
{
    (void)set_counting();
    cr_assert_not_null(emalloc(unknown(100)));
    end_request();
    cr_assert_eq(calls.shutdowns, 1);
    cr_assert(!calls.full && calls.silent);
    cr_assert_eq(usage(0), 0u);
    cr_assert_not(is_zend_mm());
    efree(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 2);
}

Test(custom, a_heap_that_ends_under_its_handlers_gives_everything_back)
{
    zend_mm_heap *heap = new_counted_heap(2 * MIB, 0, 0);
    zend_mm_heap *before = set_heap(heap);
    (void)set_counting();
    cr_assert_not_null(emalloc(unknown(3 * MIB)));
    cr_assert_eq(set_heap(before), heap);
    zend_mm_shutdown(heap, 1, 1);
    cr_assert(calls.full);
    cr_assert_eq(counted.live_count, 0u);
    cr_assert_eq(counted.dtor_count, 1);
}

Test(custom, another_heap_of_the_thread_is_without_them)
{
    zend_mm_heap *heap = set_counting();
    zend_mm_heap *other = new_heap();
    cr_assert_eq(set_heap(other), heap);
    cr_assert(is_zend_mm());
    efree(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 0);
    cr_assert_eq(set_heap(heap), other);
    cr_assert_not(is_zend_mm());
    efree(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 1);
    zend_mm_shutdown(other, 1, 1);
}

/* What PHP's debugger and profilers do around their own calls. */
Test(custom, the_first_int_of_the_heap_steps_past_the_handlers_and_back)
{
    zend_mm_heap *heap = set_counting();
    int *mode = (int *)(void *)heap;
    cr_assert_eq(*mode, 1);
    *mode = 0;
    cr_assert(is_zend_mm());
    efree(emalloc(unknown(100)));
    efree(emalloc(24));
    cr_assert_eq(calls.mallocs, 0);
    *mode = 1;
    efree(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 1);
    zend_mm_set_custom_handlers(heap, NULL, NULL, NULL);
    cr_assert_eq(*mode, 0);
}

static void *malloc_handler_of_use_zend_alloc_0;

Test(custom_passing, a_heap_that_passes_calls_on_has_the_c_librarys_below)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    begin_memory_manager();
    zend_mm_heap *heap = zend_mm_get_heap();
    void *(*malloc_handler)(size_t);
    void (*free_handler)(void *);
    void *(*realloc_handler)(void *, size_t);
    zend_mm_get_custom_handlers(heap, &malloc_handler, &free_handler, &realloc_handler);
    cr_assert(malloc_handler == malloc && free_handler == free && realloc_handler == realloc);
    cr_assert(zend_mm_is_custom_heap(heap));
    cr_assert_null(zend_mm_get_storage(heap));
    (void)set_counting();
    malloc_handler_of_use_zend_alloc_0 = emalloc(unknown(100));
    free(malloc_handler_of_use_zend_alloc_0);
    cr_assert_eq(calls.mallocs, 1);
    zend_mm_set_custom_handlers(heap, NULL, NULL, NULL);
    cr_assert_not(is_zend_mm());
    free(emalloc(unknown(100)));
    cr_assert_eq(calls.mallocs, 1);
}

Test(custom, an_aligned_block_must_be_aligned_by_the_handler)
{
    (void)set_counting();
    void *block = emalloc_aligned(64, unknown(64));     /* a bin of such slots: it is */
    cr_assert(is_aligned_to(block, 64));
    efree(block);
    cr_assert_not_null(emalloc(unknown(24)));
    zend_mm_set_error_callback(hear);
    volatile bool bailed_out = false;
    zend_try {
        efree(emalloc_aligned(64, unknown(24)));
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert(bailed_out);
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_ALIGNMENT);
    cr_assert_str_eq(heard.message, "Unsupported alignment (tried to allocate 24 bytes)");
}
