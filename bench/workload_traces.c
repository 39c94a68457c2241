/* workload_traces: allocations of real PHP programs, request by request.
 * Owns        nothing.
 * Thread      the main thread; replay makes the others.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/replay.h"
#include "bench/workload.h"

/* a: threads; count: timed replays. Enough that a thread lives for several time slices of the
 * scheduler. */
static const bench_case thread_cases[] = {
    { .name = "1 thread", .a = 1, .count = 24 },
    { .name = "2 threads", .a = 2, .count = 24 },
    { .name = "64 threads", .a = 64, .count = 4 },
    { .name = NULL },
};
static const bench_case thread_quick_cases[] = {
    { .name = "1 thread", .a = 1, .count = 1 },
    { .name = "2 threads", .a = 2, .count = 1 },
    { .name = NULL },
};

/* The time of day for one thread, too: only so can one be compared with many. */
static bool measure_threads(const bench_task *task, bench_peer *peer, bench_result *result)
{
    if (!bench_replay(peer, &task->sequence, (unsigned int)task->item.a,
            (unsigned int)task->item.count, result)) {
        return false;
    }
    result->metrics[METRIC_NS] = result->metrics[METRIC_WALL_NS];
    return true;
}

const bench_workload bench_workload_traces = {
    .name = "traces",
    .title = "allocations of real PHP programs, every request ended; per operation, in a warm "
             "process (first time: the first replay, page faults and all)",
    .traces = TRACES_EACH,
    .columns = { METRIC_FIRST_NS, METRIC_OVERHEAD, METRIC_KEPT },
    .measure = bench_measure_sequence,
};

const bench_workload bench_workload_threads = {
    .name = "threads",
    .title = "the smallest trace on N threads at once, a heap each; wall time per operation of all "
             "threads",
    .cases = thread_cases,
    .quick_cases = thread_quick_cases,
    .traces = TRACES_SMALLEST,
    .cases_together = true,
    .columns = { METRIC_CPU_NS, METRIC_OVERHEAD },
    .measure = measure_threads,
};
