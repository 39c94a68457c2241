/* workload_age: hours of a worker in a minute: one long request with a cache and evictions.
 *
 * A tick is one unit of the worker's work: thirty short-lived blocks (one in fifty stays in a
 * session), a response buffer that grows and dies, and a new cache entry in place of a random one.
 * The sizes of what is cached go up and down as a day does, so the holes of the past never fit.
 *
 * Owns        the table of blocks and the operations of the next slice of time.
 * Thread      the main thread.
 * Invariants  I1  the operations of a slice are made before the clock runs
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <math.h>

#include "bench/clock.h"
#include "bench/heap.h"
#include "bench/replay.h"
#include "bench/workload.h"

#define SHORT_LIVED 30

/* a: cache entries; b: slices; count: ticks of a slice. */
static const bench_case cases[] = {
    { .name = "10,000 entries", .a = 10000, .b = 100, .count = 2500, .round_limit = 3 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "100 entries", .a = 100, .b = 5, .count = 50 },
    { .name = NULL },
};

/* Ids: keys, values, session, short-lived, response. */
typedef struct worker {
    bench_builder builder;
    bench_random random;
    size_t entry_count, session_first, session_count, short_first, response;
    double day;                 /* 0 .. 1 */
} worker;

/* Replace what is at `id`, if anything is. */
static void renew(worker *worker, size_t id, size_t size)
{
    if (id < worker->builder.id_capacity && worker->builder.sizes[id] != 0) {
        bench_add_free(&worker->builder, id);
    }
    bench_add_alloc(&worker->builder, id, size);
}

static void do_short_lived(worker *worker)
{
    for (size_t index = 0; index < SHORT_LIVED; index++) {
        bench_add_alloc(&worker->builder, worker->short_first + index,
            bench_random_small_size(&worker->random));
    }
    for (size_t index = SHORT_LIVED; index-- > 0;) {
        bench_add_free(&worker->builder, worker->short_first + index);
    }
    if (bench_random_below(&worker->random, 50) < SHORT_LIVED) {
        renew(worker,
            worker->session_first + bench_random_below(&worker->random, worker->session_count),
            bench_random_small_size(&worker->random));
    }
}

static void do_response(worker *worker)
{
    size_t size = 256, last = bench_random_between(&worker->random, 2048, 128 * 1024);
    bench_add_alloc(&worker->builder, worker->response, size);
    while (size < last) {
        size += size / 2;
        bench_add_realloc(&worker->builder, worker->response, size);
    }
    bench_add_free(&worker->builder, worker->response);
}

/* Values of 32 bytes up to 2 .. 64 KiB, as the day goes; each doubling as likely as the next. */
static void do_cache(worker *worker)
{
    size_t entry = bench_random_below(&worker->random, worker->entry_count);
    double largest = 13.5 + 2.5 * sin(2 * M_PI * worker->day);
    double dice = (double)bench_random_below(&worker->random, 1 << 20) / (1 << 20);
    size_t size = (size_t)exp2(5 + (largest - 5) * dice);
    renew(worker, entry, bench_random_between(&worker->random, 16, 80));
    renew(worker, worker->entry_count + entry, size);
}

static void make_slice(worker *worker, size_t ticks)
{
    worker->builder.sequence.op_count = 0;
    for (size_t tick = 0; tick < ticks; tick++) {
        do_short_lived(worker);
        do_response(worker);
        do_cache(worker);
    }
}

static worker new_worker(const bench_case *item)
{
    worker worker = { .random = BENCH_RANDOM_SEED, .entry_count = item->a };
    worker.session_first = 2 * item->a;
    worker.session_count = item->a / 2;
    worker.short_first = worker.session_first + worker.session_count;
    worker.response = worker.short_first + SHORT_LIVED;
    worker.builder.sequence.touch = TOUCH_EVERY_PAGE;
    return worker;
}

/* A sample for each slice; NS, RSS_PEAK and FAULTS. */
static void run_slices(const bench_task *task, const bench_peer *peer, worker *worker,
    void **blocks, const bench_memory *memory, bench_result *result)
{
    double total = 0, operations = 0, most = 0;
    for (size_t slice = 0; slice < task->item.b; slice++) {
        worker->day = BENCH_AGE_DAYS * (double)slice / (double)task->item.b;
        make_slice(worker, task->item.count);
        const bench_sequence *sequence = &worker->builder.sequence;
        double begin = bench_thread_time();
        bench_replay_range(peer, sequence, 0, sequence->op_count, blocks);
        double duration = bench_thread_time() - begin;
        double rss = bench_memory_rss();
        result->samples[result->sample_count++] = (bench_sample){
            .ns = duration / (double)sequence->op_count, .rss = rss - memory->rss,
            .live = (double)worker->builder.live };
        most = rss > most ? rss : most;
        total += duration;
        operations += (double)sequence->op_count;
    }
    result->metrics[METRIC_NS] = total / operations;
    bench_memory_peak(memory, result);
    bench_memory_seen(memory, most, result);
}

/* The harness's own tables grow in a first run without blocks: the C library's heap, which may be
 * what is measured, is then left alone. */
static worker rehearse(const bench_task *task)
{
    worker rehearsal = new_worker(&task->item);
    for (size_t slice = 0; slice < task->item.b; slice++) {
        rehearsal.day = BENCH_AGE_DAYS * (double)slice / (double)task->item.b;
        make_slice(&rehearsal, task->item.count);
    }
    return rehearsal;
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    if (peer->plan != NULL) {
        return bench_refuse(result, "only for what is replayed");
    }
    worker rehearsal = rehearse(task), worker = new_worker(&task->item);
    size_t id_count = rehearsal.builder.sequence.id_count;
    worker.builder.ops = rehearsal.builder.ops;
    worker.builder.op_capacity = rehearsal.builder.op_capacity;
    worker.builder.sizes = bench_memory_map(rehearsal.builder.id_capacity * sizeof(size_t));
    worker.builder.id_capacity = rehearsal.builder.id_capacity;
    void **blocks = bench_memory_map(id_count * sizeof *blocks);
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    run_slices(task, peer, &worker, blocks, &memory, result);
    bench_heap_overhead(peer, worker.builder.sequence.live_peak, result);
    bench_measure_after(peer, blocks, id_count, &memory, result);
    return true;
}

const bench_workload bench_workload_age = {
    .name = "age",
    .title = "one long request with a cache and evictions, sizes that drift; per operation",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_OVERHEAD },
    .measure = measure,
};
