/* report: the tables.
 * Owns        how numbers look.
 * Thread      the main thread.
 * Invariants  I1  times ours: this peer's figure / ours, above 1 where ours is faster
 * Failure     what was not measured is a dash.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/replay.h"
#include "bench/report.h"

/* ---- numbers ---- */

static void cell_scaled(bench_table *table, double value, double factor, const char *const *units,
    size_t count)
{
    size_t unit = 0;
    if (isnan(value)) {
        bench_table_cell(table, "-");
        return;
    }
    while (unit + 1 < count && fabs(value) >= factor) {
        value /= factor;
        unit++;
    }
    bench_table_cell(table, "%.*f %s", unit == 0 && factor > 1000 ? 0 : fabs(value) < 10 ? 2 : 1,
        value, units[unit]);
}

static void cell_value(bench_table *table, double value, bench_unit unit)
{
    static const char *const times[] = { "ns", "us", "ms", "s" };
    static const char *const sizes[] = { "B", "KiB", "MiB", "GiB" };
    if (isnan(value)) {
        bench_table_cell(table, "-");
    } else if (unit == NANOSECONDS) {
        cell_scaled(table, value, 1000, times, 4);
    } else if (unit == BYTES) {
        cell_scaled(table, value, 1024, sizes, 4);
    } else {
        bench_table_cell(table, unit == COUNT ? "%.0f" : "%.2f", value);
    }
}

static void cell_metric(bench_table *table, const bench_cell *cell, bench_metric metric)
{
    cell_value(table, bench_summary_of_cell(cell, metric).median, bench_metric_infos[metric].unit);
}

static void cell_ratio(bench_table *table, bench_summary summary)
{
    if (isnan(summary.median)) {
        bench_table_cell(table, "-");
        bench_table_cell(table, "-");
    } else {
        int digits = summary.median < 10 ? 2 : 1;
        bench_table_cell(table, "%.*f", digits, summary.median);
        bench_table_cell(table, "%.*f - %.*f", digits, summary.low, digits, summary.high);
    }
}

/* ---- a workload ---- */

static const bench_metric common_metrics[] = { METRIC_RSS_PEAK, METRIC_RSS_AFTER, METRIC_FAULTS };
#define COMMON_COUNT (sizeof common_metrics / sizeof common_metrics[0])

static void add_headings(bench_table *table, const bench_workload *workload)
{
    bench_table_cell(table, "case");
    bench_table_cell(table, "allocator");
    bench_table_cell(table, "time");
    bench_table_cell(table, "times ours");
    bench_table_cell(table, "quartiles");
    for (const bench_metric *metric = workload->columns; *metric != METRIC_NS; metric++) {
        bench_table_cell(table, "%s", bench_metric_infos[*metric].heading);
    }
    for (size_t index = 0; index < COMMON_COUNT; index++) {
        bench_table_cell(table, "%s", bench_metric_infos[common_metrics[index]].heading);
    }
}

static void add_cell_line(bench_table *table, const bench_run *run, const bench_row *row,
    size_t peer)
{
    const bench_cell *cell = &row->cells[peer];
    bench_table_next_line(table);
    bench_table_cell(table, "%s", row->name);
    bench_table_cell(table, "%s", run->peers[peer].name);
    cell_metric(table, cell, METRIC_NS);
    cell_ratio(table, bench_summary_of_quotient(cell, &row->cells[0], METRIC_NS));
    for (const bench_metric *metric = row->workload->columns; *metric != METRIC_NS; metric++) {
        cell_metric(table, cell, *metric);
    }
    for (size_t index = 0; index < COMMON_COUNT; index++) {
        cell_metric(table, cell, common_metrics[index]);
    }
}

