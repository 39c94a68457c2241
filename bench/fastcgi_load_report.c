/* fastcgi_load_report: latencies and what is printed of them.
 * Owns        nothing.
 * Thread      one.
 * Invariants  I1  a bucket is at most 1/64 of its value wide
 * Failure     none.
 * Tests       tests/fpm/load.sh
 */
#include "config.h"

#include "bench/fastcgi_load.h"

enum { STEPS = 64 };        /* in each power of two */

/* Values below 64 have a bucket each; then 64 for each doubling. */
static unsigned int bucket_of(uint64_t value)
{
    if (value < STEPS) {
        return (unsigned int)value;
    }
    unsigned int doublings = 63 - (unsigned int)__builtin_clzll(value) - 6;
    return (doublings + 1) * STEPS + (unsigned int)((value >> doublings) - STEPS);
}

/* The largest value of a bucket. */
static uint64_t bucket_end(unsigned int bucket)
{
    if (bucket < STEPS) {
        return bucket;
    }
    unsigned int doublings = bucket / STEPS - 1;
    return ((uint64_t)(STEPS + bucket % STEPS + 1) << doublings) - 1;
}

void load_latency_add(load_latency *latency, uint64_t nanoseconds)
{
    latency->count++;
    latency->sum += nanoseconds;
    latency->max = nanoseconds > latency->max ? nanoseconds : latency->max;
    latency->buckets[bucket_of(nanoseconds)]++;
}

uint64_t load_latency_at(const load_latency *latency, double share)
{
    uint64_t seen = 0;
    for (unsigned int bucket = 0; bucket < sizeof latency->buckets / sizeof latency->buckets[0];
        bucket++) {
        seen += latency->buckets[bucket];
        if (seen > 0 && (double)seen >= share * (double)latency->count) {
            uint64_t end = bucket_end(bucket);
            return end < latency->max ? end : latency->max;
        }
    }
    return 0;
}

static const struct { const char *name; double share; } shares[] = {
    { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 }, { "p999", 0.999 },
};

static double mean_us(const load_latency *latency)
{
    return latency->count == 0 ? 0 : (double)latency->sum / (double)latency->count / 1e3;
}

static void report_json(const load_options *options, const load_result *result, FILE *out)
{
    fprintf(out, "{\"clients\":%u,\"keep_alive\":%s,\"seconds\":%.3f,\"requests\":%llu,"
        "\"requests_per_second\":%.1f,\"body_bytes\":%llu,\"latency_us\":{\"mean\":%.1f",
        options->clients, options->keep_alive ? "true" : "false", result->seconds,
        (unsigned long long)result->latency.count,
        (double)result->latency.count / result->seconds, (unsigned long long)result->body_bytes,
        mean_us(&result->latency));
    for (unsigned int which = 0; which < sizeof shares / sizeof shares[0]; which++) {
        fprintf(out, ",\"%s\":%.1f", shares[which].name,
            (double)load_latency_at(&result->latency, shares[which].share) / 1e3);
    }
    fprintf(out, ",\"max\":%.1f},\"errors\":{", (double)result->latency.max / 1e3);
    for (unsigned int error = 1; error < LOAD_ERROR_COUNT; error++) {
        fprintf(out, "%s\"%s\":%llu", error == 1 ? "" : ",", load_error_names[error],
            (unsigned long long)result->errors[error]);
    }
    fprintf(out, "},\"idle\":{\"wanted\":%u,\"open\":%u}}\n", options->idle, result->idle_open);
}

void load_report(const load_options *options, const load_result *result, FILE *out)
{
    if (options->json) {
        report_json(options, result, out);
        return;
    }
    fprintf(out, "%llu requests in %.2f s: %.0f per second, %llu bytes of bodies\n",
        (unsigned long long)result->latency.count, result->seconds,
        (double)result->latency.count / result->seconds,
        (unsigned long long)result->body_bytes);
    fprintf(out, "latency (us): mean %.1f", mean_us(&result->latency));
    for (unsigned int which = 0; which < sizeof shares / sizeof shares[0]; which++) {
        fprintf(out, ", %s %.1f", shares[which].name,
            (double)load_latency_at(&result->latency, shares[which].share) / 1e3);
    }
    fprintf(out, ", max %.1f\nerrors:", (double)result->latency.max / 1e3);
    for (unsigned int error = 1; error < LOAD_ERROR_COUNT; error++) {
        fprintf(out, " %s %llu", load_error_names[error],
            (unsigned long long)result->errors[error]);
    }
    fputc('\n', out);
    if (options->idle > 0) {
        fprintf(out, "idle connections: %u of %u still open\n", result->idle_open, options->idle);
    }
}
