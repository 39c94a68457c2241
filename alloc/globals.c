/* globals: start_memory_manager, the ctor and dtor of alloc_globals, and the thread's heap pointer.
 * Owns        alloc_globals (one per thread through TSRM; one static without ZTS), this layer's
 *             thread-local variables.
 * Thread      each thread its own; ctor and dtor may run in another thread on its behalf.
 * Invariants  I1  hot == current, unless the thread has no heap yet (hot is the empty heap, current
 *                 NULL) or its heap must see every call (hot is the dispatch heap)
 *             I2  current is NULL or AG(mm_heap)
 * Failure     a ctor whose storage fails leaves AG(mm_heap) NULL; the next allocation tries again.
 * Tests       tests/unit/globals.c, tests/stress/startup_threads.c
 */
#include "config.h"

#include "alloc/globals.h"

#include <stdio.h>
#include <string.h>

#include "alloc/debug.h"
#include "alloc/environment.h"
#include "alloc/os.h"
#include "alloc/tracked.h"
#include "tsrm/context.h"
#include "tsrm/startup_trace.h"

const zend_mm_heap zend_mm_empty_heap = { .index = ZEND_MM_HEAP_INDEX_CONSTANT };
const zend_mm_heap zend_mm_dispatch_heap = { .index = ZEND_MM_HEAP_INDEX_CONSTANT };

ZEND_MM_TLS zend_mm_heap *zend_mm_hot_heap = (zend_mm_heap *)&zend_mm_empty_heap;
ZEND_MM_TLS zend_mm_heap *zend_mm_current_heap;

zend_mm_remote_free_policies zend_mm_remote_free_policy;

#ifdef ZTS
static ts_rsrc_id alloc_globals_id;     /* const after start_memory_manager() */
# define AG(element) TSRMG(alloc_globals_id, zend_alloc_globals *, element)
#else
static zend_alloc_globals alloc_globals;
# define AG(element) (alloc_globals.element)
#endif

/* ---- the thread's cache of AG(mm_heap) ---- */

static void forget_heap(void)
{
    zend_mm_hot_heap = (zend_mm_heap *)&zend_mm_empty_heap;
    zend_mm_current_heap = NULL;
}

static void use_heap(zend_mm_heap *heap)
{
    if (heap == NULL) {
        forget_heap();
        return;
    }
    zend_mm_hot_heap = heap->sees_calls ? (zend_mm_heap *)&zend_mm_dispatch_heap : heap;
    if (heap != zend_mm_current_heap) {
        atomic_store_explicit(&heap->snapshot.thread, zend_mm_os_thread_id(),
            memory_order_relaxed);
    }
    zend_mm_current_heap = heap;
}

void zend_mm_update_entrance(zend_mm_heap *heap)
{
    heap->sees_calls = heap->storage == NULL || heap->custom._malloc != NULL
        || heap->observers != NULL || heap->debug != NULL || heap->hardened != NULL;
    if (heap == zend_mm_current_heap) {
        use_heap(heap);
    }
}

/* ---- ctor and dtor ---- */

/* USE_ZEND_ALLOC=0: a heap without memory of its own that passes every call on. */
static zend_mm_heap *new_passing_heap(void)
{
    zend_mm_heap *heap = zend_mm_os_aligned_malloc(alignof(zend_mm_heap), sizeof *heap);
    if (heap != NULL) {
        memset(heap, 0, sizeof *heap);
        heap->custom_mode = 1;
        heap->index = ZEND_MM_HEAP_INDEX_CONSTANT;
        heap->sees_calls = true;
        heap->limit = SIZE_MAX;
        heap->_malloc = malloc;
        heap->_free = free;
        heap->_realloc = realloc;
        if (zend_mm_environment_use_tracked_alloc() && !zend_mm_tracked_start(heap)) {
            zend_mm_os_aligned_free(heap);
            return NULL;
        }
    }
    return heap;
}

