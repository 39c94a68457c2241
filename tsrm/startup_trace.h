/* startup_trace: the steps of the start-up flow report themselves here (see
 * tsrm_set_startup_trace in tsrm.h).
 *
 *     uint64_t token = tsrm_startup_trace_enter("zend_mm_startup");
 *     ...
 *     tsrm_startup_trace_leave(token, "zend_mm_startup", "storage %s", name); */
#ifndef TSRMALLOC_TSRM_STARTUP_TRACE_H
#define TSRMALLOC_TSRM_STARTUP_TRACE_H

#include "tsrm.h"

/* Returns a token for the matching leave; 0 when the trace is off. Thread: any. */
uint64_t tsrm_startup_trace_enter(const char *function) TSRM_MUST_CHECK;

/* Reports the end of a step with what it decided, printf-like; longer texts are cut. No-op for
 * token 0. */
void tsrm_startup_trace_leave(uint64_t token, const char *function, const char *format, ...)
    TSRM_PRINTF(3, 4);

#endif
