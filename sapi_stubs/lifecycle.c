/* lifecycle: start and end of the process and of each request, in PHP's order.
 * Owns        the flag that the modules are up, the error callback while they are.
 * Thread      start-up and shutdown: main thread. Requests: each worker for itself.
 * Invariants  I1  every act of a request end runs once, whatever the acts before it did
 *             I2  after php_request_shutdown no block of the request is left, unless it is kept
 * Failure     FAILURE, reported through sapi_report; what was begun is undone first.
 * Tests       tests/unit/sapi_lifecycle.c, tests/unit/sapi_threads.c, tests/cli */
#include "config.h"

#include "module_registry.h"
#include "sapi_internal.h"
#include "startup_trace.h"
#include "tsrm/os.h"

static bool module_initialized;                         /* main thread only */
static zend_mm_error_callback error_callback_before;    /* main thread only */

/* ---- acts that run foreign code ---- */

typedef void (*lifecycle_act)(TSRMLS_D);

/* Run one act so that a zend_bailout() in it ends here. */
static zend_result protect(lifecycle_act act TSRMLS_DC)
{
    volatile zend_result result = FAILURE;
    zend_try {
        act(TSRMLS_C);
        result = SUCCESS;
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
    return result;
}

static zend_result protect_result(zend_result (*act)(TSRMLS_D) TSRMLS_DC)
{
    volatile zend_result result = FAILURE;
    zend_try {
        result = act(TSRMLS_C);
    } zend_catch {
        SG(unclean_shutdown) = true;
    } zend_end_try();
    return result;
}

/* What the heap calls before it bails out: note that the request died, tell the SAPI. */
static void memory_error(zend_mm_error_kind kind, const char *message)
{
    (void)kind;
    TSRMLS_FETCH();
    SG(exit_status) = 255;
    sapi_report(SAPI_LOG_ERROR, "%s", message);
}

/* ---- memory limit ---- */

/* Give the calling thread's heap the configured limit. It is done at thread start and again at each
 * request start, not by TSRM's new-thread handler: a heap that could not be made at thread start is
 * made by a request, and a limit that a request moved must not reach the next one.
 * Returns the limit in force: a heap cannot hold less than its first unit. */
static size_t apply_memory_limit(TSRMLS_D)
{
    size_t limit = php_memory_limit();
    if (SG(heap_is_kept)
        && __builtin_add_overflow(limit, zend_memory_usage(1 TSRMLS_CC), &limit)) {
        limit = SIZE_MAX;
    }
    if (!zend_set_memory_limit(limit)) {
        limit = zend_memory_usage(1 TSRMLS_CC);
        (void)zend_set_memory_limit(limit);
    }
    return limit;
}

/* ---- process ---- */

zend_result zend_startup(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("zend_startup");
    start_memory_manager(TSRMLS_C);
    error_callback_before = zend_mm_set_error_callback(memory_error);
    tsrm_startup_trace_leave(token, "zend_startup", "error callback set, module table empty");
    return SUCCESS;
}

void zend_shutdown(TSRMLS_D)
{
    SAPI_UNUSED_TSRMLS;
    zend_mm_set_error_callback(error_callback_before);
#ifndef ZTS
    /* With ZTS a heap ends with its thread's resources. */
    shutdown_memory_manager(1, 1);
#endif
}

static void init_config(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("php_init_config");
    size_t limit = apply_memory_limit(TSRMLS_C);
    if (limit != php_memory_limit()) {
        sapi_report(SAPI_LOG_WARNING,
            "memory_limit of %zu bytes is less than an empty heap holds, raised to %zu bytes",
            php_memory_limit(), limit);
    }
    tsrm_startup_trace_leave(token, "php_init_config", "memory_limit %s", php_memory_limit_text());
}

static zend_result register_modules(zend_module_entry *modules, uint num)
{
    for (uint index = 0; index < num; index++) {
        if (zend_register_module(&modules[index]) == FAILURE) {
            return FAILURE;
        }
    }
    return SUCCESS;
}

/* What modules took from the request heap is gone from here on: the first request of this thread
 * starts with a clean heap. */
static void drop_startup_memory(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("shutdown_memory_manager");
    size_t size = zend_memory_usage(0 TSRMLS_CC);
    shutdown_memory_manager(1, 0 TSRMLS_CC);
    tsrm_startup_trace_leave(token, "shutdown_memory_manager",
        "silent = 1, full = 0: %zu bytes of start-up memory dropped", size);
}

/* All of php_module_startup behind zend_startup. */
static zend_result start_modules(zend_module_entry *modules, uint num TSRMLS_DC)
{
    init_config(TSRMLS_C);
    zend_result result = FAILURE;
    if (protect_result(sapi_activate TSRMLS_CC) == FAILURE) {
        sapi_report(SAPI_LOG_ERROR, "the SAPI's activate function failed during start-up");
    } else if (register_modules(modules, num) == SUCCESS) {
        result = zend_startup_modules(TSRMLS_C);
    }
    if (result == FAILURE) {
        zend_destroy_modules(TSRMLS_C);
    }
    (void)protect_result(sapi_deactivate TSRMLS_CC);
    drop_startup_memory(TSRMLS_C);
    return result;
}

zend_result php_module_startup(const sapi_module_struct *sf,
    zend_module_entry *additional_modules, uint num)
{
    if (module_initialized) {
        return SUCCESS;
    }
    uint64_t token = tsrm_startup_trace_enter("php_module_startup");
    TSRMLS_FETCH();
    if (zend_startup(TSRMLS_C) == FAILURE) {
        tsrm_startup_trace_leave(token, "php_module_startup", "zend_startup failed");
        return FAILURE;
    }
    sapi_module = *sf;
    zend_result result = start_modules(additional_modules, num TSRMLS_CC);
    if (result == FAILURE) {
        zend_shutdown(TSRMLS_C);
    }
    module_initialized = result == SUCCESS;
    tsrm_startup_trace_leave(token, "php_module_startup", "%s",
        module_initialized ? "ready for requests" : "failed, undone");
    return result;
}

void php_module_shutdown(TSRMLS_D)
{
    if (!module_initialized) {
        return;
    }
    module_initialized = false;
#ifdef ZTS
    ts_free_worker_threads();
#endif
    zend_destroy_modules(TSRMLS_C);
    zend_shutdown(TSRMLS_C);
}

/* ---- threads ---- */

zend_result sapi_thread_start(TSRMLS_D)
{
    uint64_t token = tsrm_startup_trace_enter("sapi_thread_start");
    size_t limit = apply_memory_limit(TSRMLS_C);
    zend_result result = SUCCESS;
    if (sapi_module.thread_start != NULL) {
        result = protect_result(sapi_module.thread_start TSRMLS_CC);
    }
    tsrm_startup_trace_leave(token, "sapi_thread_start", "%s, limit %zu bytes",
        result == SUCCESS ? "up" : "refused", limit);
    return result;
}

void sapi_thread_end(TSRMLS_D)
{
    if (sapi_module.thread_end != NULL) {
        (void)protect(sapi_module.thread_end TSRMLS_CC);
    }
}

/* ---- requests ---- */

zend_result php_request_startup(TSRMLS_D)
{
    SG(request_active) = true;
    SG(unclean_shutdown) = false;
    SG(exit_status) = 0;
    SG(active_module_count) = 0;
    SG(request_number)++;
    (void)apply_memory_limit(TSRMLS_C);
    SG(heap_start_size) = zend_memory_usage(0 TSRMLS_CC);
    if (protect_result(sapi_activate TSRMLS_CC) == FAILURE
        || zend_activate_modules(TSRMLS_C) == FAILURE) {
        php_request_shutdown(TSRMLS_C);
        return FAILURE;
    }
    return SUCCESS;
}

/* No leak report for a request that was cut off: what it left behind is no leak. */
static void reset_heap(TSRMLS_D)
{
    uint64_t begin = tsrm_os_clock_ns();
    shutdown_memory_manager(SG(unclean_shutdown) || !php_report_memleaks(), 0 TSRMLS_CC);
    SG(reset_duration) = tsrm_os_clock_ns() - begin;
}

void php_request_shutdown(TSRMLS_D)
{
    if (!SG(request_active)) {
        return;
    }
    (void)protect(sapi_flush TSRMLS_CC);
    zend_deactivate_modules(TSRMLS_C);
    (void)protect_result(sapi_deactivate TSRMLS_CC);
    SG(request_active) = false;
    SG(heap_growth) = (int64_t)zend_memory_usage(0 TSRMLS_CC) - (int64_t)SG(heap_start_size);
    SG(reset_duration) = 0;
    if (!SG(heap_is_kept)) {
        reset_heap(TSRMLS_C);
    }
}