static void alloc_globals_ctor(zend_alloc_globals *globals TSRMLS_DC)
{
    uint64_t token = tsrm_startup_trace_enter("alloc_globals_ctor");
#ifdef ZTS
    (void)tsrm_ls;
#endif
    bool use_zend_alloc = zend_mm_environment_use_zend_alloc();
    globals->mm_heap = use_zend_alloc ? zend_mm_startup() : new_passing_heap();
    tsrm_startup_trace_leave(token, "alloc_globals_ctor", "USE_ZEND_ALLOC = %d, mm_heap = %p",
        use_zend_alloc, (void *)globals->mm_heap);
}

#ifdef ZTS
/* In Zend a thread's end is silent. What is left then was allocated behind the last request end. */
static bool is_end_silent(const zend_mm_heap *heap)
{
    return heap->debug == NULL || !heap->debug->settings.reports_leaks;
}

static void ctor(void *globals, void ***tsrm_ls)
{
    alloc_globals_ctor(globals, tsrm_ls);
}

static void dtor(void *resource, void ***tsrm_ls)
{
    (void)tsrm_ls;
    zend_alloc_globals *globals = resource;
    if (globals->mm_heap != NULL) {
        if (zend_mm_current_heap == globals->mm_heap) {
            forget_heap();
        }
        zend_mm_shutdown(globals->mm_heap, 1, is_end_silent(globals->mm_heap));
        globals->mm_heap = NULL;
    }
}
#endif

/* This thread's globals; NULL when TSRM has none to give. */
static zend_alloc_globals *find_globals(void)
{
#ifdef ZTS
    return alloc_globals_id == 0 ? NULL : ts_resource_ex(alloc_globals_id, NULL);
#else
    return &alloc_globals;
#endif
}

zend_mm_heap *zend_mm_find_current_heap(void)
{
    if (zend_mm_current_heap != NULL) {
        return zend_mm_current_heap;
    }
    zend_alloc_globals *globals = find_globals();
    if (globals == NULL) {
        return NULL;
    }
    if (globals->mm_heap == NULL) {
        globals->mm_heap =
            zend_mm_environment_use_zend_alloc() ? zend_mm_startup() : new_passing_heap();
    }
    use_heap(globals->mm_heap);
    return globals->mm_heap;
}

/* ---- public ---- */

void start_memory_manager(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("start_memory_manager");
    zend_mm_remote_free_policy = zend_mm_environment_remote_free_panics()
        ? ZEND_MM_REMOTE_FREE_PANIC : ZEND_MM_REMOTE_FREE_ACCEPT;
#ifdef ZTS
    (void)tsrm_ls;
    tsrm_set_context_change_handler(forget_heap);
    if (ts_allocate_id(&alloc_globals_id, sizeof(zend_alloc_globals), ctor, dtor) == 0) {
        fprintf(stderr, "start_memory_manager: TSRM has no id for alloc_globals\n");
    }
    tsrm_startup_trace_leave(token, "start_memory_manager", "alloc_globals_id = %d",
        alloc_globals_id);
#else
    if (alloc_globals.mm_heap == NULL) {    /* an allocation before the start has made it already */
        alloc_globals_ctor(&alloc_globals);
    }
    use_heap(alloc_globals.mm_heap);
    tsrm_startup_trace_leave(token, "start_memory_manager", "one static heap");
#endif
}

void shutdown_memory_manager(int silent, int full_shutdown TSRMLS_DC)
{
    zend_mm_heap *heap = AG(mm_heap);
    if (heap == NULL) {
        return;
    }
    if (full_shutdown) {
        AG(mm_heap) = NULL;
        forget_heap();
    }
    zend_mm_shutdown(heap, full_shutdown, silent);
}

zend_mm_heap *zend_mm_set_heap(zend_mm_heap *heap TSRMLS_DC)
{
    zend_mm_heap *before = AG(mm_heap);
    AG(mm_heap) = heap;
    use_heap(heap);
    return before;
}

zend_mm_heap *zend_mm_get_heap(void)
{
    return zend_mm_find_current_heap();
}

void refresh_memory_manager(void)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap != NULL && heap->storage != NULL) {
        zend_mm_heap_refresh_key(heap);
    }
}

bool is_zend_mm(void)
{
    const zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL && heap->custom_mode == 0;
}
