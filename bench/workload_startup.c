/* workload_startup: from the making of a process to its first block.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/clock.h"
#include "bench/workload.h"

static const bench_case cases[] = {
    { .name = "first block" },
    { .name = NULL },
};

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    if (peer->plan != NULL) {
        return bench_refuse(result, "it starts nothing");
    }
    bench_memory_begin(&memory);
    double begin = bench_wall_time();
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    void *block = peer->alloc(64);
    *(volatile char *)block = 1;
    double end = bench_wall_time();
    bench_memory_peak(&memory, result);
    bench_measure_after(peer, &block, 1, &memory, result);
    result->metrics[METRIC_NS] = end - task->spawn_time;
    result->metrics[METRIC_HEAP_NS] = end - begin;
    return true;
}

const bench_workload bench_workload_startup = {
    .name = "startup",
    .title = "from spawn to the first block, loading the library included (for zend: all of PHP); "
             "wall time (heap ns: behind the loading)",
    .cases = cases,
    .quick_cases = cases,
    .process_count = 11,
    .columns = { METRIC_HEAP_NS },
    .measure = measure,
};
