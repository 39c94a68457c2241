/* targets: what is aimed at, and what was reached.
 * Owns        the list of targets.
 * Thread      the main thread.
 * Invariants  I1  a target that the run has no figures for is "not measured", never met
 * Failure     none.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/report.h"

#define NO_FIGURE ((double)NAN)

typedef enum bound { AT_MOST, AT_LEAST } bound;

/* `figure` computes from the run; NAN: not measured. */
typedef struct target {
    const char *text;
    bound bound;
    double goal;
    double (*figure)(const bench_run *run);
} target;

/* ---- quotients ---- */

static const bench_cell *find_cell(const bench_run *run, const char *workload, size_t index,
    const char *peer)
{
    static const bench_cell none;
    const bench_row *row = bench_run_row(run, workload, index);
    int column = bench_run_peer(run, peer);
    return row == NULL || column < 0 ? &none : &row->cells[column];
}

/* Of a metric, `peer` / `other` in one case. */
static double quotient(const bench_run *run, const char *workload, size_t index, const char *peer,
    const char *other, bench_metric metric)
{
    return bench_summary_of_quotient(find_cell(run, workload, index, peer),
        find_cell(run, workload, index, other), metric).median;
}

/* Of ours, one case / another. */
static double across(const bench_run *run, const char *workload, size_t over, size_t under,
    bench_metric metric)
{
    return bench_summary_of_quotient(find_cell(run, workload, over, "ours"),
        find_cell(run, workload, under, "ours"), metric).median;
}

static double larger(double a, double b)
{
    return isnan(a) || isnan(b) ? NO_FIGURE : a > b ? a : b;
}

static size_t case_count(const bench_run *run, const char *workload)
{
    size_t count = 0;
    while (bench_run_row(run, workload, count) != NULL) {
        count++;
    }
    return count;
}

/* The largest of peer / other over all cases of a workload. */
static double worst(const bench_run *run, const char *workload, const char *peer,
    const char *other, bench_metric metric)
{
    size_t count = case_count(run, workload);
    double result = count > 0 ? -INFINITY : NO_FIGURE;
    for (size_t index = 0; index < count; index++) {
        result = larger(result, quotient(run, workload, index, peer, other, metric));
    }
    return result;
}

static double traces_mean(const bench_run *run, const char *peer, const char *other)
{
    double values[128];
    size_t count = case_count(run, "traces");
    for (size_t index = 0; index < count && index < 128; index++) {
        values[index] = quotient(run, "traces", index, peer, other, METRIC_NS);
    }
    return bench_geometric_mean(values, count < 128 ? count : 128);
}

/* ---- one function a target ---- */

static double traces_to_zend(const bench_run *run)
{
    return traces_mean(run, "ours", "zend");
}

static double traces_worst(const bench_run *run)
{
    return worst(run, "traces", "ours", "zend", METRIC_NS);
}

static double unchecked_to_zend(const bench_run *run)
{
    return traces_mean(run, "unchecked", "zend");
}

/* On each trace against the fastest there. */
static double traces_to_fastest(const bench_run *run)
{
    static const char *const general[] = { "glibc", "jemalloc", "tcmalloc", "mimalloc" };
    double values[128];
    size_t count = case_count(run, "traces");
    count = count < 128 ? count : 128;
    for (size_t index = 0; index < count; index++) {
        values[index] = -INFINITY;
        for (size_t peer = 0; peer < 4; peer++) {
            values[index] = larger(values[index],
                quotient(run, "traces", index, "ours", general[peer], METRIC_NS));
        }
    }
    return bench_geometric_mean(values, count);
}

static double two_threads(const bench_run *run)
{
    return across(run, "threads", 0, 1, METRIC_NS);
}

static double many_threads(const bench_run *run)
{
    return across(run, "threads", 2, 1, METRIC_CPU_NS);
}

