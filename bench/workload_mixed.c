/* workload_mixed: small and large blocks together. See bench_prepare_live(); a: bytes live.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/workload.h"

/* One block in twenty is large, with most of the bytes. */
#define MEAN_SIZE ((size_t)1830)

static const bench_case cases[] = {
    { .name = "16 MiB", .a = (size_t)16 << 20, .count = 400000 },
    { .name = "512 MiB", .a = (size_t)512 << 20, .count = 400000 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "2 MiB", .a = (size_t)2 << 20, .count = 1000 },
    { .name = NULL },
};

static size_t next_size(bench_random *random)
{
    return bench_random_below(random, 20) != 0
        ? bench_random_small_size(random)
        : bench_random_between(random, (size_t)4 << 10, (size_t)64 << 10);
}

static void prepare(const bench_case *item, bench_builder *builder)
{
    bench_prepare_live(builder, item, MEAN_SIZE, next_size);
}

const bench_workload bench_workload_mixed = {
    .name = "mixed",
    .title = "live blocks, 19 of 20 small, the others 4-64 KiB; as above; per operation",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare,
    .measure = bench_measure_sequence,
};