/* Over the cases of a workload, of the medians: one line for each peer that has all of them. */
static void add_mean_line(bench_table *table, const bench_run *run, const char *workload,
    size_t peer)
{
    double values[128];
    size_t count = 0;
    const bench_row *row;
    while (count < 128 && (row = bench_run_row(run, workload, count)) != NULL) {
        values[count++] =
            bench_summary_of_quotient(&row->cells[peer], &row->cells[0], METRIC_NS).median;
    }
    double mean = bench_geometric_mean(values, count);
    if (count > 1 && !isnan(mean)) {
        bench_table_next_line(table);
        bench_table_cell(table, "geometric mean");
        bench_table_cell(table, "%s", run->peers[peer].name);
        bench_table_cell(table, "-");
        bench_table_cell(table, "%.2f", mean);
        for (size_t column = 4; column < table->column_count; column++) {
            bench_table_cell(table, "-");
        }
    }
}

static bool same_reason_before(const bench_run *run, const bench_row *row, size_t peer)
{
    for (const bench_row *other = run->rows; other < row; other++) {
        if (other->workload == row->workload
            && strcmp(other->cells[peer].left_out, row->cells[peer].left_out) == 0) {
            return true;
        }
    }
    return false;
}

static void print_left_out(const bench_run *run, const bench_workload *workload, FILE *out)
{
    for (const bench_row *row = run->rows; row < run->rows + run->row_count; row++) {
        for (size_t peer = 0; row->workload == workload && peer < run->peer_count; peer++) {
            const char *reason = row->cells[peer].left_out;
            if (*reason != '\0' && !same_reason_before(run, row, peer)) {
                fprintf(out, "%s, %s: not measured: %s\n", row->name, run->peers[peer].name,
                    reason);
            }
        }
    }
}

void bench_report_workload(const bench_run *run, const bench_workload *workload, bench_style style,
    FILE *out)
{
    bench_table table;
    bench_table_begin(&table, 2);
    add_headings(&table, workload);
    for (const bench_row *row = run->rows; row < run->rows + run->row_count; row++) {
        for (size_t peer = 0; row->workload == workload && peer < run->peer_count; peer++) {
            if (row->cells[peer].round_count > 0) {
                add_cell_line(&table, run, row, peer);
            }
        }
    }
    for (size_t peer = 0; workload->traces == TRACES_EACH && peer < run->peer_count; peer++) {
        add_mean_line(&table, run, workload->name, peer);
    }
    if (style == STYLE_MARKDOWN) {
        fprintf(out, "\n### %s\n\n%s.\n\n", workload->name, workload->title);
    } else {
        fprintf(out, "\n%s: %s\n", workload->name, workload->title);
    }
    bench_table_end(&table, style, out);
    fputs(style == STYLE_MARKDOWN ? "\n" : "", out);
    print_left_out(run, workload, out);
}

/* ---- the machine ---- */

static const char *repeat_text(unsigned int repeat)
{
    static char text[80];
    if (repeat == 0) {
        snprintf(text, sizeof text, "%d, at least %d operations", BENCH_TURNS_LEAST,
            BENCH_OPS_LEAST);
    } else {
        snprintf(text, sizeof text, "%u", repeat);
    }
    return text;
}

void bench_report_machine(const bench_run *run, bench_style style, FILE *out)
{
    bench_fact facts[BENCH_FACT_MAX];
    bench_table table;
    size_t count = bench_machine_facts(facts);
    bench_table_begin(&table, 2);
    bench_table_cell(&table, "run");
    bench_table_cell(&table, "%s, rounds: %u, timed replays of a trace: %s, threads: %u%s",
        run->date, run->options->rounds, repeat_text(run->options->repeat),
        run->options->threads, run->options->quick ? ", quick" : "");
    bench_table_next_line(&table);
    bench_table_cell(&table, "load at the start");
    bench_table_cell(&table, "%s", run->load);
    for (size_t index = 0; index < count; index++) {
        bench_table_next_line(&table);
        bench_table_cell(&table, "%s", facts[index].name);
        bench_table_cell(&table, "%s", facts[index].text);
    }
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        bench_table_next_line(&table);
        bench_table_cell(&table, "%s", run->peers[peer].name);
        bench_table_cell(&table, "%s", run->peers[peer].version);
    }
    bench_table_end(&table, style, out);
}
