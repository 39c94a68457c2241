/* sapi_support.h: what the tests of the SAPI contract share: a started process, a SAPI that keeps
 * what it is told, a journal of calls. One test program, one .c file that includes this. */
#ifndef TSRMALLOC_TESTS_SAPI_SUPPORT_H
#define TSRMALLOC_TESTS_SAPI_SUPPORT_H

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sapi.h"

/* What was called, in order, with one blank between the calls. Main thread only. */
static char journal[2048];
/* The reports of the library, one a line. Main thread only. */
static char reports[2048];

static inline void note(const char *what)
{
    snprintf(journal + strlen(journal), sizeof(journal) - strlen(journal), "%s%s",
        journal[0] == '\0' ? "" : " ", what);
}

static inline void keep_report(const char *message, int priority TSRMLS_DC)
{
#ifdef ZTS
    (void)tsrm_ls;
#endif
    (void)priority;
    snprintf(reports + strlen(reports), sizeof(reports) - strlen(reports), "%s\n", message);
}

/* TSRM and the SAPI, not yet the modules. Exits on failure: no test can go on. */
static inline void start_sapi(sapi_module_struct *sapi)
{
#ifdef ZTS
    if (!tsrm_startup(4, 4, 0, NULL) || ts_resource(0) == NULL) {
        abort();
    }
#endif
    sapi->log_message = keep_report;
    if (sapi_startup(sapi) == FAILURE) {
        abort();
    }
}

static inline void stop_sapi(void)
{
    sapi_shutdown();
#ifdef ZTS
    (void)tsrm_shutdown();
#endif
}

#endif
