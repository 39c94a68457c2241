/* rows_handlers: rows about who sees a heap's calls: observers and custom handlers.
 * Owns        the counters of its cases.
 * Thread      main.
 * Invariants  every figure follows from the random operations alone.
 * Failure     a case that failed.
 * Tests       alloc/dispatch.c, alloc/observer.c, alloc/custom.c. */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "tests/win32/rows.h"

static void work(void)
{
    row_workload workload = { .seed = 7, .operation_count = 3000, .size_max = 3 << 20,
        .free_all = true };
    row_work(&workload);
    ROW_CHECK(workload.damaged_count == 0);
}

static void end_request(void)
{
    TSRMLS_FETCH();
    shutdown_memory_manager(1, 0 TSRMLS_CC);
}

/* ---- observers ---- */

typedef struct heard {
    size_t malloc_count, malloc_size;
    size_t free_count, free_size;
    size_t realloc_count, old_size, new_size;
    size_t gc_count, reset_count;
} heard;

static void on_malloc(void *data, void *block, size_t size)
{
    heard *all = data;
    (void)block;
    all->malloc_count++;
    all->malloc_size += size;
}

static void on_free(void *data, void *block, size_t size)
{
    heard *all = data;
    (void)block;
    all->free_count++;
    all->free_size += size;
}

static void on_realloc(void *data, void *old_block, size_t old_size, void *block, size_t size)
{
    heard *all = data;
    (void)old_block;
    (void)block;
    all->realloc_count++;
    all->old_size += old_size;
    all->new_size += size;
}

static void on_gc(void *data, size_t freed_size)
{
    (void)freed_size;
    ((heard *)data)->gc_count++;
}

static void on_reset(void *data, bool full)
{
    (void)full;
    ((heard *)data)->reset_count++;
}

void rows_observers(void)
{
    row_case("an observer is told of every call, with sizes");
    heard first = { 0 }, second = { 0 };
    const zend_mm_observer_handlers handlers = { on_malloc, on_realloc, on_free, on_gc, on_reset };
    zend_mm_heap *heap = zend_mm_get_heap();
    zend_mm_observer *observer = zend_mm_observer_register(heap, &handlers, &first);
    zend_mm_observer *other = zend_mm_observer_register(heap, &handlers, &second);
    if (!ROW_CHECK(observer != NULL && other != NULL)) {
        return;
    }
    work();
    (void)zend_mm_gc(heap);
    end_request();
    ROW_CHECK(is_zend_mm());
    ROW_CHECK(memcmp(&first, &second, sizeof first) == 0);
    row_figure("allocations", first.malloc_count);
    row_figure("bytes asked for", first.malloc_size);
    row_figure("frees", first.free_count);
    row_figure("bytes of their blocks", first.free_size);
    row_figure("resizes", first.realloc_count);
    row_figure("bytes before", first.old_size);
    row_figure("bytes after", first.new_size);
    row_figure("collections", first.gc_count);
    row_figure("request ends", first.reset_count);

    row_case("one that has left is told nothing more");
    zend_mm_observer_unregister(heap, observer);
    efree(emalloc(100));
    zend_mm_observer_unregister(heap, other);
    efree(emalloc(100));
    ROW_CHECK(second.malloc_count == first.malloc_count + 1);
    ROW_CHECK(second.free_count == first.free_count + 1);
}

/* ---- custom handlers ---- */

static size_t calls;    /* of the handlers below */

static void *counted_malloc(size_t size)
{
    calls++;
    return malloc(size != 0 ? size : 1);
}

static void counted_free(void *block)
{
    calls++;
    free(block);
}

static void *counted_realloc(void *block, size_t size)
{
    calls++;
    return realloc(block, size != 0 ? size : 1);
}

static size_t no_gc(void)
{
    return 12345;
}

void rows_custom(void)
{
    row_case("custom handlers get every call, and three NULLs bring the heap back");
    zend_mm_heap *heap = zend_mm_get_heap();
    zend_mm_set_custom_handlers_ex(heap, counted_malloc, counted_free, counted_realloc, no_gc, NULL);
    ROW_CHECK(zend_mm_is_custom_heap(heap) && !is_zend_mm());
    work();
    row_figure("calls", calls);
    row_figure("what their gc says", zend_mm_gc(heap));
    zend_mm_set_custom_handlers(heap, NULL, NULL, NULL);
    ROW_CHECK(!zend_mm_is_custom_heap(heap) && is_zend_mm());
    size_t before = calls;
    efree(emalloc(100));
    ROW_CHECK(calls == before);
    end_request();
}
