/* report: what the modes came to, as a table or as one JSON object.
 * Owns        nothing.
 * Thread      main thread, when no worker runs.
 * Invariants  none
 * Failure     none; what stdout does not take is lost.
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <inttypes.h>

#include "stress/stress.h"

static double seconds_of(const stress_result *result)
{
    return (double)result->duration / 1e9;
}

static double mebibytes(size_t size)
{
    return (double)size / 1048576;
}

static void print_row(const stress_result *result)
{
    const stress_counters *counters = &result->counters;
    if (result->skipped != NULL) {
        printf("%-10s skipped: %s\n", result->mode->name, result->skipped);
        return;
    }
    printf("%-10s %7.1f %12" PRIu64 " %12" PRIu64 " %9" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9"
        PRIu64 " %6" PRIu64 " %6u %9.1f\n", result->mode->name, seconds_of(result),
        counters->operation_count, counters->allocation_count, counters->request_count,
        counters->thread_count, counters->refusal_count, counters->remote_count,
        counters->child_count, result->fault_count, mebibytes(result->resident_size));
}

void stress_report_table(const stress_summary *summary)
{
    stress_counters all = { 0 };
    printf("%-10s %7s %12s %12s %9s %8s %9s %9s %6s %6s %9s\n", "mode", "seconds", "operations",
        "allocations", "requests", "threads", "refusals", "remote", "forks", "errors",
        "RSS (MiB)");
    for (size_t index = 0; index < summary->result_count; index++) {
        print_row(&summary->results[index]);
        stress_counters_add(&all, &summary->results[index].counters);
    }
    printf("%-10s %7s %12" PRIu64 " %12" PRIu64 " %9" PRIu64 " %8" PRIu64 " %9" PRIu64 " %9"
        PRIu64 " %6" PRIu64 "\n", "all", "", all.operation_count, all.allocation_count,
        all.request_count, all.thread_count, all.refusal_count, all.remote_count, all.child_count);
    printf("RSS before %.1f MiB, after %.1f MiB\n", mebibytes(summary->resident_before),
        mebibytes(summary->resident_after));
}

static void print_object(const stress_result *result)
{
    const stress_counters *counters = &result->counters;
    printf("    {\"mode\": \"%s\", ", result->mode->name);
    if (result->skipped != NULL) {
        printf("\"skipped\": \"%s\"}", result->skipped);
        return;
    }
    printf("\"seconds\": %.3f, \"operations\": %" PRIu64 ", \"allocations\": %" PRIu64
        ", \"requests\": %" PRIu64 ", \"threads\": %" PRIu64 ", \"refusals\": %" PRIu64
        ", \"remote_frees\": %" PRIu64 ", \"forks\": %" PRIu64 ", \"errors\": %u, "
        "\"rss_after\": %zu}", seconds_of(result), counters->operation_count,
        counters->allocation_count, counters->request_count, counters->thread_count,
        counters->refusal_count, counters->remote_count, counters->child_count,
        result->fault_count, result->resident_size);
}

void stress_report_json(const stress_options *options, const stress_summary *summary)
{
    unsigned int fault_count = 0;
    printf("{\n  \"seed\": %" PRIu64 ",\n  \"threads\": %u,\n  \"zts\": %s,\n  \"modes\": [\n",
        options->seed, options->thread_count, STRESS_ZTS ? "true" : "false");
    for (size_t index = 0; index < summary->result_count; index++) {
        print_object(&summary->results[index]);
        puts(index + 1 < summary->result_count ? "," : "");
        fault_count += summary->results[index].fault_count;
    }
    printf("  ],\n  \"rss_before\": %zu,\n  \"rss_after\": %zu,\n  \"errors\": %u\n}\n",
        summary->resident_before, summary->resident_after, fault_count);
}
