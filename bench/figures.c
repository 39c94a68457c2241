/* figures: medians, quartiles, geometric means.
 * Owns        nothing.
 * Thread      any.
 * Invariants  I1  figures of different rounds are never divided by each other
 * Failure     NAN.
 * Tests       tests/bench/figures.c
 */
#include "config.h"

#include "bench/figures.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

/* Between the two nearest of the sorted values. */
static double quantile(const double *sorted, size_t count, double part)
{
    double position = part * (double)(count - 1);
    size_t below = (size_t)position;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (sorted[above] - sorted[below]) * (position - (double)below);
}

static bench_summary sum_up(double *values, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if (isnan(values[index])) {
            count = 0;
        }
    }
    if (count == 0) {
        return (bench_summary){ (double)NAN, (double)NAN, (double)NAN };
    }
    qsort(values, count, sizeof *values, compare);
    return (bench_summary){ quantile(values, count, 0.5), quantile(values, count, 0.25),
                            quantile(values, count, 0.75) };
}

bench_summary bench_summary_of_metric(const bench_result *results, size_t count,
    bench_metric metric)
{
    double values[BENCH_ROUND_MAX];
    for (size_t index = 0; index < count; index++) {
        values[index] = results[index].metrics[metric];
    }
    return sum_up(values, count);
}

bench_summary bench_summary_of_cell(const bench_cell *cell, bench_metric metric)
{
    return bench_summary_of_metric(cell->rounds, cell->round_count, metric);
}

bench_summary bench_summary_of_quotient(const bench_cell *over, const bench_cell *under,
    bench_metric metric)
{
    double values[BENCH_ROUND_MAX];
    size_t count = over->round_count < under->round_count ? over->round_count : under->round_count;
    for (size_t round = 0; round < count; round++) {
        values[round] = over->rounds[round].metrics[metric] / under->rounds[round].metrics[metric];
    }
    return sum_up(values, count);
}

double bench_geometric_mean(const double *values, size_t count)
{
    double sum = 0;
    for (size_t index = 0; index < count; index++) {
        sum += log(values[index]);
    }
    return count == 0 ? (double)NAN : exp(sum / (double)count);
}
