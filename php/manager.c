/* manager: starts and ends the memory manager of a PHP, and knows each thread's heap.
 * Owns        alloc_globals (of the host's TSRM, or one static).
 * Thread      each its own; ctor and dtor may run in another thread on its behalf.
 * Invariants  the thread's current heap (alloc/thread_heap.h) is NULL or the one of alloc_globals
 * Failure     a call before start_memory_manager() ends the process; a ctor without storage leaves
 *             the thread without a heap, and its next allocation tries again.
 * Tests       tests/php/basics.sh, tests/php/zts.sh
 */
#include "config.h"

#include <stdlib.h>

#include "alloc/environment.h"
#include "alloc/globals.h"
#include "php/face.h"
#include "php/host.h"
#include "php/options.h"

static bool is_started;                 /* const after start_memory_manager() */
static int alloc_globals_id;            /* const after start_memory_manager(); 0: no ZTS host */
static zend_alloc_globals the_globals;  /* of a host without ZTS */
/* The heap of such a host's own memory manager, see php/host.h: it looks at one flag of it, somewhere. */
static char hosts_own_heap[1024];

/* ---- heaps ---- */

/* Unlike PHP 5, PHP 8 reads the variable as a decimal number without a unit. */
static bool uses_zend_alloc(void)
{
    const char *value = getenv("USE_ZEND_ALLOC");
    return value == NULL || strtoll(value, NULL, 10) != 0;
}

/* With USE_ZEND_ALLOC=0 PHP's wrappers of the C library are the handlers, as programs can see. */
static zend_mm_heap *new_heap(void)
{
    zend_mm_heap *heap = uses_zend_alloc()
        ? zend_mm_startup() : zend_mm_new_passing_heap(__zend_malloc, free, __zend_realloc);
    if (heap != NULL) {
        /* Most scripts touch all of their heap once, and end: a tenth of their time is page faults. */
        heap->touches_ahead = true;
        php_options_heap_begins(heap);
    }
    return heap;
}

static void end_heap(zend_mm_heap *heap, bool full, bool silent)
{
    php_options_request_ends(heap, full);
    zend_mm_shutdown(heap, full, silent);
}

static void ctor(void *globals)
{
    ((zend_alloc_globals *)globals)->mm_heap = new_heap();
}

static void dtor(void *resource)
{
    zend_alloc_globals *globals = resource;
    zend_mm_heap *heap = globals->mm_heap;
    globals->mm_heap = NULL;
    if (heap != NULL) {
        end_heap(heap, true, true);
        if (zend_mm_current_heap == heap) {
            zend_mm_forget_heap();
        }
    }
}

static zend_alloc_globals *find_globals(void)
{
    return alloc_globals_id == 0 ? &the_globals : php_host.resource_ex(alloc_globals_id, NULL);
}

zend_mm_heap *zend_mm_find_current_heap(void)
{
    if (zend_mm_current_heap != NULL) {
        return zend_mm_current_heap;
    }
    if (!is_started) {
        php_host_refuse("PHP's start_memory_manager() was not called, or is out of reach: this PHP "
            "cannot be served by LD_PRELOAD");
    }
    zend_alloc_globals *globals = find_globals();
    if (globals == NULL) {
        return NULL;
    }
    if (globals->mm_heap == NULL) {
        globals->mm_heap = new_heap();
    }
    zend_mm_use_heap(globals->mm_heap);
    return globals->mm_heap;
}

/* ---- start and end ---- */

static void start(void)
{
    zend_mm_remote_free_policy = zend_mm_environment_remote_free_panics()
        ? ZEND_MM_REMOTE_FREE_PANIC : ZEND_MM_REMOTE_FREE_ACCEPT;
    php_options_start();
    is_started = true;
}

void php_start_memory_manager(void)
{
    /* Again at each start: a server may have unloaded PHP and loaded it at another address. */
    php_host_find(__builtin_return_address(0));
    if (!is_started) {
        start();
    }
    if (php_host.own_start != NULL) {
        php_host.own_start();
    } else if (php_host.own_set_heap != NULL) {
        (void)php_host.own_set_heap(hosts_own_heap);
    }
    if (php_host.allocate_id != NULL) {
        if (php_host.allocate_id(&alloc_globals_id, sizeof(zend_alloc_globals), ctor, dtor) == 0) {
            php_host_refuse("the host's TSRM has no id for the memory manager");
        }
    } else if (the_globals.mm_heap == NULL) {
        ctor(&the_globals);
        zend_mm_use_heap(the_globals.mm_heap);
    }
}

/* A heap of the host's own manager, which ours must not touch: it gives no heap the index 0. */
static bool is_hosts_own(const zend_mm_heap *heap)
{
    return heap->index == 0 && php_host.own_shutdown != NULL;
}

void php_shutdown(zend_mm_heap *heap, bool full, bool silent)
{
    if (is_hosts_own(heap)) {
        php_host.own_shutdown(heap, full, silent);
        return;
    }
    end_heap(heap, full, silent);
    if (full && heap == zend_mm_current_heap) {
        zend_mm_forget_heap();
    }
}

void php_shutdown_memory_manager(bool silent, bool full)
{
    zend_mm_heap *heap = zend_mm_find_current_heap();
    if (heap == NULL) {
        return;
    }
    end_heap(heap, full, silent);
    if (full) {
        find_globals()->mm_heap = NULL;
        zend_mm_forget_heap();
    }
}

zend_mm_heap *php_set_heap(zend_mm_heap *heap)
{
    zend_mm_heap *before = zend_mm_find_current_heap();
    find_globals()->mm_heap = heap;
    zend_mm_use_heap(heap);
    return before;
}

zend_mm_heap *php_get_heap(void)
{
    return zend_mm_find_current_heap();
}

bool php_is_zend_mm(void)
{
    const zend_mm_heap *heap = zend_mm_find_current_heap();
    return heap != NULL && heap->custom_mode == 0;
}

size_t php_globals_size(void)
{
    return sizeof(zend_alloc_globals);
}
