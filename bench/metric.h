/* metric.h: what a measurement can find. One number each; NAN where it has none. */
#ifndef TSRMALLOC_BENCH_METRIC_H
#define TSRMALLOC_BENCH_METRIC_H

#include <stdbool.h>
#include <stddef.h>

/* X(symbol, key in JSON and between processes, heading of a table, unit) */
#define BENCH_METRICS(X) \
    X(NS, "ns", "ns", NANOSECONDS)                      /* the figure: per unit of the workload */ \
    X(CPU_NS, "cpu_ns", "cpu ns", NANOSECONDS)          /* the same in CPU time of all threads */ \
    X(WALL_NS, "wall_ns", "wall ns", NANOSECONDS)       /* the same in the time of day */ \
    X(BUSY_NS, "busy_ns", "busy ns", NANOSECONDS)       /* CPU_NS less what threads waited */ \
    X(FIRST_NS, "first_ns", "first time", NANOSECONDS)  /* the same, in a process just begun */ \
    X(HEAP_NS, "heap_ns", "heap ns", NANOSECONDS)       /* the heap's part of it */ \
    X(STORAGE_NS, "storage_ns", "storage ns", NANOSECONDS)      /* the storage calls' part */ \
    X(SEGMENTS, "segments", "segments", COUNT)          /* held before a request end */ \
    X(RSS_PEAK, "rss_peak", "RSS peak", BYTES)          /* above what the process had before */ \
    X(RSS_AFTER, "rss_after", "RSS after", BYTES)       /* behind the last request end */ \
    X(RSS_GROWTH, "rss_growth", "RSS growth", BYTES)    /* between an early and the last thread */ \
    X(FAULTS, "faults", "faults", COUNT)                /* page faults of the whole process */ \
    X(KEPT, "kept", "kept", RATIO)      /* segments held after requests, beyond the average */ \
    X(OVERHEAD, "overhead", "overhead", RATIO)          /* ours: real peak / bytes asked for */

typedef enum bench_unit { NANOSECONDS, BYTES, COUNT, RATIO } bench_unit;

#define BENCH_METRIC_SYMBOL(symbol, key, heading, unit) METRIC_##symbol,
typedef enum bench_metric { BENCH_METRICS(BENCH_METRIC_SYMBOL) METRIC_COUNT } bench_metric;
#undef BENCH_METRIC_SYMBOL

typedef struct bench_metric_info {
    const char *key, *heading;
    bench_unit unit;
} bench_metric_info;

extern const bench_metric_info bench_metric_infos[METRIC_COUNT];

/* A point of a curve over time. */
typedef struct bench_sample {
    double ns;                  /* per operation */
    double rss, live;           /* bytes */
} bench_sample;

#define BENCH_SAMPLE_MAX 128

/* What one process found. */
typedef struct bench_result {
    double metrics[METRIC_COUNT];
    bench_sample samples[BENCH_SAMPLE_MAX];
    size_t sample_count;
    char refusal[256];          /* not empty: why this peer is not measured */
    bool failed;                /* its process went wrong: nobody refused */
} bench_result;

/* All metrics NAN, the rest empty. */
void bench_result_clear(bench_result *result);

#endif
