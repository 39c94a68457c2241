/* run: rounds over all peers.
 * Owns        rows and results.
 * Thread      the main thread.
 * Invariants  I1  a cell has a result for every round, or none
 *             I2  figures that are compared were taken together: in each round a case is measured
 *                 with every peer before the next case begins; where a peer's own cases are
 *                 compared, they follow each other, and the next peer comes behind them
 *             I3  the peers come in another order in every round: none always follows the same one
 * Failure     a peer that fails in a case is named and left out of that case; ours ends the run.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/run.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "bench/figures.h"
#include "bench/process.h"
#include "bench/report.h"

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (memory == NULL) {
        fprintf(stderr, "tsrmalloc-bench: no memory for the results\n");
        exit(1);
    }
    return memory;
}

/* ---- peers ---- */

static void name_missing(const bench_peer_choice *peer)
{
    fprintf(stderr, "tsrmalloc-bench: %s is left out: %s", peer->name, peer->missing);
    if (peer->package != NULL) {
        fprintf(stderr, " (Debian: apt-get install %s)", peer->package);
    }
    fputc('\n', stderr);
}

bool bench_run_begin(bench_run *run, bench_options *options)
{
    time_t now = time(NULL);
    struct tm fields;
    *run = (bench_run){ .options = options };
    run->peers = allocate(options->peer_count, sizeof *run->peers);
    strftime(run->date, sizeof run->date, "%Y-%m-%d %H:%M UTC", gmtime_r(&now, &fields));
    bench_machine_load(run->load, sizeof run->load);
    for (size_t index = 0; index < options->peer_count; index++) {
        if (bench_process_probe(&options->peers[index])) {
            run->peers[run->peer_count++] = options->peers[index];
        } else {
            name_missing(&options->peers[index]);
        }
    }
    return *options->peers[0].missing == '\0';
}

/* ---- cases ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bench_row *add_row(bench_run *run, const bench_workload *workload, const bench_case *item)
{
    bench_row *rows = realloc(run->rows, (run->row_count + 1) * sizeof *rows);
    if (rows == NULL) {
        fprintf(stderr, "tsrmalloc-bench: no memory for the results\n");
        exit(1);
    }
    run->rows = rows;
    bench_row *row = &rows[run->row_count++];
    memset(row, 0, sizeof *row);
    row->workload = workload;
    row->item = *item;
    snprintf(row->name, sizeof row->name, "%s", item->name);
    return row;
}

static void add_trace_row(bench_run *run, const bench_workload *workload, const char *path)
{
    bench_case item = { .name = base_name(path), .path = path };
    bench_row *row = add_row(run, workload, &item);
    row->name[strcspn(row->name, ".")] = '\0';
}

/* Many threads of a long one would take minutes. */
static const char *smallest_trace(const bench_options *options)
{
    const char *smallest = options->traces[0];
    off_t smallest_size = 0;
    for (size_t index = 0; index < options->trace_count; index++) {
        struct stat status;
        if (stat(options->traces[index], &status) == 0
            && (index == 0 || status.st_size < smallest_size)) {
            smallest = options->traces[index];
            smallest_size = status.st_size;
        }
    }
    return smallest;
}

static void add_rows(bench_run *run, const bench_workload *workload)
{
    const bench_options *options = run->options;
    if (workload->traces == TRACES_EACH) {
        for (size_t index = 0; index < options->trace_count; index++) {
            add_trace_row(run, workload, options->traces[index]);
        }
        return;
    }
    const bench_case *item = options->quick ? workload->quick_cases : workload->cases;
    for (; item->name != NULL; item++) {
        bench_row *row = add_row(run, workload, item);
        if (workload->traces == TRACES_SMALLEST) {
            row->item.path = smallest_trace(options);
        }
    }
}

/* The operations of a row, in a file for its processes; -1: it has none. */
static bool publish(const bench_row *row, int *file)
{
    bench_builder builder = { 0 };
    char error[512];
    *file = -1;
    if (row->item.path != NULL) {
        if (!bench_builder_read_trace(&builder, row->item.path, error, sizeof error)) {
            fprintf(stderr, "tsrmalloc-bench: %s\n", error);
            return false;
        }
    } else if (row->workload->prepare != NULL) {
        row->workload->prepare(&row->item, &builder);
    } else {
        return true;
    }
    *file = bench_sequence_publish(&builder.sequence);
    bench_builder_free(&builder);
    if (*file < 0) {
        perror("tsrmalloc-bench: no anonymous file for the operations");
    }
    return *file >= 0;
}

/* ---- rounds ---- */

static void show_progress(const bench_row *row, const char *peer, unsigned int round,
    unsigned int rounds)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%s, %s: round %u of %u, %s", row->workload->name, row->name,
            round + 1, rounds, peer);
    }
}

static void hide_progress(void)
{
    if (isatty(STDERR_FILENO)) {
        fputs("\r\033[K", stderr);
    }
}

/* The median of each metric over `count` processes; most workloads have one. */
static bool measure_processes(const bench_peer_choice *peer, const bench_workload *workload,
    unsigned int count, const bench_task *task, int file, bench_result *result)
{
    bench_result *results = allocate(count, sizeof *results);
    bool measured = true;
    for (unsigned int index = 0; measured && index < count; index++) {
        measured = bench_process_measure(peer, workload, task, file, &results[index]);
        *result = results[index];
    }
    for (size_t metric = 0; measured && metric < METRIC_COUNT; metric++) {
        result->metrics[metric] =
            bench_summary_of_metric(results, count, (bench_metric)metric).median;
    }
    free(results);
    return measured;
}

