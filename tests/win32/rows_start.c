/* rows_start: the process of rows.c: a SAPI with one module, from tsrm_startup to tsrm_shutdown.
 * Owns        the SAPI, its module and the module's counters.
 * Thread      main; the counters and the log: any.
 * Invariants  the flow is written down while there is one thread.
 * Failure     a start-up that fails ends the program.
 * Tests       tsrm/, alloc/globals.c, sapi_stubs/lifecycle.c. */
#include "config.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sapi_stubs/sapi_internal.h"
#include "tests/win32/rows.h"
#include "tests/win32/system.h"

/* Resident bytes of a process that has just started; the table alone is above it. */
#define RESIDENT_MAX ((size_t)64 << 20)

/* ---- the flow as it ran ---- */

static char flow[1024];     /* main thread only */

static void flow_add(const char *text)
{
    strncat(flow, text, sizeof flow - strlen(flow) - 1);
}

/* "outer(inner() inner())" */
static void note_step(const tsrm_startup_event *event, void *arg)
{
    (void)arg;
    size_t length = strlen(flow);
    if (event->leaving) {
        flow_add(")");
        return;
    }
    if (length > 0 && flow[length - 1] != '(') {
        flow_add(" ");
    }
    flow_add(event->function);
    flow_add("(");
}

/* ---- the module: counts its globals ---- */

static atomic_int globals_made, globals_destroyed;  /* atomic: any order */

static void globals_ctor(void *globals TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    *(int *)globals = ++globals_made;
}

static void globals_dtor(void *globals TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    globals_destroyed += *(int *)globals != 0;
}

int row_globals_made(void)
{
    return globals_made;
}

int row_globals_destroyed(void)
{
    return globals_destroyed;
}

#ifdef ZTS
static ts_rsrc_id module_globals_id;
#else
static int module_globals;
#endif

static zend_module_entry module = {
    .name = "rows",
    .globals_size = sizeof(int),
#ifdef ZTS
    .globals_id_ptr = &module_globals_id,
#else
    .globals_ptr = &module_globals,
#endif
    .globals_ctor = globals_ctor,
    .globals_dtor = globals_dtor,
};

/* ---- the SAPI ---- */

static zend_result sapi_begin(sapi_module_struct *sapi)
{
    return php_module_startup(sapi, &module, 1);
}

static zend_result sapi_end(sapi_module_struct *sapi)
{
    (void)sapi;
    TSRMLS_FETCH();
    php_module_shutdown(TSRMLS_C);
    return SUCCESS;
}

static void log_message(const char *message, int priority TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    row_log *log = SG(server_context);
    if (log == NULL) {
        fprintf(stderr, "rows: %d: %s\n", priority, message);
        return;
    }
    snprintf(log->message, sizeof log->message, "%s", message);
    log->count++;
}

static sapi_module_struct sapi = {
    .name = "rows",
    .pretty_name = "the rows of tests/win32",
    .startup = sapi_begin,
    .shutdown = sapi_end,
    .log_message = log_message,
};

static void fail(const char *what)
{
    fprintf(stderr, "rows: %s failed\n", what);
    exit(1);
}

void row_process_begin(void)
{
    tsrm_set_startup_trace(note_step, NULL);
#ifdef ZTS
    if (!tsrm_startup(1, 1, 0, NULL) || ts_resource(0) == NULL) {
        fail("tsrm_startup");
    }
#endif
    if (sapi_startup(&sapi) != SUCCESS || sapi_module.startup(&sapi) != SUCCESS) {
        fail("the SAPI's startup");
    }
    tsrm_set_startup_trace(NULL, NULL);
}

void rows_startup(void)
{
    row_process_begin();
    TSRMLS_FETCH();
    row_case("the start-up flow makes the main thread's heap");
    row_text("flow", flow);
    ROW_CHECK(strstr(flow, "php_module_startup(zend_startup(start_memory_manager(") != NULL);
    ROW_CHECK(strstr(flow, "alloc_globals_ctor(zend_mm_startup(zend_mm_startup_ex(zend_mm_init()")
        != NULL);
    ROW_CHECK(is_zend_mm());
    row_figure("size", zend_memory_usage(0 TSRMLS_CC));
    row_figure("real size", zend_memory_usage(1 TSRMLS_CC));
    row_figure("memory_limit", php_memory_limit());

    row_case("the table of all addresses costs no memory until it is used");
    if (TSRMALLOC_SANITIZE_ADDRESS || TSRMALLOC_SANITIZE_THREAD) {
        row_skip("a sanitizer has more memory of its own");
    } else {
        ROW_CHECK(row_resident_size() < RESIDENT_MAX);
    }

    row_case("a module's globals are made for the one thread there is");
    ROW_CHECK(row_globals_made() == 1 && row_globals_destroyed() == 0);
}

void rows_shutdown(void)
{
    row_case("the end of the process destroys what was made");
    ROW_CHECK(sapi_module.shutdown(&sapi) == SUCCESS);
    sapi_shutdown();
#ifdef ZTS
    row_figure("entries left", (size_t)tsrm_shutdown());
#endif
    ROW_CHECK(row_globals_destroyed() == row_globals_made());
}

/* ---- requests ---- */

void row_request_begin(row_log *log)
{
    TSRMLS_FETCH();
    *log = (row_log){ .count = 0 };
    SG(server_context) = log;
    ROW_CHECK(php_request_startup(TSRMLS_C) == SUCCESS);
}

void row_request_end(void)
{
    TSRMLS_FETCH();
    php_request_shutdown(TSRMLS_C);
    SG(server_context) = NULL;
}
