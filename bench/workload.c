/* workload: the list, and what several of them share.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     a refusal in the result.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/workload.h"

#include <stdio.h>
#include <string.h>

#include "bench/replay.h"

const bench_workload *const bench_workloads[] = {
    &bench_workload_traces, &bench_workload_threads, &bench_workload_large, &bench_workload_huge,
    &bench_workload_mixed, &bench_workload_grow, &bench_workload_reset, &bench_workload_handoff,
    &bench_workload_churn, &bench_workload_startup, &bench_workload_age,
};
const size_t bench_workload_count = sizeof bench_workloads / sizeof bench_workloads[0];

const bench_workload *bench_workload_find(const char *name)
{
    for (size_t index = 0; index < bench_workload_count; index++) {
        if (strcmp(bench_workloads[index]->name, name) == 0) {
            return bench_workloads[index];
        }
    }
    return NULL;
}

bool bench_measure_sequence(const bench_task *task, bench_peer *peer, bench_result *result)
{
    return bench_replay(peer, &task->sequence, task->threads, task->repeat, result);
}

bool bench_refuse(bench_result *result, const char *reason)
{
    snprintf(result->refusal, sizeof result->refusal, "%s", reason);
    return false;
}

void bench_measure_after(const bench_peer *peer, void **blocks, size_t count,
    const bench_memory *memory, bench_result *result)
{
    bench_replay_end_request(peer, blocks, count);
    bench_memory_after(memory, result);
}
