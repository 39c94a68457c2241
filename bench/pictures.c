/* pictures: SVG by gnuplot: cost against live memory, bars of the traces, a worker's age, resets.
 * Owns        the scripts, written to gnuplot's stdin with their data inside.
 * Thread      the main thread.
 * Invariants  I1  an allocator has the same colour in every picture, and is in the legend of those
 *                 that have figures of it
 *             I2  no legend covers a curve
 * Failure     false, after a line on stderr.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench/figures.h"
#include "bench/report.h"
#include "bench/workload.h"

/* Told apart by the colour-blind, too; ours is the first and the thickest line. */
static const char *const colours[] = {
    "#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#999999",
    "#000000",
};
#define COLOUR_COUNT (sizeof colours / sizeof colours[0])

bool bench_gnuplot_is_there(void)
{
    return system("command -v gnuplot >/dev/null 2>&1") == 0;
}

/* ---- a script ---- */

/* In gnuplot's single quotes a quote is written twice. */
static void print_quoted(const char *text, FILE *out)
{
    fputc('\'', out);
    for (; *text != '\0'; text++) {
        fputs(*text == '\'' ? "'" : "", out);
        fputc(*text, out);
    }
    fputc('\'', out);
}

static FILE *begin(const char *directory, const char *name, int width, int height)
{
    char path[4096];
    FILE *script = popen("gnuplot", "w");
    if (script == NULL) {
        perror("tsrmalloc-bench: gnuplot");
        return NULL;
    }
    snprintf(path, sizeof path, "%s/%s.svg", directory, name);
    fprintf(script, "set terminal svg size %d,%d background '#ffffff' font 'sans-serif,13'\n",
        width, height);
    fputs("set encoding utf8\nset output ", script);
    print_quoted(path, script);
    fputs("\nset grid\nset micro\nset key noenhanced\nset tics nomirror\n", script);
    return script;
}

static bool end(FILE *script, const char *name)
{
    if (pclose(script) != 0) {
        fprintf(stderr, "tsrmalloc-bench: gnuplot could not draw %s.svg\n", name);
        return false;
    }
    return true;
}

static void print_number(double value, FILE *out)
{
    if (isnan(value)) {
        fputs(" NaN", out);
    } else {
        fprintf(out, " %.6g", value);
    }
}

/* Those that the workload has figures of; other builds of ours would hide the others. */
static bool is_shown(const bench_run *run, const char *workload, size_t peer)
{
    const bench_row *row;
    for (size_t index = 0; (row = bench_run_row(run, workload, index)) != NULL; index++) {
        if (row->cells[peer].round_count > 0) {
            return !run->peers[peer].variant;
        }
    }
    return false;
}

static const char *colour(size_t peer)
{
    return colours[peer % COLOUR_COUNT];
}

/* `plot`, a curve for each peer that `workload` shows: a column of `data` over the first one. */
static void plot_lines(const bench_run *run, const char *workload, const char *data,
    const char *style, FILE *script)
{
    const char *before = "plot";
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        if (is_shown(run, workload, peer)) {
            fprintf(script, "%s $%s using 1:%zu with %s linewidth %d linecolor rgb '%s' title ",
                before, data, peer + 2, style, peer == 0 ? 4 : 2, colour(peer));
            print_quoted(run->peers[peer].name, script);
            before = ",";
        }
    }
}

#define POINTS "linespoints pointtype 7 pointsize 0.5"

/* Panels side by side, with room for one legend right of them. */
static void begin_panels(int count, FILE *script)
{
    fprintf(script, "set multiplot layout 1,%d margins 0.08,0.82,0.17,0.9 spacing 0.07,0.1\n"
        "set key at screen 0.995,0.9 right top\n", count);
}

/* ---- cost against size ---- */

/* A line for each case: its size, then the seconds with each peer. */
static void print_cost_data(const bench_run *run, const char *workload, FILE *script)
{
    const bench_row *row;
    fprintf(script, "$%s << END\n", workload);
    for (size_t index = 0; (row = bench_run_row(run, workload, index)) != NULL; index++) {
        fprintf(script, "%zu", row->item.a);
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            print_number(bench_summary_of_cell(&row->cells[peer], METRIC_NS).median / 1e9, script);
        }
        fputc('\n', script);
    }
    fputs("END\n", script);
}

/* The cases are the marks of the axis: "256 MiB" at its size. */
static void print_sizes(const bench_run *run, const char *workload, FILE *script)
{
    const bench_row *row;
    for (size_t index = 0; (row = bench_run_row(run, workload, index)) != NULL; index++) {
        fputs(index > 0 ? ", " : "", script);
        print_quoted(row->name, script);
        fprintf(script, " %zu", row->item.a);
    }
}

static bool draw_live(const bench_run *run, const char *directory)
{
    static const char *const workloads[] = { "mixed", "large", "huge" };
    static const char *const titles[] = { "mixed", "large: 4-64 KiB", "huge: 2-3 MiB" };
    FILE *script = begin(directory, "live", 1100, 420);
    if (script == NULL) {
        return false;
    }
    begin_panels(3, script);
    fputs("set logscale x 2\nset logscale y\nset format y '%.0s %cs'\n"
        "set offsets graph 0.1, graph 0.1\nset xlabel 'bytes live'\n"
        "set ylabel 'time of an operation'\n", script);
    for (size_t index = 0; index < 3; index++) {
        print_cost_data(run, workloads[index], script);
        fprintf(script, "set title '%s'\nset xtics (", titles[index]);
        print_sizes(run, workloads[index], script);
        fputs(")\n", script);
        plot_lines(run, workloads[index], workloads[index], POINTS, script);
        fputs("\nunset key\nunset ylabel\n", script);
    }
    fputs("unset multiplot\n", script);
    return end(script, "live");
}

