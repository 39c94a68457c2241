/* figures.h: one number, and how far it can be trusted, out of a number for each round. */
#ifndef TSRMALLOC_BENCH_FIGURES_H
#define TSRMALLOC_BENCH_FIGURES_H

#include "bench/run.h"

/* All NAN when there is nothing to sum up. */
typedef struct bench_summary {
    double median;
    double low, high;           /* quartiles: half of the rounds lie between them */
} bench_summary;

bench_summary bench_summary_of_metric(const bench_result *results, size_t count,
    bench_metric metric);
bench_summary bench_summary_of_cell(const bench_cell *cell, bench_metric metric);

/* Of the quotients over / under, taken within each round. */
bench_summary bench_summary_of_quotient(const bench_cell *over, const bench_cell *under,
    bench_metric metric);

/* Geometric mean of `count` values; NAN if one is, or if there are none. */
double bench_geometric_mean(const double *values, size_t count);

#endif
