/* alloc_globals: the ctor and dtor, the thread's heap pointer, and a start that fails. */
#include "config.h"

#include <criterion/criterion.h>

#include "alloc/globals.h"
#include "tests/unit/alloc_support.h"

TestSuite(globals, .timeout = 60);

static bool bails_out_of_emalloc(size_t size)
{
    volatile bool bailed_out = false;
    void *volatile block = NULL;
    zend_try {
        block = _emalloc(size ZEND_MM_HERE);
    } zend_catch {
        bailed_out = true;
    } zend_end_try();
    cr_assert_eq(bailed_out, block == NULL);
    return bailed_out;
}

/* No address space has 2^50 bytes. */
static void refuse_memory(void)
{
    cr_assert_eq(setenv("ZEND_MM_SEG_SIZE", "1048576g", 1), 0);
}

static void grant_memory(void)
{
    unsetenv("ZEND_MM_SEG_SIZE");
}

/* ---- the constant heaps ---- */

static void check_constant(const zend_mm_heap *heap)
{
    cr_assert(zend_mm_is_constant_heap(heap));
    cr_assert_gt(heap->index, ZEND_MM_HEAP_INDEX_MAX);
    for (uint32_t kind = 0; kind < ZEND_MM_BUCKET_COUNT; kind++) {
        cr_assert_null(heap->free_buckets[kind].first);
    }
    for (uint32_t bin = 0; bin < ZEND_MM_BIN_COUNT; bin++) {
        cr_assert_eq(heap->carve[bin].next, heap->carve[bin].end);
    }
}

Test(globals, the_empty_and_the_dispatch_heap_own_nothing)
{
    check_constant(&zend_mm_empty_heap);
    check_constant(&zend_mm_dispatch_heap);
    cr_assert_neq(&zend_mm_empty_heap, &zend_mm_dispatch_heap);
}

Test(globals, a_thread_starts_with_the_empty_heap)
{
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap);
    cr_assert_null(zend_mm_current_heap);
}

/* ---- start ---- */

Test(globals, the_start_makes_a_heap_and_the_first_allocation_caches_it)
{
    begin_memory_manager();
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert_not_null(heap);
    cr_assert(is_zend_mm());
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(heap));
    cr_assert_eq(zend_mm_current_heap, heap);
    efree(emalloc(unknown(100)));
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(heap));
}

#ifdef ZTS
Test(globals, before_the_start_an_allocation_is_a_clean_error)
{
    zend_mm_set_error_callback(hear);
    cr_assert_null(zend_mm_get_heap());
    cr_assert_not(is_zend_mm());
    cr_assert(bails_out_of_emalloc(unknown(100)));
    cr_assert(bails_out_of_emalloc(unknown(3 * MIB)));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    cr_assert_str_eq(heard.message,
        "Out of memory (allocated 0 bytes) (tried to allocate 3145728 bytes)");
    cr_assert_null(erealloc_recoverable(NULL, 100));
    efree(NULL);
    cr_assert_not(zend_set_memory_limit(64 * MIB));
    cr_assert_not(is_zend_ptr(&heard));
    begin_memory_manager();
    efree(emalloc(unknown(100)));
}

Test(globals, the_dtor_ends_the_heap_with_its_thread)
{
    begin_memory_manager();
    uint16_t index = zend_mm_get_heap()->index;
    void *segment = zend_mm_get_heap()->first_unit;
    ts_free_thread();
    cr_assert_eq(zend_mm_owner_of(segment), ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap);
    cr_assert_null(zend_mm_current_heap);
    zend_mm_heap *heap = new_heap();
    cr_assert_eq(heap->index, index);
}

Test(globals, an_interpreter_context_has_a_heap_of_its_own)
{
    begin_memory_manager();
    zend_mm_heap *own = zend_mm_get_heap();
    void *block = emalloc(unknown(100));
    void *context = tsrm_new_interpreter_context();
    cr_assert_not_null(context);
    void *before = tsrm_set_interpreter_context(context);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap, "the cache is put back");
    zend_mm_heap *other = zend_mm_get_heap();
    cr_assert_not_null(other);
    cr_assert_neq(other, own);
    cr_assert_eq(zend_mm_owner_of(emalloc(unknown(100))), other->index);
    (void)tsrm_set_interpreter_context(before);
    cr_assert_eq(zend_mm_get_heap(), own);
    efree(block);
    cr_assert_eq(usage(0), 0u);
    tsrm_free_interpreter_context(context);
}
#endif

