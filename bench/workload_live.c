/* workload_live: what finding free memory costs when much is live: blocks of one kind are live, one
 * is freed at random, another allocated. `large`, `huge` and `mixed` differ in the sizes.
 * Owns        nothing.
 * Thread      the main thread; replay makes the others.
 * Invariants  I1  blocks are not written to: page faults and cache misses on what is inside them
 *                 are not the allocator's
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/workload.h"

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)
#define GIB ((size_t)1 << 30)

/* a: bytes live; count: blocks replaced without being timed, to age the heap, and again, timed. */
static const bench_case large_cases[] = {
    { .name = "16 MiB", .a = 16 * MIB, .count = 100000 },
    { .name = "256 MiB", .a = 256 * MIB, .count = 100000 },
    { .name = "1 GiB", .a = 1 * GIB, .count = 100000 },
    { .name = NULL },
};
static const bench_case large_quick_cases[] = {
    { .name = "1 MiB", .a = 1 * MIB, .count = 200 },
    { .name = "4 MiB", .a = 4 * MIB, .count = 200 },
    { .name = NULL },
};
static const bench_case huge_cases[] = {
    { .name = "256 MiB", .a = 256 * MIB, .count = 20000 },
    { .name = "8 GiB", .a = 8 * GIB, .count = 20000 },
    { .name = NULL },
};
static const bench_case huge_quick_cases[] = {
    { .name = "16 MiB", .a = 16 * MIB, .count = 50 },
    { .name = NULL },
};
static const bench_case mixed_cases[] = {
    { .name = "16 MiB", .a = 16 * MIB, .count = 400000 },
    { .name = "512 MiB", .a = 512 * MIB, .count = 400000 },
    { .name = NULL },
};
static const bench_case mixed_quick_cases[] = {
    { .name = "2 MiB", .a = 2 * MIB, .count = 1000 },
    { .name = NULL },
};

/* ---- sizes ---- */

static size_t large_size(bench_random *random)
{
    return bench_random_between(random, 4 * KIB, 64 * KIB);
}

static size_t huge_size(bench_random *random)
{
    return bench_random_between(random, 2 * MIB, 3 * MIB);
}

/* One block in twenty is large, with most of the bytes. */
static size_t mixed_size(bench_random *random)
{
    return bench_random_below(random, 20) != 0 ? bench_random_small_size(random)
                                               : large_size(random);
}

/* ---- operations ---- */

static void replace_blocks(bench_builder *builder, bench_random *random, size_t live_count,
    size_t count, size_t (*next_size)(bench_random *random))
{
    for (size_t turn = 0; turn < count; turn++) {
        size_t id = bench_random_below(random, live_count);
        bench_add_free(builder, id);
        bench_add_alloc(builder, id, next_size(random));
    }
}

static void prepare(const bench_case *item, bench_builder *builder,
    size_t (*next_size)(bench_random *random))
{
    bench_random random = BENCH_RANDOM_SEED;
    size_t live_count = 0;
    while (builder->live < item->a) {
        bench_add_alloc(builder, live_count++, next_size(&random));
    }
    replace_blocks(builder, &random, live_count, item->count, next_size);
    builder->sequence.timed_first = builder->sequence.op_count;
    replace_blocks(builder, &random, live_count, item->count, next_size);
    builder->sequence.timed_end = builder->sequence.op_count;
    bench_add_end(builder);
    builder->sequence.touch = TOUCH_NOTHING;
}

static void prepare_large(const bench_case *item, bench_builder *builder)
{
    prepare(item, builder, large_size);
}

static void prepare_huge(const bench_case *item, bench_builder *builder)
{
    prepare(item, builder, huge_size);
}

static void prepare_mixed(const bench_case *item, bench_builder *builder)
{
    prepare(item, builder, mixed_size);
}

const bench_workload bench_workload_large = {
    .name = "large",
    .title = "live blocks of 4-64 KiB, one freed at random, another allocated; per operation",
    .cases = large_cases,
    .quick_cases = large_quick_cases,
    .cases_together = true,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare_large,
    .measure = bench_measure_sequence,
};

const bench_workload bench_workload_huge = {
    .name = "huge",
    .title = "live blocks of 2-3 MiB, one freed at random, another allocated; per operation",
    .cases = huge_cases,
    .quick_cases = huge_quick_cases,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare_huge,
    .measure = bench_measure_sequence,
};

const bench_workload bench_workload_mixed = {
    .name = "mixed",
    .title = "live blocks, 19 of 20 small, the others 4-64 KiB, one freed at random, another "
             "allocated; per operation",
    .cases = mixed_cases,
    .quick_cases = mixed_quick_cases,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare_mixed,
    .measure = bench_measure_sequence,
};
