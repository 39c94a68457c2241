/* workload_grow: blocks that grow by realloc, as strings and buffers do.
 * Owns        nothing.
 * Thread      the main thread.
 * Invariants  I1  what was added is written to, a byte a page, as a program that appends does: a
 *                 block that has to be copied is copied with its contents. The writes themselves,
 *                 and their page faults, are the program's own and not timed
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/clock.h"
#include "bench/heap.h"
#include "bench/workload.h"

#define PAGE ((size_t)4096)

/* a: bytes of the single block, b: times; the second finds what the end of the first has kept.
 * a is 0: strings; b: bytes at which a string stops; count: strings. */
static const bench_case cases[] = {
    { .name = "one block to 256 MiB", .a = (size_t)256 << 20, .b = 2, .round_limit = 3 },
    { .name = "1,000 strings to 8 KiB", .b = (size_t)8 << 10, .count = 1000 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "one block to 4 MiB", .a = (size_t)4 << 20, .b = 2 },
    { .name = "10 strings to 8 KiB", .b = (size_t)8 << 10, .count = 10 },
    { .name = NULL },
};

/* Each in turn grows by 1 to 64 bytes. */
static void prepare(const bench_case *item, bench_builder *builder)
{
    bench_random random = BENCH_RANDOM_SEED;
    size_t growing = item->count;
    for (size_t id = 0; id < item->count; id++) {
        bench_add_alloc(builder, id, bench_random_between(&random, 1, 64));
    }
    while (growing > 0) {
        growing = 0;
        for (size_t id = 0; id < item->count; id++) {
            size_t size = builder->sizes[id] + bench_random_between(&random, 1, 64);
            if (size <= item->b) {
                bench_add_realloc(builder, id, size);
                growing++;
            }
        }
    }
    bench_add_end(builder);
    builder->sequence.closed = true;
    builder->sequence.timed_end = builder->sequence.op_count;
    builder->sequence.touch = TOUCH_LAST_BYTE;
}

typedef struct growth {
    char *block;
    size_t steps;
    double duration;            /* of the reallocs, in nanoseconds */
} growth;

static void append(char *block, size_t size, size_t next)
{
    for (size_t page = (size + PAGE - 1) & ~(PAGE - 1); page < next; page += PAGE) {
        ((volatile char *)block)[page] = 1;
    }
}

/* By an eighth each time: a buffer that doubles in six steps. */
static growth grow_block(const bench_peer *peer, size_t last_size, double clock_cost)
{
    growth growth = { .block = peer->alloc(1) };
    size_t size = 1;
    *(volatile char *)growth.block = 1;
    while (size < last_size) {
        size_t next = size + size / 8 + 1;
        next = next < last_size ? next : last_size;
        double begin = bench_thread_time();
        growth.block = peer->realloc(growth.block, next, 0);
        growth.duration += bench_thread_time() - begin - clock_cost;
        growth.steps++;
        append(growth.block, size, next);
        size = next;
    }
    return growth;
}

/* Each turn is a request: what a request end keeps for the next one counts. */
static bool measure_block(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    double duration = 0, clock_cost = bench_thread_time_cost();
    size_t steps = 0;
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    for (size_t turn = 0; turn < task->item.b; turn++) {
        growth growth = grow_block(peer, task->item.a, clock_cost);
        steps += growth.steps;
        duration += growth.duration;
        bench_memory_peak(&memory, result);
        bench_heap_overhead(peer, task->item.a, result);
        void *block = growth.block;
        bench_measure_after(peer, &block, 1, &memory, result);
    }
    result->metrics[METRIC_NS] = duration / (double)steps;
    return true;
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    if (task->item.a == 0) {
        return bench_measure_sequence(task, peer, result);
    }
    return peer->plan != NULL ? bench_refuse(result, "only for what is replayed")
                              : measure_block(task, peer, result);
}

const bench_workload bench_workload_grow = {
    .name = "grow",
    .title = "blocks that grow by realloc; per realloc (the single block: its calls alone are "
             "timed)",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_OVERHEAD },
    .prepare = prepare,
    .measure = measure,
};
