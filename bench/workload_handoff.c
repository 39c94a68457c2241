/* workload_handoff: some threads allocate, others free.
 *
 *   producer --- full ---> consumer      a lane for each pair: two ck_rings with one thread at each
 *       ^------ empty --------+          end; what travels is a batch of blocks
 *
 * With one thread at each end a ring never waits for a thread that the scheduler has put aside.
 *
 * Owns        lanes and batches.
 * Thread      each worker is a producer or a consumer; the main thread is a producer.
 * Invariants  I1  a batch stays in its lane: in one of the rings or in one thread's hands, so that
 *                 no ring is ever full
 *             I2  a producer keeps its heap until every block was freed
 * Failure     a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include <ck_pr.h>
#include <ck_ring.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "alloc/tsan.h"
#include "bench/clock.h"
#include "bench/memory.h"
#include "bench/workload.h"

#define BATCH_SIZE 64
#define LANE_BATCH_COUNT 127
#define RING_SIZE 128           /* holds one less than its size: all batches of a lane */
#define LANE_MAX 16
#define SIZE_COUNT 4096

/* a: producers; b: consumers; count: batches, a multiple of a times b. */
static const bench_case cases[] = {
    { .name = "1:1", .a = 1, .b = 1, .count = 60000 },
    { .name = "2:2", .a = 2, .b = 2, .count = 60000 },
    { .name = "4:2", .a = 4, .b = 2, .count = 60000 },
    { .name = NULL },
};
static const bench_case quick_cases[] = {
    { .name = "1:1", .a = 1, .b = 1, .count = 600 },
    { .name = "2:2", .a = 2, .b = 2, .count = 600 },
    { .name = NULL },
};

typedef struct batch {
    void *blocks[BATCH_SIZE];
} batch;

typedef struct ring {
    ck_ring_t ring;
    ck_ring_buffer_t slots[RING_SIZE];
} ring;

typedef struct lane {
    ring full, empty;                   /* atomic: ck_ring, spsc */
    batch batches[LANE_BATCH_COUNT];
} lane;

typedef struct exchange {
    const bench_peer *peer;             /* const while threads run, as all up to `barrier` */
    size_t producer_count, consumer_count;
    size_t lane_batches;                /* that travel through each lane */
    size_t sizes[SIZE_COUNT];
    pthread_barrier_t barrier;
    atomic_size_t next_producer, next_consumer; /* atomic: a number for each worker */
    atomic_bool failed;                 /* atomic: a thread has no heap */
    lane lanes[LANE_MAX];               /* of producer p and consumer c: p * consumer_count + c */
} exchange;

/* ---- rings ---- */

static void put(ring *ring, batch *batch)
{
    zend_mm_tsan_release(batch);
    if (!ck_ring_enqueue_spsc(&ring->ring, ring->slots, batch)) {
        fprintf(stderr, "tsrmalloc-bench: a lane has more batches than its ring holds\n");
        abort();
    }
}

/* NULL: there is none now. */
static batch *take(ring *ring)
{
    batch *taken;
    if (!ck_ring_dequeue_spsc(&ring->ring, ring->slots, &taken)) {
        return NULL;
    }
    zend_mm_tsan_acquire(taken);
    return taken;
}

/* There may be more threads than processors: waiting for long must let the others run. */
static void wait_a_little(unsigned int *turns)
{
    if (++*turns % 64 == 0) {
        sched_yield();
    } else {
        ck_pr_stall();
    }
}

/* ---- threads ---- */

static void fill(exchange *exchange, batch *batch, size_t *size_index)
{
    for (size_t index = 0; index < BATCH_SIZE; index++) {
        size_t size = exchange->sizes[(*size_index)++ % SIZE_COUNT];
        batch->blocks[index] = exchange->peer->alloc(size);
        *(volatile char *)batch->blocks[index] = 1;
    }
}

/* The lanes in turn, wherever an empty batch has come back. */
static void produce(exchange *exchange)
{
    size_t own = atomic_fetch_add_explicit(&exchange->next_producer, 1, memory_order_relaxed);
    size_t left[LANE_MAX], size_index = 0, count = exchange->consumer_count;
    size_t all = exchange->lane_batches * count;
    unsigned int turns = 0;
    for (size_t index = 0; index < count; index++) {
        left[index] = exchange->lane_batches;
    }
    for (size_t index = 0; all > 0; index = (index + 1) % count) {
        lane *lane = &exchange->lanes[own * count + index];
        batch *batch = left[index] > 0 ? take(&lane->empty) : NULL;
        if (batch == NULL) {
            wait_a_little(&turns);
            continue;
        }
        fill(exchange, batch, &size_index);
        put(&lane->full, batch);
        left[index]--;
        all--;
    }
}

