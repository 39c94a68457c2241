/* report_variants: what the checks of the hot path cost.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  I1  cost: of the time with the check, how much the time without it is less
 * Failure     a variant that was not measured with every trace is left out.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>

#include "bench/figures.h"
#include "bench/report.h"

#define TRACE_MAX 128

/* Time with this build / time with ours, one for each trace. */
static size_t collect(const bench_run *run, size_t peer, double *values)
{
    size_t count = 0;
    const bench_row *row;
    while (count < TRACE_MAX && (row = bench_run_row(run, "traces", count)) != NULL) {
        values[count++] =
            bench_summary_of_quotient(&row->cells[peer], &row->cells[0], METRIC_NS).median;
    }
    return count;
}

static double percent(double quotient)
{
    return 100 * (1 - quotient);
}

static void add_line(bench_table *table, const char *name, const double *values, size_t count)
{
    double least = INFINITY, most = -INFINITY;
    for (size_t index = 0; index < count; index++) {
        double cost = percent(values[index]);
        least = cost < least ? cost : least;
        most = cost > most ? cost : most;
    }
    bench_table_next_line(table);
    bench_table_cell(table, "%s", name);
    bench_table_cell(table, "%.1f %%", percent(bench_geometric_mean(values, count)));
    bench_table_cell(table, "%.1f %%", least);
    bench_table_cell(table, "%.1f %%", most);
}

void bench_report_variants(const bench_run *run, bench_style style, FILE *out)
{
    double values[TRACE_MAX];
    bench_table table;
    size_t shown = 0;
    bench_table_begin(&table, 1);
    bench_table_cell(&table, "left out");
    bench_table_cell(&table, "cost, geometric mean");
    bench_table_cell(&table, "least");
    bench_table_cell(&table, "most");
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        size_t count = run->peers[peer].variant ? collect(run, peer, values) : 0;
        if (!isnan(bench_geometric_mean(values, count))) {
            add_line(&table, run->peers[peer].name, values, count);
            shown++;
        }
    }
    if (shown > 0) {
        fputs(style == STYLE_MARKDOWN ? "\n### checks\n\n" : "\nchecks\n", out);
    }
    bench_table_end(&table, style, shown > 0 ? out : NULL);
}
