/* workload.h: what the allocators are measured with. One file each. */
#ifndef TSRMALLOC_BENCH_WORKLOAD_H
#define TSRMALLOC_BENCH_WORKLOAD_H

#include "bench/memory.h"
#include "bench/metric.h"
#include "bench/peer.h"
#include "bench/random.h"
#include "bench/sequence.h"

/* A workload at one size. What a, b and count mean is the workload's own. */
typedef struct bench_case {
    const char *name;
    size_t a, b;
    size_t count;               /* how much of it */
    unsigned int round_limit;   /* of what takes long; 0: as many rounds as asked for */
    const char *path;           /* a trace, or NULL */
} bench_case;

/* One measurement, in a process of its own. */
typedef struct bench_task {
    bench_case item;            /* name and path are not known there */
    unsigned int threads, repeat;
    double spawn_time;          /* bench_wall_time() before the process was made */
    bench_sequence sequence;    /* of workloads that prepare one */
} bench_task;

/* Which cases a workload makes of the traces on the command line. */
typedef enum bench_trace_use { TRACES_NONE, TRACES_EACH, TRACES_SMALLEST } bench_trace_use;

typedef struct bench_workload {
    const char *name;
    const char *title;          /* what is done, and what the figure is of */
    const bench_case *cases, *quick_cases;      /* up to a case without a name */
    bench_trace_use traces;     /* EACH: a case per trace; SMALLEST: all run the smallest file */
    bool cases_together;        /* in a round, all cases of a peer in turn: its own are compared */
    unsigned int process_count; /* a round's figure is the median of so many processes; 0: one */
    bench_metric columns[6];    /* of its own, METRIC_NS ends them: that one is in every table */

    /* In the program: make the operations of a case. NULL: there are none to make. */
    void (*prepare)(const bench_case *item, bench_builder *builder);
    /* In the process of the measurement. false: result->refusal has the reason. */
    bool (*measure)(const bench_task *task, bench_peer *peer, bench_result *result);
} bench_workload;

extern const bench_workload bench_workload_traces, bench_workload_threads, bench_workload_large,
    bench_workload_huge, bench_workload_mixed, bench_workload_grow, bench_workload_reset,
    bench_workload_handoff, bench_workload_churn, bench_workload_startup, bench_workload_age;

extern const bench_workload *const bench_workloads[];
extern const size_t bench_workload_count;

/* NULL: there is none of that name. */
const bench_workload *bench_workload_find(const char *name);

/* ---- shared by several ---- */

/* Replays the prepared sequence: the measure function of most. */
bool bench_measure_sequence(const bench_task *task, bench_peer *peer, bench_result *result);

/* The request end that follows what was measured, and what is left then: RSS_AFTER. */
void bench_measure_after(const bench_peer *peer, void **blocks, size_t count,
    const bench_memory *memory, bench_result *result);

#define BENCH_AGE_DAYS 4.0      /* of traffic, in all slices of `age` */

/* Always false, for `return`. */
bool bench_refuse(bench_result *result, const char *reason);

#endif
