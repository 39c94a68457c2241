/* figures: medians, quartiles and quotients within rounds. */
#include "config.h"

#include <criterion/criterion.h>
#include <math.h>

#include "bench/figures.h"

#define NEAR(value, expected) cr_assert(fabs((value) - (expected)) < 1e-9, "%g", (value))

static bench_cell cell_of(bench_result *rounds, const double *values, size_t count)
{
    for (size_t round = 0; round < count; round++) {
        bench_result_clear(&rounds[round]);
        rounds[round].metrics[METRIC_NS] = values[round];
    }
    return (bench_cell){ .rounds = rounds, .round_count = count };
}

Test(figures, an_odd_number_of_rounds_has_a_middle_one)
{
    bench_result rounds[5];
    bench_cell cell = cell_of(rounds, (double[]){ 9, 1, 5, 3, 7 }, 5);
    bench_summary summary = bench_summary_of_cell(&cell, METRIC_NS);
    NEAR(summary.median, 5);
    NEAR(summary.low, 3);
    NEAR(summary.high, 7);
}

Test(figures, an_even_number_of_rounds_is_interpolated)
{
    bench_result rounds[4];
    bench_cell cell = cell_of(rounds, (double[]){ 4, 1, 2, 3 }, 4);
    bench_summary summary = bench_summary_of_cell(&cell, METRIC_NS);
    NEAR(summary.median, 2.5);
    NEAR(summary.low, 1.75);
    NEAR(summary.high, 3.25);
}

Test(figures, one_round_is_its_own_quartiles)
{
    bench_result rounds[1];
    bench_cell cell = cell_of(rounds, (double[]){ 6 }, 1);
    bench_summary summary = bench_summary_of_cell(&cell, METRIC_NS);
    NEAR(summary.median, 6);
    NEAR(summary.low, 6);
    NEAR(summary.high, 6);
}

Test(figures, quotients_are_taken_within_a_round)
{
    bench_result over_rounds[3], under_rounds[3];
    bench_cell over = cell_of(over_rounds, (double[]){ 10, 200, 33 }, 3);
    bench_cell under = cell_of(under_rounds, (double[]){ 5, 100, 11 }, 3);
    bench_summary summary = bench_summary_of_quotient(&over, &under, METRIC_NS);
    NEAR(summary.median, 2);
    NEAR(summary.high, 2.5);
}

Test(figures, nothing_measured_is_no_number)
{
    bench_result rounds[2];
    bench_cell none = { 0 }, cell = cell_of(rounds, (double[]){ 1, 2 }, 2);
    cr_assert(isnan(bench_summary_of_cell(&none, METRIC_NS).median));
    cr_assert(isnan(bench_summary_of_cell(&cell, METRIC_OVERHEAD).median));
    cr_assert(isnan(bench_summary_of_quotient(&cell, &none, METRIC_NS).median));
}

Test(figures, a_round_without_the_number_spoils_the_summary)
{
    bench_result rounds[3];
    bench_cell cell = cell_of(rounds, (double[]){ 1, (double)NAN, 3 }, 3);
    cr_assert(isnan(bench_summary_of_cell(&cell, METRIC_NS).median));
}

Test(figures, the_geometric_mean_of_a_number_and_its_inverse_is_one)
{
    NEAR(bench_geometric_mean((double[]){ 4, 0.25 }, 2), 1);
    cr_assert(isnan(bench_geometric_mean(NULL, 0)));
    cr_assert(isnan(bench_geometric_mean((double[]){ 1, (double)NAN }, 2)));
}
