/* tsrmalloc-bench: allocators side by side.
 *
 *   main -> run (rounds over peers) -> process (this program anew, one measurement)
 *                                         -> peer (dlopen) + workload -> replay
 *   run  -> report, targets, report_json, pictures
 *
 * Owns        where the reports go.
 * Thread      the main thread.
 * Invariants  I1  with --json or --markdown and no file, nothing else is on stdout
 * Failure     exit status 1 when a trace, an output or our own library cannot be used, or our own
 *             figure is missing; 64 for wrong usage. A peer that is missing is named and left out.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "bench/options.h"
#include "bench/process.h"
#include "bench/report.h"

#define EXIT_USAGE 64

static bool stdout_is_taken(const bench_options *options)
{
    return (options->json != NULL && *options->json == '\0')
        || (options->markdown != NULL && *options->markdown == '\0');
}

static bool run_all(bench_run *run, const bench_options *options)
{
    bool tables = !stdout_is_taken(options);
    for (size_t index = 0; index < options->workload_count; index++) {
        if (!bench_run_workload(run, options->workloads[index])) {
            return false;
        }
        if (tables) {
            bench_report_workload(run, options->workloads[index], STYLE_TEXT, stdout);
            fflush(stdout);
        }
    }
    if (tables) {
        bench_report_variants(run, STYLE_TEXT, stdout);
        bench_report_targets(run, STYLE_TEXT, stdout);
        fputc('\n', stdout);
        bench_report_machine(run, STYLE_TEXT, stdout);
    }
    return true;
}

static void report_markdown(const bench_run *run, FILE *out)
{
    bench_report_machine(run, STYLE_MARKDOWN, out);
    bench_report_targets(run, STYLE_MARKDOWN, out);
    bench_report_variants(run, STYLE_MARKDOWN, out);
    for (size_t index = 0; index < run->options->workload_count; index++) {
        bench_report_workload(run, run->options->workloads[index], STYLE_MARKDOWN, out);
    }
}

/* `path`: "" is stdout, NULL nothing to do. */
static bool write_report(const bench_run *run, const char *path,
    void (*report)(const bench_run *, FILE *))
{
    if (path == NULL) {
        return true;
    }
    FILE *out = *path == '\0' ? stdout : fopen(path, "w");
    if (out != NULL) {
        report(run, out);
    }
    if (out == NULL || fflush(out) != 0 || ferror(out)) {
        fprintf(stderr, "tsrmalloc-bench: cannot write ");
        perror(*path == '\0' ? "stdout" : path);
        return false;
    }
    return out == stdout || fclose(out) == 0;
}

static bool measure(bench_options *options)
{
    bench_run run;
    if (options->svg != NULL && !bench_gnuplot_is_there()) {
        fputs("tsrmalloc-bench: --svg needs gnuplot (Debian: apt-get install gnuplot-nox)\n",
            stderr);
        return false;
    }
    bench_process_prepare();
    bool done = bench_run_begin(&run, options) && run_all(&run, options)
        && write_report(&run, options->json, bench_report_json)
        && write_report(&run, options->markdown, report_markdown)
        && (options->svg == NULL || bench_report_pictures(&run, options->svg));
    bench_run_end(&run);
    return done;
}

int main(int argc, char **argv)
{
    bench_options options;
    if (argc > 1 && strcmp(argv[1], BENCH_CHILD_OPTION) == 0) {
        bench_process_child(argc, argv);
    }
    switch (bench_options_parse(argc, argv, &options)) {
    case PARSE_DONE: return 0;
    case PARSE_USAGE: return EXIT_USAGE;
    case PARSE_RUN: break;
    }
    return measure(&options) ? 0 : 1;
}