static double large_flat(const bench_run *run)
{
    return across(run, "large", 2, 0, METRIC_NS);
}

static double large_to_zend(const bench_run *run)
{
    return quotient(run, "large", 2, "zend", "ours", METRIC_NS);
}

static double huge_small_to_zend(const bench_run *run)
{
    return quotient(run, "huge", 0, "zend", "ours", METRIC_NS);
}

static double huge_large_to_zend(const bench_run *run)
{
    return quotient(run, "huge", 1, "zend", "ours", METRIC_NS);
}

static double grow_block_to_zend(const bench_run *run)
{
    return quotient(run, "grow", 0, "zend", "ours", METRIC_NS);
}

/* Page faults while the block grew, to its pages: whoever copies it somewhere else faults again. */
static double grow_faults(const bench_run *run)
{
    const bench_row *row = bench_run_row(run, "grow", 0);
    if (row == NULL) {
        return NO_FIGURE;
    }
    double pages = (double)(row->item.a / 4096 * row->item.b);
    return bench_summary_of_cell(&row->cells[0], METRIC_FAULTS).median / pages;
}

static double grow_strings_to_zend(const bench_run *run)
{
    return quotient(run, "grow", 1, "ours", "zend", METRIC_NS);
}

/* Microseconds for each segment, the worst case. */
static double reset_per_segment(const bench_run *run)
{
    size_t count = case_count(run, "reset");
    double result = count > 0 ? -INFINITY : NO_FIGURE;
    for (size_t index = 0; index < count; index++) {
        const bench_cell *cell = find_cell(run, "reset", index, "ours");
        result = larger(result, bench_summary_of_cell(cell, METRIC_HEAP_NS).median
            / bench_summary_of_cell(cell, METRIC_SEGMENTS).median / 1000);
    }
    return result;
}

static double handoff_to_mimalloc(const bench_run *run)
{
    return worst(run, "handoff", "ours", "mimalloc", METRIC_NS);
}

static double churn_to_zend(const bench_run *run)
{
    return quotient(run, "churn", 0, "ours", "zend", METRIC_HEAP_NS);
}

static double churn_growth(const bench_run *run)
{
    return bench_summary_of_cell(find_cell(run, "churn", 1, "ours"), METRIC_RSS_GROWTH).median
        / (1 << 20);
}

static double memory_traces(const bench_run *run)
{
    return worst(run, "traces", "ours", "zend", METRIC_RSS_PEAK);
}

static double memory_age(const bench_run *run)
{
    return worst(run, "age", "ours", "zend", METRIC_RSS_PEAK);
}

/* Segments above the average that the heap and the pool keep; the worst trace. */
static double memory_kept(const bench_run *run)
{
    size_t count = case_count(run, "traces");
    double result = count > 0 ? -INFINITY : NO_FIGURE;
    for (size_t index = 0; index < count; index++) {
        result = larger(result, bench_summary_of_cell(find_cell(run, "traces", index, "ours"),
            METRIC_KEPT).median);
    }
    return result;
}