static void consume(exchange *exchange)
{
    size_t own = atomic_fetch_add_explicit(&exchange->next_consumer, 1, memory_order_relaxed);
    size_t count = exchange->producer_count, left = exchange->lane_batches * count;
    unsigned int turns = 0;
    for (size_t index = 0; left > 0; index = (index + 1) % count) {
        lane *lane = &exchange->lanes[index * exchange->consumer_count + own];
        batch *batch = take(&lane->full);
        if (batch == NULL) {
            wait_a_little(&turns);
            continue;
        }
        for (size_t block = 0; block < BATCH_SIZE; block++) {
            exchange->peer->free(batch->blocks[block]);
        }
        put(&lane->empty, batch);
        left--;
    }
}

/* All wait for the threads to be there, and for the last block to be freed. */
static void run_role(exchange *exchange, void (*role)(struct exchange *), bool started)
{
    if (!started) {
        atomic_store_explicit(&exchange->failed, true, memory_order_relaxed);
    }
    pthread_barrier_wait(&exchange->barrier);
    if (!atomic_load_explicit(&exchange->failed, memory_order_relaxed)) {
        role(exchange);
    }
    pthread_barrier_wait(&exchange->barrier);
    if (started && exchange->peer->reset != NULL) {
        exchange->peer->reset();
    }
}

static void run_thread(exchange *exchange, void (*role)(struct exchange *))
{
    bool started = exchange->peer->thread_start();
    run_role(exchange, role, started);
    if (started) {
        exchange->peer->thread_end();
    }
}

static void *run_producer(void *argument)
{
    run_thread(argument, produce);
    return NULL;
}

static void *run_consumer(void *argument)
{
    run_thread(argument, consume);
    return NULL;
}

/* ---- the measurement ---- */

static void init_lane(lane *lane)
{
    ck_ring_init(&lane->full.ring, RING_SIZE);
    ck_ring_init(&lane->empty.ring, RING_SIZE);
    for (size_t index = 0; index < LANE_BATCH_COUNT; index++) {
        put(&lane->empty, &lane->batches[index]);
    }
}

static exchange *new_exchange(const bench_case *item, const bench_peer *peer)
{
    exchange *exchange = bench_memory_map(sizeof *exchange);
    bench_random random = BENCH_RANDOM_SEED;
    exchange->peer = peer;
    exchange->producer_count = item->a;
    exchange->consumer_count = item->b;
    exchange->lane_batches = item->count / (item->a * item->b);
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        exchange->sizes[index] = bench_random_small_size(&random);
    }
    for (size_t index = 0; index < item->a * item->b; index++) {
        init_lane(&exchange->lanes[index]);
    }
    pthread_barrier_init(&exchange->barrier, NULL, (unsigned int)(item->a + item->b));
    return exchange;
}

static void make_thread(pthread_t *thread, void *(*run)(void *), exchange *exchange)
{
    if (pthread_create(thread, NULL, run, exchange) != 0) {
        fprintf(stderr, "tsrmalloc-bench: the system gives no thread\n");
        _Exit(1);
    }
}

/* Wall time of the whole exchange, measured by the main thread: between the two barriers. */
static double run_exchange(const bench_task *task, exchange *exchange)
{
    size_t count = task->item.a + task->item.b - 1;
    pthread_t *threads = bench_memory_map(count * sizeof *threads);
    for (size_t index = 0; index < count; index++) {
        make_thread(&threads[index], index < task->item.a - 1 ? run_producer : run_consumer,
            exchange);
    }
    double begin = bench_wall_time();
    run_role(exchange, produce, true);
    double duration = bench_wall_time() - begin;
    for (size_t index = 0; index < count; index++) {
        pthread_join(threads[index], NULL);
    }
    return duration;
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    if (peer->no_remote_free != NULL) {
        return bench_refuse(result, peer->no_remote_free);
    }
    exchange *exchange = new_exchange(&task->item, peer);
    double blocks = (double)(task->item.count * BATCH_SIZE);
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    double duration = run_exchange(task, exchange);
    bench_memory_peak(&memory, result);
    bench_memory_after(&memory, result);
    if (atomic_load_explicit(&exchange->failed, memory_order_relaxed)) {
        return bench_refuse(result, "a thread could not start");
    }
    result->metrics[METRIC_NS] = duration / blocks;
    return true;
}

const bench_workload bench_workload_handoff = {
    .name = "handoff",
    .title = "N threads allocate, M threads free; wall time per block",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_NS },
    .measure = measure,
};
