/* workload_reset: the end of a request with many live blocks.
 * Owns        the table of blocks.
 * Thread      the main thread.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/clock.h"
#include "bench/heap.h"
#include "bench/replay.h"
#include "bench/workload.h"

/* a: live blocks; count: request ends, after one that is not timed. */
static const bench_case cases[] = {
    { .name = "10^3 blocks", .a = 1000, .count = 50 },
    { .name = "10^4 blocks", .a = 10000, .count = 50 },
    { .name = "10^5 blocks", .a = 100000, .count = 20 },
    { .name = "10^6 blocks", .a = 1000000, .count = 4 },
    { .name = "10^7 blocks", .a = 10000000, .count = 2, .round_limit = 3 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "10^3 blocks", .a = 1000, .count = 2 },
    { .name = "10^5 blocks", .a = 100000, .count = 2 },
    { .name = NULL },
};

/* Sums over the timed request ends. */
typedef struct sums {
    double duration, heap, storage, segments;
} sums;

/* The bytes asked for. */
static uint64_t fill(const bench_peer *peer, void **blocks, size_t count)
{
    bench_random random = BENCH_RANDOM_SEED;
    uint64_t live = 0;
    for (size_t index = 0; index < count; index++) {
        size_t size = bench_random_small_size(&random);
        blocks[index] = peer->alloc(size);
        *(volatile char *)blocks[index] = 1;
        live += size;
    }
    return live;
}

static void end_request(const bench_peer *peer, void **blocks, size_t count, sums *sums)
{
    zend_mm_heap_statistics before = { 0 }, after = { 0 };
    bool ours = peer->statistics != NULL && peer->statistics(&before);
    double begin = bench_thread_time();
    bench_replay_end_request(peer, blocks, count);
    sums->duration += bench_thread_time() - begin;
    if (ours && peer->statistics(&after)) {
        sums->segments += (double)before.segment_count;
        sums->heap += (double)(after.reset_duration - after.reset_storage_duration);
        sums->storage += (double)after.reset_storage_duration;
    }
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    sums ignored = { 0 }, sums = { 0 };
    size_t count = task->item.a;
    double turns = (double)task->item.count;
    if (peer->plan != NULL) {
        return bench_refuse(result, "nothing is freed");
    }
    void **blocks = bench_memory_map(count * sizeof *blocks);
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    for (size_t turn = 0; turn <= task->item.count; turn++) {
        uint64_t live = fill(peer, blocks, count);
        bench_memory_peak(&memory, result);
        bench_heap_overhead(peer, live, result);
        end_request(peer, blocks, count, turn == 0 ? &ignored : &sums);
    }
    bench_memory_after(&memory, result);
    result->metrics[METRIC_NS] = sums.duration / turns - bench_thread_time_cost();
    if (peer->statistics != NULL) {
        result->metrics[METRIC_HEAP_NS] = sums.heap / turns;
        result->metrics[METRIC_STORAGE_NS] = sums.storage / turns;
        result->metrics[METRIC_SEGMENTS] = sums.segments / turns;
    }
    return true;
}

const bench_workload bench_workload_reset = {
    .name = "reset",
    .title = "the end of a request with N live blocks; per request end (storage ns: of it, munmap "
             "and the like; heap ns: the rest)",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_HEAP_NS, METRIC_STORAGE_NS, METRIC_SEGMENTS, METRIC_OVERHEAD },
    .measure = measure,
};