/* Those that look at a certain size name it by its place in the workload's full list. */
static const target targets[] = {
    { "traces: time to zend's, geometric mean", AT_MOST, 0.85, traces_to_zend },
    { "traces: time to zend's, the worst", AT_MOST, 0.95, traces_worst },
    { "traces: the same for a build without checks (variant unchecked), geometric mean", AT_MOST,
      0.75, unchecked_to_zend },
    { "traces: time to the fastest of glibc, jemalloc, tcmalloc, mimalloc, geometric mean", AT_MOST,
      0.70, traces_to_fastest },
    { "threads: throughput of 2 to 1", AT_LEAST, 1.9, two_threads },
    { "threads: CPU time per operation, 64 to 2", AT_MOST, 1.05, many_threads },
    { "large: time at 1 GiB live to 16 MiB", AT_MOST, 1.5, large_flat },
    { "large: zend's time to ours, 1 GiB live", AT_LEAST, 50, large_to_zend },
    { "huge: zend's time to ours, 256 MiB live", AT_LEAST, 50, huge_small_to_zend },
    { "huge: zend's time to ours, 8 GiB live", AT_LEAST, 5, huge_large_to_zend },
    { "grow: zend's time to ours, one block to 256 MiB", AT_LEAST, 5, grow_block_to_zend },
    { "grow: page faults to pages of the one block (more than 1: it was copied)", AT_MOST, 1.05,
      grow_faults },
    { "grow: time to zend's, 1,000 strings", AT_MOST, 1.0, grow_strings_to_zend },
    { "reset: microseconds for each segment in use, storage calls apart, the worst", AT_MOST, 3,
      reset_per_segment },
    { "handoff: time to mimalloc's, the worst", AT_MOST, 1.0, handoff_to_mimalloc },
    { "churn: heap time of a thread to zend's", AT_MOST, 0.5, churn_to_zend },
    { "churn: MiB of RSS more after 100,000 threads than after 1,000", AT_MOST, 0.25,
      churn_growth },
    { "traces: RSS peak to zend's, the worst", AT_MOST, 1.0, memory_traces },
    { "age: RSS peak to zend's", AT_MOST, 1.0, memory_age },
    { "traces: segments kept after a request beyond the average of the requests, the worst",
      AT_MOST, 1, memory_kept },
};
#define TARGET_COUNT (sizeof targets / sizeof targets[0])

/* ---- reports ---- */

static const char *verdict(const target *target, double figure)
{
    if (isnan(figure)) {
        return "not measured";
    }
    return (target->bound == AT_MOST ? figure <= target->goal : figure >= target->goal)
        ? "met" : "MISSED";
}

/* Cases of a quick run are too small to say anything. */
static double figure_of(const bench_run *run, const target *target)
{
    return run->options->quick ? NO_FIGURE : target->figure(run);
}

static bool anything_measured(const bench_run *run)
{
    for (size_t index = 0; index < TARGET_COUNT; index++) {
        if (!isnan(figure_of(run, &targets[index]))) {
            return true;
        }
    }
    return false;
}

void bench_report_targets(const bench_run *run, bench_style style, FILE *out)
{
    bench_table table;
    if (!anything_measured(run)) {
        return;
    }
    bench_table_begin(&table, 1);
    bench_table_cell(&table, "target");
    bench_table_cell(&table, "goal");
    bench_table_cell(&table, "reached");
    bench_table_cell(&table, "verdict");
    for (size_t index = 0; index < TARGET_COUNT; index++) {
        double figure = figure_of(run, &targets[index]);
        bench_table_next_line(&table);
        bench_table_cell(&table, "%s", targets[index].text);
        bench_table_cell(&table, "%s %.4g", targets[index].bound == AT_MOST ? "<=" : ">=",
            targets[index].goal);
        bench_table_cell(&table, isnan(figure) ? "-" : fabs(figure) < 10 ? "%.2f" : "%.0f", figure);
        bench_table_cell(&table, "%s", verdict(&targets[index], figure));
    }
    fputs(style == STYLE_MARKDOWN ? "\n### targets\n\n" : "\ntargets\n", out);
    bench_table_end(&table, style, out);
}

void bench_targets_json(const bench_run *run, FILE *out)
{
    for (size_t index = 0; index < TARGET_COUNT; index++) {
        double figure = figure_of(run, &targets[index]);
        fputs(index == 0 ? "\n    {\"target\":" : ",\n    {\"target\":", out);
        bench_json_string(targets[index].text, out);
        fprintf(out, ",\"goal\":\"%s %.4g\",\"reached\":",
            targets[index].bound == AT_MOST ? "<=" : ">=", targets[index].goal);
        bench_json_number(figure, out);
        fprintf(out, ",\"verdict\":\"%s\"}", verdict(&targets[index], figure));
    }
}