static bool draw_reset(const bench_run *run, const char *directory)
{
    FILE *script = begin(directory, "reset", 860, 480);
    if (script == NULL) {
        return false;
    }
    fputs("set logscale xy\nset xlabel 'live blocks'\nset ylabel 'time of a request end'\n"
        "set format x '%.0s%c'\nset format y '%.0s %cs'\nset xrange [1e3:1e7]\n"
        "set key outside right\n", script);
    print_cost_data(run, "reset", script);
    plot_lines(run, "reset", "reset", POINTS, script);
    fputc('\n', script);
    return end(script, "reset");
}

/* ---- traces ---- */

static void print_trace_data(const bench_run *run, FILE *script)
{
    const bench_row *row;
    fputs("$traces << END\n", script);
    for (size_t index = 0; (row = bench_run_row(run, "traces", index)) != NULL; index++) {
        fprintf(script, "\"%s\"", row->name);
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            print_number(bench_summary_of_quotient(&row->cells[peer], &row->cells[0],
                METRIC_NS).median, script);
        }
        fputc('\n', script);
    }
    fputs("END\n", script);
}

static bool draw_traces(const bench_run *run, const char *directory)
{
    FILE *script = begin(directory, "traces", 1100, 420);
    if (script == NULL) {
        return false;
    }
    fputs("set style data histogram\nset style histogram clustered gap 1.5\n"
        "set style fill solid noborder\nset boxwidth 0.9\nset yrange [0:*]\n"
        "set ylabel 'time, ours = 1'\nset xtics noenhanced\nset key outside right\n", script);
    print_trace_data(run, script);
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        if (is_shown(run, "traces", peer)) {
            fprintf(script, "%s $traces using %zu%s linecolor rgb '%s' title ",
                peer == 0 ? "plot" : ",", peer + 2, peer == 0 ? ":xtic(1)" : "", colour(peer));
            print_quoted(run->peers[peer].name, script);
        }
    }
    fputc('\n', script);
    return end(script, "traces");
}

/* ---- age ---- */

typedef enum age_value { AGE_RSS, AGE_NS } age_value;

/* A line for each slice of time: its days, then each peer's value; what is live, last. */
static void print_age_data(const bench_run *run, const bench_row *row, age_value value,
    const char *name, FILE *script)
{
    size_t count = row->cells[0].round_count > 0 ? row->cells[0].rounds[0].sample_count : 0;
    fprintf(script, "$%s << END\n", name);
    for (size_t slice = 0; slice < count; slice++) {
        fprintf(script, "%.6g", BENCH_AGE_DAYS * (double)slice / (double)row->item.b);
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            const bench_cell *cell = &row->cells[peer];
            bool there = cell->round_count > 0 && cell->rounds[0].sample_count > slice;
            const bench_sample *sample = &cell->rounds[0].samples[slice];
            print_number(!there ? (double)NAN : value == AGE_RSS ? sample->rss / (1 << 20)
                                                                 : sample->ns / 1e9, script);
        }
        print_number(row->cells[0].rounds[0].samples[slice].live / (1 << 20), script);
        fputc('\n', script);
    }
    fputs("END\n", script);
}

static bool draw_age(const bench_run *run, const char *directory)
{
    const bench_row *row = bench_run_row(run, "age", 0);
    FILE *script = begin(directory, "age", 1100, 420);
    if (script == NULL) {
        return false;
    }
    begin_panels(2, script);
    fputs("set xlabel 'days of traffic'\nset yrange [0:*]\nset title 'RSS, MiB'\n", script);
    print_age_data(run, row, AGE_RSS, "rss", script);
    plot_lines(run, "age", "rss", "lines", script);
    fprintf(script, ", $rss using 1:%zu with lines dashtype 2 linewidth 2 linecolor rgb '#000000' "
        "title 'asked for'\n", run->peer_count + 2);
    fputs("set title 'time of an operation'\nset format y '%.0s %cs'\nunset key\n", script);
    print_age_data(run, row, AGE_NS, "ns", script);
    plot_lines(run, "age", "ns", "lines", script);
    fputs("\nunset multiplot\n", script);
    return end(script, "age");
}

bool bench_report_pictures(const bench_run *run, const char *directory)
{
    bool drawn = true;
    if (bench_run_row(run, "traces", 0) != NULL) {
        drawn = draw_traces(run, directory);
    }
    if (bench_run_row(run, "mixed", 0) != NULL && bench_run_row(run, "large", 0) != NULL
        && bench_run_row(run, "huge", 0) != NULL) {
        drawn = draw_live(run, directory) && drawn;
    }
    if (bench_run_row(run, "reset", 0) != NULL) {
        drawn = draw_reset(run, directory) && drawn;
    }
    if (bench_run_row(run, "age", 0) != NULL) {
        drawn = draw_age(run, directory) && drawn;
    }
    return drawn;
}
