/* heap: the memory that a heap takes, and ours beyond what was asked for.
 * Owns        nothing.
 * Thread      the heap's owner.
 * Invariants  I1  nothing here is timed, and it comes after what is
 * Failure     a figure that cannot be had stays NAN.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/heap.h"

#include <math.h>

#include "bench/replay.h"

#define SEGMENT_SIZE ((double)(2 << 20))
/* What the heap expects is an average that forgets by halves: three turns, and only the requests of
 * the last are judged. */
#define TURNS 3
#define STRIDE 1024             /* operations from one look to the next */

typedef struct watch {
    double rss;                 /* bytes, the most */
    double mapped;              /* bytes, with a heap of one segment */
    double average;             /* segments: of the requests' peaks; below 0: none yet */
    double real_peak;           /* bytes, the largest */
    double kept;                /* segments above the average after a request end, the largest */
} watch;

static double larger(double a, double b)
{
    return a > b ? a : b;
}

void bench_heap_overhead(const bench_peer *peer, uint64_t live_peak, bench_result *result)
{
    zend_mm_heap_statistics statistics;
    if (peer->statistics != NULL && peer->statistics(&statistics)) {
        result->metrics[METRIC_OVERHEAD] = (double)statistics.real_peak / (double)live_peak;
    }
}

/* Ops [first, end) of one request. The most segments it has at once. */
static double replay_request(const bench_peer *peer, const bench_sequence *sequence, size_t first,
    size_t end, void **blocks, watch *watch)
{
    zend_mm_heap_statistics statistics = { 0 };
    double most = 0;
    for (size_t op = first; op < end; op += STRIDE) {
        bench_replay_range(peer, sequence, op, op + STRIDE < end ? op + STRIDE : end, blocks);
        watch->rss = larger(watch->rss, bench_memory_rss());
        if (peer->statistics != NULL && peer->statistics(&statistics)) {
            most = larger(most, (double)statistics.segment_count);
        }
    }
    watch->real_peak = larger(watch->real_peak, (double)statistics.real_peak);
    return most;
}

/* Heap and pool together, seen from outside: address space that is mapped now and was not. */
static void judge(watch *watch, double peak)
{
    double held = 1 + floor((bench_memory_mapped() - watch->mapped) / SEGMENT_SIZE);
    watch->average = watch->average < 0 ? peak : (watch->average + peak) / 2;
    watch->kept = larger(watch->kept, held - larger(watch->average, 1));
}

static void replay_requests(const bench_peer *peer, const bench_sequence *sequence, void **blocks,
    watch *watch)
{
    size_t first = 0;
    for (size_t op = 0; op < sequence->op_count; op++) {
        if (sequence->ops[op].kind == TRACE_END) {
            double peak = replay_request(peer, sequence, first, op, blocks, watch);
            bench_replay_range(peer, sequence, op, op + 1, blocks);
            judge(watch, peak);
            first = op + 1;
        }
    }
}

void bench_heap_replay(const bench_peer *peer, const bench_sequence *sequence, void **blocks,
    const bench_memory *memory, double mapped, bench_result *result)
{
    watch watch = { .mapped = mapped, .average = -1 };
    unsigned int turns = peer->statistics != NULL ? TURNS : 1;
    for (unsigned int turn = 0; turn < turns; turn++) {
        watch.kept = -INFINITY;
        replay_requests(peer, sequence, blocks, &watch);
    }
    bench_memory_seen(memory, watch.rss, result);
    if (peer->statistics == NULL) {
        return;
    }
    result->metrics[METRIC_OVERHEAD] = watch.real_peak / (double)sequence->live_peak;
    if (!isnan(mapped)) {
        result->metrics[METRIC_KEPT] = watch.kept;
    }
}
