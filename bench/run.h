/* run.h: one run of the program: what is measured, and what was found. */
#ifndef TSRMALLOC_BENCH_RUN_H
#define TSRMALLOC_BENCH_RUN_H

#include <stdio.h>

#include "bench/workload.h"

#define BENCH_PEER_MAX 24
#define BENCH_ROUND_MAX 101

typedef struct bench_peer_choice {
    const char *name;
    const char *path;           /* of the library, "" for none */
    const char *package;        /* that brings it, or NULL */
    bool variant;               /* another build of ours: measured with the traces only */
    char version[96];
    char missing[256];          /* not empty: why it cannot be measured at all */
} bench_peer_choice;

/* Where a report goes: NULL: nowhere, "" : to stdout instead of the table. */
typedef struct bench_options {
    bench_peer_choice peers[BENCH_PEER_MAX];    /* ours is the first */
    size_t peer_count;
    const bench_workload *workloads[16];
    size_t workload_count;
    char **traces;
    size_t trace_count;
    unsigned int rounds, threads;
    unsigned int repeat;        /* 0: see bench_replay() */
    bool quick;
    const char *json, *markdown, *svg;
} bench_options;

/* What one peer did in one case: a result for each round. */
typedef struct bench_cell {
    bench_result *rounds;
    size_t round_count;
    char left_out[256];         /* not empty: why there are none */
    bool failed;                /* it was not refused: it went wrong */
} bench_cell;

typedef struct bench_row {
    const bench_workload *workload;
    bench_case item;
    char name[64];
    bench_cell cells[BENCH_PEER_MAX];
} bench_row;

typedef struct bench_run {
    const bench_options *options;
    bench_peer_choice *peers;   /* those that can be measured; ours is the first */
    size_t peer_count;
    bench_row *rows;            /* workload by workload */
    size_t row_count;
    char date[40], load[40];    /* when it began */
} bench_run;

/* Ask every peer for its version; those that cannot be opened are named on stderr and dropped.
 * false: ours is one of them. */
bool bench_run_begin(bench_run *run, bench_options *options) __attribute__((warn_unused_result));

/* Measure all cases of a workload, round by round, the peers in turn.
 * false: a trace cannot be used, or ours gave no figure. */
bool bench_run_workload(bench_run *run, const bench_workload *workload)
    __attribute__((warn_unused_result));

void bench_run_end(bench_run *run);

/* ---- looking things up ---- */

/* The row of a case, by position among those of its workload; NULL: not that many were measured. */
const bench_row *bench_run_row(const bench_run *run, const char *workload, size_t index);
/* -1: not measured. */
int bench_run_peer(const bench_run *run, const char *name);

#endif
