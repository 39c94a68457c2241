/* workload_large: live blocks of 4 to 64 KiB. See bench_prepare_live(); a: bytes live.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/workload.h"

#define SMALLEST ((size_t)4 << 10)
#define LARGEST ((size_t)64 << 10)

static const bench_case cases[] = {
    { .name = "16 MiB", .a = (size_t)16 << 20, .count = 100000 },
    { .name = "256 MiB", .a = (size_t)256 << 20, .count = 100000 },
    { .name = "1 GiB", .a = (size_t)1 << 30, .count = 100000 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "1 MiB", .a = (size_t)1 << 20, .count = 200 },
    { .name = "4 MiB", .a = (size_t)4 << 20, .count = 200 },
    { .name = NULL },
};

static size_t next_size(bench_random *random)
{
    return bench_random_between(random, SMALLEST, LARGEST);
}

static void prepare(const bench_case *item, bench_builder *builder)
{
    bench_prepare_live(builder, item, (SMALLEST + LARGEST) / 2, next_size);
}

const bench_workload bench_workload_large = {
    .name = "large",
    .title = "live blocks of 4-64 KiB, one freed at random, another allocated; per operation",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare,
    .measure = bench_measure_sequence,
};
