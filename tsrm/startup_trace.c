/* startup_trace: reports each step of the start-up flow to one sink.
 * Owns        the sink, and per thread a number and the depth of nesting.
 * Thread      any; the sink is set before threads exist.
 * Invariants  I1  every enter with a token is followed by one leave in the same thread
 * Failure     none; a decision longer than the buffer is cut.
 * Tests       tests/unit/tsrm_startup_trace.c */
#include "config.h"

#include "tsrm/startup_trace.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

#include "tsrm/os.h"

#if defined(_MSC_VER)
#define TRACE_THREAD_LOCAL __declspec(thread)
#else
#define TRACE_THREAD_LOCAL _Thread_local __attribute__((tls_model("initial-exec")))
#endif

enum { DECISION_SIZE = 256 };

static tsrm_startup_trace_func trace_sink; /* const after tsrm_startup */
static void *trace_arg;                    /* const after tsrm_startup */
static atomic_uint thread_number_last;     /* atomic: relaxed counter */

static TRACE_THREAD_LOCAL struct {
    uint32_t number; /* owner only; 0 until the first step */
    int32_t depth;   /* owner only */
} trace_thread;

void tsrm_set_startup_trace(tsrm_startup_trace_func sink, void *arg)
{
    trace_sink = sink;
    trace_arg = arg;
}

static unsigned long thread_number(void)
{
    if (trace_thread.number == 0) {
        trace_thread.number =
            atomic_fetch_add_explicit(&thread_number_last, 1, memory_order_relaxed) + 1;
    }
    return trace_thread.number;
}

uint64_t tsrm_startup_trace_enter(const char *function)
{
    tsrm_startup_event event = {.function = function, .decision = ""};
    uint64_t now;

    if (trace_sink == NULL) {
        return 0;
    }
    event.thread = thread_number();
    event.depth = trace_thread.depth++;
    trace_sink(&event, trace_arg);
    /* Read last, so that the time of the sink is not counted; 0 would mean "off". */
    now = tsrm_os_clock_ns();
    return now == 0 ? 1 : now;
}

void tsrm_startup_trace_leave(uint64_t token, const char *function, const char *format, ...)
{
    char decision[DECISION_SIZE];
    tsrm_startup_event event = {.leaving = true, .function = function, .decision = decision};
    va_list args;

    if (token == 0) {
        return;
    }
    event.duration_ns = tsrm_os_clock_ns() - token;
    event.thread = thread_number();
    event.depth = --trace_thread.depth;
    va_start(args, format);
    vsnprintf(decision, sizeof(decision), format, args);
    va_end(args);
    if (trace_sink != NULL) {
        trace_sink(&event, trace_arg);
    }
}
