/* globals: start_memory_manager, and the ctor and dtor of alloc_globals.
 * Owns        alloc_globals (one per thread through TSRM; one static without ZTS).
 * Thread      each thread its own; ctor and dtor may run in another thread on its behalf.
 * Invariants  the thread's current heap (thread_heap.h) is NULL or AG(mm_heap)
 * Failure     a ctor whose storage fails leaves AG(mm_heap) NULL; the next allocation tries again.
 * Tests       tests/unit/globals.c, tests/stress/startup_threads.c
 */
#include "config.h"

#include "alloc/globals.h"

#include <stdio.h>

#include "alloc/debug.h"
#include "alloc/environment.h"
#include "alloc/hardened.h"
#include "tsrm/context.h"
#include "tsrm/startup_trace.h"

#ifdef ZTS
static ts_rsrc_id alloc_globals_id;     /* const after start_memory_manager() */
# define AG(element) TSRMG(alloc_globals_id, zend_alloc_globals *, element)
#else
static zend_alloc_globals alloc_globals;
# define AG(element) (alloc_globals.element)
#endif

/* ---- ctor and dtor ---- */

static zend_mm_heap *new_heap(bool use_zend_alloc)
{
    return use_zend_alloc ? zend_mm_startup() : zend_mm_new_passing_heap(malloc, free, realloc);
}

static void alloc_globals_ctor(zend_alloc_globals *globals TSRMLS_DC)
{
    uint64_t token = tsrm_startup_trace_enter("alloc_globals_ctor");
#ifdef ZTS
    (void)tsrm_ls;
#endif
    bool use_zend_alloc = zend_mm_environment_use_zend_alloc();
    globals->mm_heap = new_heap(use_zend_alloc);
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
            zend_mm_forget_heap();
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
        globals->mm_heap = new_heap(zend_mm_environment_use_zend_alloc());
    }
    zend_mm_use_heap(globals->mm_heap);
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
    tsrm_set_context_change_handler(zend_mm_forget_heap);
    if (ts_allocate_id(&alloc_globals_id, sizeof(zend_alloc_globals), ctor, dtor) == 0) {
        fprintf(stderr, "start_memory_manager: TSRM has no id for alloc_globals\n");
    }
    tsrm_startup_trace_leave(token, "start_memory_manager", "alloc_globals_id = %d",
        alloc_globals_id);
#else
    if (alloc_globals.mm_heap == NULL) {    /* an allocation before the start has made it already */
        alloc_globals_ctor(&alloc_globals);
    }
    zend_mm_use_heap(alloc_globals.mm_heap);
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
        zend_mm_forget_heap();
    }
    zend_mm_shutdown(heap, full_shutdown, silent);
}

zend_mm_heap *zend_mm_set_heap(zend_mm_heap *heap TSRMLS_DC)
{
    zend_mm_heap *before = AG(mm_heap);
    AG(mm_heap) = heap;
    zend_mm_use_heap(heap);
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
        zend_mm_hardened_refresh(heap);
    }
}

bool is_zend_mm(void)
{
    const zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL && heap->custom_mode == 0;
}