static void measure_cell(const bench_run *run, bench_row *row, size_t peer, int file)
{
    bench_cell *cell = &row->cells[peer];
    bench_task task = { .item = row->item, .threads = run->options->threads,
                        .repeat = run->options->repeat };
    bench_result *result = &cell->rounds[cell->round_count];
    bool variant_elsewhere = run->peers[peer].variant && row->workload->traces != TRACES_EACH;
    if (*cell->left_out != '\0' || variant_elsewhere) {
        return;
    }
    unsigned int process_count = row->workload->process_count;
    process_count = process_count > 1 && !run->options->quick ? process_count : 1;
    if (measure_processes(&run->peers[peer], row->workload, process_count, &task, file, result)) {
        cell->round_count++;
    } else {
        snprintf(cell->left_out, sizeof cell->left_out, "%s", result->refusal);
        cell->failed = result->failed;
        cell->round_count = 0;
    }
}

static unsigned int round_count(const bench_run *run, const bench_row *row)
{
    unsigned int limit = row->item.round_limit, rounds = run->options->rounds;
    return limit != 0 && limit < rounds ? limit : rounds;
}

/* false: ours failed, which ends the run; where ours only refuses (a build without threads), nobody
 * is measured. */
static bool measure_in_round(const bench_run *run, bench_row *row, size_t peer, unsigned int round,
    int file)
{
    const bench_cell *ours = &row->cells[0];
    if (round < round_count(run, row) && *ours->left_out == '\0') {
        show_progress(row, run->peers[peer].name, round, round_count(run, row));
        measure_cell(run, row, peer, file);
        hide_progress();
    }
    if (ours->failed) {
        fprintf(stderr, "tsrmalloc-bench: no figure of our own for %s, %s: %s\n",
            row->workload->name, row->name, ours->left_out);
    }
    return !ours->failed;
}

/* Every order is as likely as any other. */
static void shuffle(size_t *order, size_t count, bench_random *random)
{
    for (size_t left = count; left > 1; left--) {
        size_t chosen = bench_random_below(random, left), last = order[left - 1];
        order[left - 1] = order[chosen];
        order[chosen] = last;
    }
}

/* A row at a time or, with cases together, a peer at a time. In the very first round ours comes
 * first: what it refuses is then known. */
static bool run_round(const bench_run *run, bench_row *rows, size_t count, const int *files,
    unsigned int round, bench_random *random)
{
    size_t order[BENCH_PEER_MAX];
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        order[peer] = peer;
    }
    bool together = rows[0].workload->cases_together;
    size_t outer_count = together ? 1 : count, inner_count = together ? count : 1;
    for (size_t outer = 0; outer < outer_count; outer++) {
        if (round > 0) {
            shuffle(order, run->peer_count, random);
        }
        for (size_t turn = 0; turn < run->peer_count; turn++) {
            for (size_t row = outer; row < outer + inner_count; row++) {
                if (!measure_in_round(run, &rows[row], order[turn], round, files[row])) {
                    return false;
                }
            }
        }
    }
    return true;
}

static bool run_rounds(const bench_run *run, bench_row *rows, size_t count, const int *files)
{
    bench_random random = BENCH_RANDOM_SEED;
    for (size_t row = 0; row < count; row++) {
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            rows[row].cells[peer].rounds = allocate(round_count(run, &rows[row]),
                sizeof(bench_result));
        }
    }
    for (unsigned int round = 0; round < run->options->rounds; round++) {
        if (!run_round(run, rows, count, files, round, &random)) {
            return false;
        }
    }
    return true;
}

bool bench_run_workload(bench_run *run, const bench_workload *workload)
{
    size_t first = run->row_count;
    add_rows(run, workload);
    size_t count = run->row_count - first;
    int *files = allocate(count + 1, sizeof *files);
    bool usable = count > 0;
    size_t published = 0;
    for (; usable && published < count; published++) {
        usable = publish(&run->rows[first + published], &files[published]);
    }
    usable = usable && run_rounds(run, run->rows + first, count, files);
    for (size_t index = 0; index < published; index++) {
        if (files[index] >= 0) {
            close(files[index]);
        }
    }
    free(files);
    return usable;
}

void bench_run_end(bench_run *run)
{
    for (size_t row = 0; row < run->row_count; row++) {
        for (size_t peer = 0; peer < run->peer_count; peer++) {
            free(run->rows[row].cells[peer].rounds);
        }
    }
    free(run->rows);
    free(run->peers);
}

/* ---- looking things up ---- */

const bench_row *bench_run_row(const bench_run *run, const char *workload, size_t index)
{
    for (size_t row = 0; row < run->row_count; row++) {
        if (strcmp(run->rows[row].workload->name, workload) == 0 && index-- == 0) {
            return &run->rows[row];
        }
    }
    return NULL;
}

int bench_run_peer(const bench_run *run, const char *name)
{
    for (size_t peer = 0; peer < run->peer_count; peer++) {
        if (strcmp(run->peers[peer].name, name) == 0) {
            return (int)peer;
        }
    }
    return -1;
}
