/* sapi: the copy of the SAPI's functions, each thread's SG(), and the defaults of absent functions.
 * Owns        sapi_module, sapi_globals_id.
 * Thread      sapi_startup and sapi_shutdown: main thread. The rest: any thread with its resources.
 * Invariants  I1  sapi_module does not change between sapi_startup and sapi_shutdown
 *             I2  after ub_write took less than it was given nothing more is written in a request
 * Failure     FAILURE from sapi_startup leaves nothing behind.
 * Tests       tests/unit/sapi_lifecycle.c, tests/unit/sapi_output.c, tests/unit/sapi_threads.c */
#include "config.h"

#include "sapi.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sapi_internal.h"
#include "startup_trace.h"

/* Longest message of sapi_report with its final NUL: a fixed buffer, as the reason for the report
 * may be that there is no memory. */
#define REPORT_SIZE 1024

sapi_module_struct sapi_module;     /* const after sapi_startup */

#ifdef ZTS
ts_rsrc_id sapi_globals_id;         /* const after sapi_startup */

/* Runs before the memory manager exists: no emalloc here. */
static void globals_ctor(void *globals TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    memset(globals, 0, sizeof(sapi_globals_struct));
}
#else
sapi_globals_struct sapi_globals;   /* owner only: there is one thread */
#endif

zend_result sapi_startup(const sapi_module_struct *sapi)
{
    uint64_t token = tsrm_startup_trace_enter("sapi_startup");
    sapi_module = *sapi;
#ifdef ZTS
    if (ts_allocate_id(&sapi_globals_id, sizeof(sapi_globals_struct), globals_ctor, NULL) == 0) {
        tsrm_startup_trace_leave(token, "sapi_startup", "no TSRM id for SG()");
        return FAILURE;
    }
    tsrm_startup_trace_leave(token, "sapi_startup", "SAPI %s, SG() is resource %d", sapi->name,
        sapi_globals_id);
#else
    memset(&sapi_globals, 0, sizeof(sapi_globals));
    tsrm_startup_trace_leave(token, "sapi_startup", "SAPI %s", sapi->name);
#endif
    return SUCCESS;
}

void sapi_shutdown(void)
{
#ifdef ZTS
    ts_free_id(sapi_globals_id);
    sapi_globals_id = 0;
#endif
    memset(&sapi_module, 0, sizeof(sapi_module));
}

/* ---- requests ---- */

zend_result sapi_activate(TSRMLS_D)
{
    SG(connection_aborted) = false;
    SG(read_post_size) = 0;
    SG(written_size) = 0;
    if (sapi_module.activate == NULL) {
        return SUCCESS;
    }
    return sapi_module.activate(TSRMLS_C);
}

zend_result sapi_deactivate(TSRMLS_D)
{
    SAPI_UNUSED_TSRMLS;
    if (sapi_module.deactivate == NULL) {
        return SUCCESS;
    }
    return sapi_module.deactivate(TSRMLS_C);
}

size_t sapi_write(const char *data, size_t size TSRMLS_DC)
{
    if (SG(connection_aborted)) {
        return 0;
    }
    size_t taken = sapi_module.ub_write != NULL ? sapi_module.ub_write(data, size TSRMLS_CC)
                                                : fwrite(data, 1, size, stdout);
    SG(written_size) += taken;
    if (taken < size) {
        SG(connection_aborted) = true;
    }
    return taken;
}

void sapi_flush(TSRMLS_D)
{
    if (sapi_module.flush != NULL) {
        sapi_module.flush(SG(server_context));
    } else {
        fflush(stdout);
    }
}

size_t sapi_read_post_block(char *buffer, size_t size TSRMLS_DC)
{
    if (sapi_module.read_post == NULL) {
        return 0;
    }
    size_t got = sapi_module.read_post(buffer, size TSRMLS_CC);
    SG(read_post_size) += got;
    return got;
}

const char *sapi_getenv(const char *name, size_t name_size TSRMLS_DC)
{
    SAPI_UNUSED_TSRMLS;
    if (sapi_module.getenv != NULL) {
        return sapi_module.getenv(name, name_size TSRMLS_CC);
    }
    return getenv(name);
}

/* ---- reports ---- */

void sapi_report(int type, const char *format, ...)
{
    char message[REPORT_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);

    if (sapi_module.sapi_error != NULL) {
        sapi_module.sapi_error(type, "%s", message);
    } else if (sapi_module.log_message != NULL) {
        TSRMLS_FETCH();
        sapi_module.log_message(message, type TSRMLS_CC);
    } else {
        fprintf(stderr, "%s\n", message);
    }
}
