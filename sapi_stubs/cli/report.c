/* report: what the workers found, as a table for people or as JSON.
 * Owns        the columns and the keys.
 * Thread      main thread, when the workers have ended.
 * Invariants  I1  table and JSON come from the same rows
 * Failure     none: the samples are sorted where they are.
 * Tests       tests/cli/run.sh, tests/cli/json.sh */
#include "config.h"

#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct row {
    uint64_t request_count;
    uint64_t operation_count;
    double ns_per_operation;
    size_t peak;                /* bytes */
    size_t real_peak;           /* bytes */
    uint64_t reset_duration;    /* nanoseconds, median */
    uint64_t remote_free_count;
    int64_t growth;             /* bytes, mean of a request */
} row;

static int compare_durations(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

static uint64_t median(uint64_t *samples, size_t count)
{
    if (count == 0) {
        return 0;
    }
    qsort(samples, count, sizeof(*samples), compare_durations);
    return samples[count / 2];
}

static size_t sample_count(const cli_worker *worker)
{
    return worker->request_count < worker->reset_sample_capacity
        ? (size_t)worker->request_count : worker->reset_sample_capacity;
}

static double per_operation(uint64_t duration, uint64_t operation_count)
{
    return operation_count == 0 ? 0 : (double)duration / (double)operation_count;
}

static int64_t per_request(int64_t growth, uint64_t request_count)
{
    return request_count == 0 ? 0 : growth / (int64_t)request_count;
}

static row worker_row(const cli_worker *worker)
{
    return (row){
        .request_count = worker->request_count,
        .operation_count = worker->operation_count,
        .ns_per_operation = per_operation(worker->duration, worker->operation_count),
        .peak = worker->statistics.peak,
        .real_peak = worker->statistics.real_peak,
        .reset_duration = median(worker->reset_samples, sample_count(worker)),
        .remote_free_count = worker->remote_free_count,
        .growth = per_request(worker->growth, worker->request_count),
    };
}

/* Median over all requests of all workers; worker 0's if there is no memory to merge them. */
static uint64_t median_of_all(const cli_worker *workers, unsigned int count)
{
    size_t total = 0;
    for (unsigned int index = 0; index < count; index++) {
        total += sample_count(&workers[index]);
    }
    uint64_t *all = malloc((total + 1) * sizeof(*all));
    if (all == NULL) {
        return workers[0].reset_samples[sample_count(&workers[0]) / 2];
    }
    size_t used = 0;
    for (unsigned int index = 0; index < count; index++) {
        size_t samples = sample_count(&workers[index]);
        memcpy(all + used, workers[index].reset_samples, samples * sizeof(*all));
        used += samples;
    }
    uint64_t result = median(all, total);
    free(all);
    return result;
}

/* Peaks add up: what the heaps held together at most. */
static row total_row(const cli_worker *workers, unsigned int count)
{
    row total = { 0 };
    uint64_t duration = 0;
    for (unsigned int index = 0; index < count; index++) {
        const cli_worker *worker = &workers[index];
        total.request_count += worker->request_count;
        total.operation_count += worker->operation_count;
        total.peak += worker->statistics.peak;
        total.real_peak += worker->statistics.real_peak;
        total.remote_free_count += worker->remote_free_count;
        total.growth += worker->growth;
        duration += worker->duration;
    }
    total.ns_per_operation = per_operation(duration, total.operation_count);
    total.reset_duration = median_of_all(workers, count);
    total.growth = per_request(total.growth, total.request_count);
    return total;
}

/* ---- table ---- */

#define CELL_SIZE 32

static const char *size_text(size_t size, char cell[CELL_SIZE])
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = (double)size;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof(units) / sizeof(units[0])) {
        value /= 1024;
        unit++;
    }
    snprintf(cell, CELL_SIZE, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return cell;
}

static const char *duration_text(uint64_t duration, char cell[CELL_SIZE])
{
    if (duration < 1000) {
        snprintf(cell, CELL_SIZE, "%" PRIu64 " ns", duration);
    } else if (duration < 1000000) {
        snprintf(cell, CELL_SIZE, "%.1f us", (double)duration / 1000);
    } else {
        snprintf(cell, CELL_SIZE, "%.1f ms", (double)duration / 1000000);
    }
    return cell;
}

static void print_row(FILE *out, const char *name, const row *values)
{
    char peak[CELL_SIZE], real_peak[CELL_SIZE], reset[CELL_SIZE];
    fprintf(out, "%6s %9" PRIu64 " %12" PRIu64 " %7.1f %11s %11s %10s %12" PRIu64 "\n", name,
        values->request_count, values->operation_count, values->ns_per_operation,
        size_text(values->peak, peak), size_text(values->real_peak, real_peak),
        duration_text(values->reset_duration, reset), values->remote_free_count);
}

void cli_report_table(FILE *out, const cli_worker *workers, unsigned int count,
    uint64_t wall_duration)
{
    char name[16];
    fprintf(out, "%6s %9s %12s %7s %11s %11s %10s %12s\n", "worker", "requests", "operations",
        "ns/op", "peak size", "real peak", "reset", "remote frees");
    for (unsigned int index = 0; index < count; index++) {
        row values = worker_row(&workers[index]);
        snprintf(name, sizeof(name), "%u", index);
        print_row(out, name, &values);
    }
    row total = total_row(workers, count);
    print_row(out, "total", &total);
    fprintf(out, "%u worker%s, %.3f s, %.1f million operations a second\n", count,
        count == 1 ? "" : "s", (double)wall_duration / 1e9,
        (double)total.operation_count / ((double)wall_duration / 1e3 + 0.001));
}

/* ---- JSON ---- */

static void print_members(const row *values)
{
    printf("\"requests\":%" PRIu64 ",\"operations\":%" PRIu64 ",\"ns_per_operation\":%.2f,"
        "\"peak\":%zu,\"real_peak\":%zu,\"reset_ns\":%" PRIu64 ",\"growth\":%" PRId64 "}",
        values->request_count,
        values->operation_count, values->ns_per_operation, values->peak, values->real_peak,
        values->reset_duration, values->growth);
}

void cli_report_json(const cli_worker *workers, unsigned int count)
{
    fputs("{\"workers\":[", stdout);
    for (unsigned int index = 0; index < count; index++) {
        row values = worker_row(&workers[index]);
        printf("%s{\"worker\":%u,", index == 0 ? "" : ",", index);
        print_members(&values);
    }
    row total = total_row(workers, count);
    fputs("],\"total\":{", stdout);
    print_members(&total);
    fputs("}\n", stdout);
}