Test(globals, a_storage_failure_at_the_start_leaves_no_heap_and_the_next_allocation_tries_again)
{
    zend_mm_set_error_callback(hear);
    refuse_memory();
    begin_memory_manager();
    cr_assert_null(zend_mm_get_heap());
    cr_assert(bails_out_of_emalloc(unknown(100)));
    cr_assert_eq(heard.kind, ZEND_MM_ERROR_OUT_OF_MEMORY);
    cr_assert(bails_out_of_emalloc(unknown(100000)));
    cr_assert_eq(heard.count, 2);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap);
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(usage(1), 0u);
    cr_assert_eq(peak_usage(0), 0u);
    zend_memory_reset_peak_usage();
    zend_mm_heap_statistics statistics;
    cr_assert_not(zend_mm_heap_stats(NULL, &statistics));
    end_request();
    grant_memory();
    cr_assert_not(bails_out_of_emalloc(unknown(100)));
    cr_assert_not_null(zend_mm_get_heap());
    cr_assert(is_zend_mm());
    cr_assert_eq(usage(0), 112u);
    end_request();
    cr_assert_eq(usage(0), 0u);
}

/* ---- request end and end ---- */

Test(globals, a_request_end_resets_the_threads_heap)
{
    begin_memory_manager();
    zend_mm_heap *heap = zend_mm_get_heap();
    cr_assert_not_null(emalloc(unknown(100)));
    end_request();
    cr_assert_eq(zend_mm_get_heap(), heap);
    cr_assert_eq(usage(0), 0u);
    cr_assert_eq(heap->reset_count, 1u);
}

Test(globals, a_full_shutdown_ends_the_heap_and_forgets_it)
{
    begin_memory_manager();
    void *segment = zend_mm_get_heap()->first_unit;
    end_memory_manager();
    cr_assert_eq(zend_mm_owner_of(segment), ZEND_MM_OWNER_NONE);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap);
    cr_assert_null(zend_mm_current_heap);
    end_memory_manager();
}

/* ---- set_heap ---- */

Test(globals, set_heap_changes_where_blocks_come_from_and_returns_the_one_before)
{
    begin_memory_manager();
    zend_mm_heap *own = zend_mm_get_heap(), *other = new_counted_heap(2 * MIB, 0, 0);
    cr_assert_eq(set_heap(other), own);
    cr_assert_eq(zend_mm_get_heap(), other);
    cr_assert_eq(zend_mm_hot_heap, hot_heap_of(other));
    void *block = emalloc(unknown(100));
    cr_assert_eq(zend_mm_owner_of(block), other->index);
    cr_assert(is_zend_ptr(block));
    efree(block);
    cr_assert_eq(set_heap(own), other);
    cr_assert_not(is_zend_ptr(block));
    cr_assert_eq(zend_mm_owner_of(emalloc(unknown(100))), own->index);
    zend_mm_shutdown(other, 1, 1);
}

Test(globals, an_internal_heap_can_be_the_threads_heap)
{
    begin_memory_manager();
    zend_mm_heap *other = new_counted_heap(2 * MIB, 0, 1);
    zend_mm_heap *own = set_heap(other);
    void *block = emalloc(unknown(100));
    cr_assert_eq(zend_mm_heap_size(other), 112u);
    efree(block);
    end_request();
    cr_assert_eq(other->reset_count, 1u);
    (void)set_heap(own);
    zend_mm_shutdown(other, 1, 1);
    cr_assert_eq(counted.live_count, 0u);
}

Test(globals, without_a_heap_the_next_allocation_makes_one)
{
    begin_memory_manager();
    zend_mm_heap *own = set_heap(NULL);
    cr_assert_not_null(own);
    cr_assert_eq(zend_mm_hot_heap, &zend_mm_empty_heap);
    cr_assert_not_null(emalloc(unknown(100)));
    cr_assert_neq(zend_mm_get_heap(), own);
    end_memory_manager();
    (void)set_heap(own);
    cr_assert_eq(zend_mm_get_heap(), own);
}

Test(globals, the_remote_free_policy_is_read_at_the_start)
{
    setenv("ZEND_MM_REMOTE_FREE", "panic", 1);
    begin_memory_manager();
    cr_assert_eq(zend_mm_remote_free_policy, ZEND_MM_REMOTE_FREE_PANIC);
}
