/* Observers of a heap: what they are told, that several work, and that a heap without pays nothing. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/globals.h"
#include "tests/unit/alloc_support.h"

typedef struct log {
    int mallocs, reallocs, frees, gcs, resets;
    void *block, *old_block;
    size_t size, old_size;
    bool full;
    zend_mm_observer *self;     /* to be unregistered by the first event */
    bool allocates, bails_out;
} log;

static void react(log *what)
{
    if (what->self != NULL) {
        zend_mm_observer_unregister(zend_mm_get_heap(), what->self);
        what->self = NULL;
    }
    if (what->allocates) {
        efree(erealloc(emalloc(unknown(50)), unknown(500)));
    }
    if (what->bails_out) {
        zend_bailout();
    }
}

static void on_malloc(void *data, void *block, size_t size)
{
    log *what = data;
    what->mallocs++;
    what->block = block;
    what->size = size;
    react(what);
}

static void on_realloc(void *data, void *old_block, size_t old_size, void *block, size_t size)
{
    log *what = data;
    what->reallocs++;
    what->old_block = old_block;
    what->old_size = old_size;
    what->block = block;
    what->size = size;
    react(what);
}

static void on_free(void *data, void *block, size_t size)
{
    log *what = data;
    what->frees++;
    what->block = block;
    what->size = size;
    react(what);
}

static void on_gc(void *data, size_t freed_size)
{
    log *what = data;
    what->gcs++;
    what->size = freed_size;
}

static void on_reset(void *data, bool full)
{
    log *what = data;
    what->resets++;
    what->full = full;
}

static const zend_mm_observer_handlers all = { on_malloc, on_realloc, on_free, on_gc, on_reset };

TestSuite(observer, .init = begin_memory_manager, .timeout = 60);

static zend_mm_observer *observe(log *what)
{
    zend_mm_observer *observer = zend_mm_observer_register(zend_mm_get_heap(), &all, what);
    cr_assert_not_null(observer);
    return observer;
}

Test(observer, each_event_comes_with_its_block_and_its_sizes)
{
    log seen = { 0 };
    (void)observe(&seen);
    void *block = emalloc(unknown(100));
    cr_assert(seen.mallocs == 1 && seen.block == block && seen.size == 100);
    void *moved = erealloc(block, unknown(5000));
    cr_assert(seen.reallocs == 1 && seen.old_size == 112 && seen.size == 5000);
    cr_assert_eq(number_of(seen.old_block), number_of(block));
    cr_assert_eq(seen.block, moved);
    efree(moved);
    cr_assert(seen.frees == 1 && seen.size == 8192);
    cr_assert_eq(number_of(seen.block), number_of(moved));
    size_t freed = zend_mm_gc(zend_mm_get_heap());
    cr_assert(seen.gcs == 1 && seen.size == freed);
    end_request();
    cr_assert(seen.resets == 1 && !seen.full);
    cr_assert_eq(seen.mallocs, 1);
}

Test(observer, constant_sizes_huge_blocks_and_strings_are_told)
{
    log seen = { 0 };
    (void)observe(&seen);
#define CHECK_BIN(index, slot_size, slots, pages) \
    _efree_##slot_size(_emalloc_##slot_size()); \
    cr_assert_eq(seen.size, (size_t)slot_size);
    ZEND_MM_BINS(CHECK_BIN)
#undef CHECK_BIN
    cr_assert_eq(seen.mallocs, ZEND_MM_BIN_COUNT);
    cr_assert_eq(seen.frees, ZEND_MM_BIN_COUNT);
    efree(emalloc(unknown(3 * MIB)));
    cr_assert_eq(seen.size, 3 * MIB);
    efree(estrdup("four"));
    efree(emalloc_aligned(4096, unknown(10)));
    efree(NULL);
    cr_assert_eq(seen.mallocs, ZEND_MM_BIN_COUNT + 3);
    cr_assert_eq(seen.frees, ZEND_MM_BIN_COUNT + 3);
}

Test(observer, the_heap_stays_the_built_in_one)
{
    log seen = { 0 };
    zend_mm_heap *heap = zend_mm_get_heap();
    (void)observe(&seen);
    cr_assert(is_zend_mm());
    cr_assert_not(zend_mm_is_custom_heap(heap));
    void *block = emalloc(unknown(5000));
    cr_assert(is_zend_ptr(block));
    cr_assert_eq(usage(0), 8192u);
    check_valid(heap);
}

Test(observer, without_one_the_hot_heap_is_the_heap)
{
    log seen = { 0 };
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(heap));
    zend_mm_observer *observer = observe(&seen);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_dispatch_heap);
    zend_mm_observer_unregister(heap, observer);
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(heap));
    efree(emalloc(unknown(100)));
    cr_assert_eq(seen.mallocs, 0);
}

Test(observer, several_are_told_and_each_can_leave_alone)
{
    log first = { 0 }, second = { 0 }, third = { 0 };
    zend_mm_heap *heap = zend_mm_get_heap();
    (void)observe(&first);
    zend_mm_observer *middle = observe(&second);
    (void)observe(&third);
    efree(emalloc(unknown(100)));
    zend_mm_observer_unregister(heap, middle);
    efree(emalloc(unknown(100)));
    cr_assert(first.mallocs == 2 && second.mallocs == 1 && third.mallocs == 2);
    cr_assert(first.frees == 2 && second.frees == 1 && third.frees == 2);
}

