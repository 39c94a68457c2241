/* workload_churn: threads that start, allocate a block and end, one after the other.
 * Owns        nothing.
 * Thread      the main thread makes the others; one of them at a time.
 * Invariants  none.
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <pthread.h>

#include "bench/clock.h"
#include "bench/memory.h"
#include "bench/workload.h"

/* count: threads. RSS is compared with what it was after a hundredth of them. Many say whether
 * memory grows; fewer, how long it takes, allocators side by side. */
static const bench_case cases[] = {
    { .name = "5,000 threads", .count = 5000 },
    { .name = "100,000 threads", .count = 100000, .round_limit = 1 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "200 threads", .count = 200 },
    { .name = NULL },
};

typedef struct churn {
    const bench_peer *peer;
    double heap_ns;             /* owner only: the one thread that lives */
} churn;

static void *live_once(void *argument)
{
    churn *churn = argument;
    double begin = bench_thread_time();
    churn->peer->cycle();
    churn->heap_ns += bench_thread_time() - begin;
    return NULL;
}

static bool run_threads(churn *churn, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, live_once, churn) != 0) {
            return false;
        }
        pthread_join(thread, NULL);
    }
    return true;
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    churn churn = { .peer = peer };
    size_t early = task->item.count / 100, count = task->item.count - early;
    if (peer->cycle == NULL) {
        return bench_refuse(result, "no heap that a thread could start and end");
    }
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    bool made = run_threads(&churn, early);
    double rss = bench_memory_rss();
    churn.heap_ns = 0;
    double begin = bench_wall_time();
    if (!made || !run_threads(&churn, count)) {
        return bench_refuse(result, "the system gives no thread");
    }
    result->metrics[METRIC_NS] = (bench_wall_time() - begin) / (double)count;
    result->metrics[METRIC_HEAP_NS] = churn.heap_ns / (double)count - bench_thread_time_cost();
    result->metrics[METRIC_RSS_GROWTH] = bench_memory_rss() - rss;
    bench_memory_peak(&memory, result);
    bench_memory_after(&memory, result);
    return true;
}

const bench_workload bench_workload_churn = {
    .name = "churn",
    .title = "a thread starts, allocates one block and ends; wall time per thread (heap ns: CPU "
             "time from the start of its heap to its end; zend: zend_mm_startup to "
             "zend_mm_shutdown)",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_HEAP_NS, METRIC_RSS_GROWTH },
    .measure = measure,
};