Test(observer, one_may_leave_inside_its_callback)
{
    log first = { 0 }, second = { 0 };
    (void)observe(&first);
    second.self = observe(&second);
    efree(emalloc(unknown(100)));
    cr_assert(second.mallocs == 1 && second.frees == 0);
    cr_assert(first.mallocs == 1 && first.frees == 1);
    first.self = zend_mm_get_heap()->observers;
    efree(emalloc(unknown(100)));
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(zend_mm_get_heap()));
}

Test(observer, what_a_callback_allocates_is_not_told)
{
    log seen = { .allocates = true };
    (void)observe(&seen);
    efree(emalloc(unknown(100)));
    cr_assert(seen.mallocs == 1 && seen.frees == 1 && seen.reallocs == 0);
    cr_assert_eq(usage(0), 0u);
}

Test(observer, a_bailout_in_a_callback_ends_the_callbacks_and_not_the_call)
{
    log seen = { .bails_out = true };
    (void)observe(&seen);
    void *block = emalloc(unknown(100));
    cr_assert_not_null(block);
    efree(block);
    cr_assert(seen.mallocs == 1 && seen.frees == 1);
    cr_assert_eq(usage(0), 0u);
}

Test(observer, events_without_a_handler_are_skipped)
{
    const zend_mm_observer_handlers only_resets = { .on_reset = on_reset };
    log seen = { 0 };
    cr_assert_not_null(zend_mm_observer_register(zend_mm_get_heap(), &only_resets, &seen));
    efree(erealloc(emalloc(unknown(100)), unknown(1000)));
    (void)zend_mm_gc(zend_mm_get_heap());
    end_request();
    cr_assert(seen.mallocs == 0 && seen.resets == 1);
}

Test(observer, an_allocation_that_fails_is_not_told)
{
    log seen = { 0 };
    (void)observe(&seen);
    cr_assert(zend_set_memory_limit(2 * MIB));
    cr_assert_null(zend_mm_try_alloc(zend_mm_get_heap(), 5 * MIB));
    void *block = emalloc(unknown(100));
    cr_assert_null(erealloc_recoverable(block, unknown(5 * MIB)));
    cr_assert(seen.mallocs == 1 && seen.reallocs == 0);
}

static void *passing_malloc(size_t size)
{
    return zend_mm_alloc(zend_mm_get_heap(), size);
}

static void passing_free(void *block)
{
    zend_mm_free(zend_mm_get_heap(), block);
}

static void *passing_realloc(void *block, size_t size)
{
    return zend_mm_realloc(zend_mm_get_heap(), block, size);
}

Test(observer, under_custom_handlers_the_outer_call_is_told_once)
{
    log seen = { 0 };
    (void)observe(&seen);
    zend_mm_set_custom_handlers(zend_mm_get_heap(), passing_malloc, passing_free,
        passing_realloc);
    efree(erealloc(emalloc(unknown(100)), unknown(1000)));
    cr_assert(seen.mallocs == 1 && seen.reallocs == 1 && seen.frees == 1);
}

Test(observer, a_call_that_names_its_heap_is_told)
{
    log seen = { 0 };
    zend_mm_heap *heap = zend_mm_get_heap();
    (void)observe(&seen);
    zend_mm_free(heap, zend_mm_realloc(heap, zend_mm_alloc(heap, 100), 1000));
    cr_assert(seen.mallocs == 1 && seen.reallocs == 1 && seen.frees == 1);
}

Test(observer, the_end_of_the_heap_is_told_and_ends_the_observers)
{
    log seen = { 0 };
    zend_mm_heap *heap = new_heap();
    cr_assert_not_null(zend_mm_observer_register(heap, &all, &seen));
    zend_mm_shutdown(heap, 1, 1);
    cr_assert(seen.resets == 1 && seen.full);
}

Test(observer_passing, calls_that_are_passed_on_are_told_without_old_sizes)
{
    setenv("USE_ZEND_ALLOC", "0", 1);
    begin_memory_manager();
    log seen = { 0 };
    (void)observe(&seen);
    void *block = erealloc(emalloc(unknown(100)), unknown(1000));
    cr_assert(seen.mallocs == 1 && seen.reallocs == 1 && seen.old_size == 0 && seen.size == 1000);
    efree(block);
    cr_assert(seen.frees == 1 && seen.size == 0);
}

/* ---- blocks that another heap frees ---- */

Test(observer, a_block_that_another_heap_frees_is_told_when_its_own_takes_it)
{
    log seen = { 0 };
    zend_mm_heap *other = zend_mm_startup();
    cr_assert_not_null(zend_mm_observer_register(other, &all, &seen));
    void *block = zend_mm_alloc(other, 100);
    efree(block);
    cr_assert_eq(seen.frees, 0);
    (void)zend_mm_gc(other);
    cr_assert_eq(seen.frees, 1);
    cr_assert_eq(number_of(seen.block), number_of(block));
    cr_assert_eq(zend_mm_heap_size(other), 0u);
    zend_mm_shutdown(other, 1, 1);
}

Test(observer, in_a_debugged_heap_the_size_told_is_the_one_asked_for)
{
    log seen = { 0 };
    setenv("ZEND_MM_DEBUG", "padding=16", 1);
    zend_mm_heap *other = zend_mm_startup();
    cr_assert_not_null(zend_mm_observer_register(other, &all, &seen));
    zend_mm_free(other, zend_mm_alloc(other, 100));
    cr_assert(seen.frees == 1 && seen.size == 100);
    void *block = zend_mm_alloc(other, 200);
    efree(block);
    (void)zend_mm_gc(other);
    cr_assert_eq(seen.frees, 2);
    cr_assert_eq(zend_mm_heap_size(other), 0u);
    zend_mm_shutdown(other, 1, 1);
}
