/* workload_handoff: some threads allocate, others free.
 *
 *   producer --- full ---> consumer      a lane for each pair: two ck_rings with one thread at each
 *       ^------ empty --------+          end; what travels is a batch of blocks
 *
 * With one thread at each end a ring never waits for a thread that the scheduler has put aside. Two
 * figures: wall time, which is throughput, and what the threads were busy, their waiting for each
 * other left out: that one does not depend on how the scheduler pairs them. `limit` hands blocks on
 * that nobody allocates or frees: what rings, writes and cache misses cost.
 *
 * Owns        lanes and batches.
 * Thread      each worker is a producer or a consumer; the main thread is a producer.
 * Invariants  I1  a batch stays in its lane: in one of the rings or in one thread's hands, so that
 *                 no ring is ever full
 *             I2  a producer keeps its heap until every block was freed
 *             I3  the clock is read while a worker waits, never between two batches
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
#include "bench/workload.h"

#define BATCH_SIZE 64
#define LANE_BATCH_COUNT 127
#define RING_SIZE 128           /* holds one less than its size: all batches of a lane */
#define LANE_MAX 16
#define WORKER_MAX 8
#define SIZE_COUNT 4096
#define WARM_UP_PART 8          /* an eighth of the batches travels before the clocks start */
/* A lane's blocks of the mean size take a third of it. */
#define LIMIT_LANE_SIZE ((size_t)2 << 20)

/* a: producers; b: consumers; count: batches, a multiple of a times b. */
static const bench_case cases[] = {
    { .name = "1:1", .a = 1, .b = 1, .count = 48000 },
    { .name = "2:2", .a = 2, .b = 2, .count = 48000 },
    { .name = "4:2", .a = 4, .b = 2, .count = 48000 },
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

struct exchange;

/* What it takes batches from and puts them into: at each index the rings of one lane. */
typedef struct worker {                 /* owner only; read by the main thread behind the join */
    struct exchange *exchange;
    pthread_t thread;
    void (*handle)(struct worker *worker, batch *batch);        /* fill it, or empty it */
    ring *sources[LANE_MAX], *targets[LANE_MAX];
    size_t left[LANE_MAX];              /* batches that this pass has still to take */
    size_t lane_count, size_index;
    unsigned int turns;                 /* of waiting */
    double waited, busy;                /* CPU time of the timed pass, nanoseconds */
    double begin, end;                  /* wall time of it */
} worker;

typedef struct exchange {
    const bench_peer *peer;             /* const while threads run, as all up to `barrier` */
    size_t worker_count;                /* workers[0], the main thread, is a producer */
    size_t lane_batches;                /* that travel through each lane */
    size_t sizes[SIZE_COUNT];
    pthread_barrier_t barrier;
    atomic_bool failed;                 /* atomic: a thread has no heap; read behind the barrier */
    worker workers[WORKER_MAX];
    lane lanes[LANE_MAX];
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
static void wait_a_little(worker *worker)
{
    if (++worker->turns % 64 == 0) {
        sched_yield();
    } else {
        ck_pr_stall();
    }
}

/* The lanes in turn, from *lane on, which becomes the one it was found in. NULL: none is there. */
static batch *take_from_any(worker *worker, size_t *lane)
{
    for (size_t turn = 0; turn < worker->lane_count; turn++) {
        size_t index = (*lane + turn) % worker->lane_count;
        batch *batch = worker->left[index] > 0 ? take(worker->sources[index]) : NULL;
        if (batch != NULL) {
            *lane = index;
            return batch;
        }
    }
    return NULL;
}

static batch *wait_for_any(worker *worker, size_t *lane)
{
    double begin = bench_thread_time();
    batch *batch;
    while ((batch = take_from_any(worker, lane)) == NULL) {
        wait_a_little(worker);
    }
    worker->waited += bench_thread_time() - begin;
    return batch;
}

/* ---- workers ---- */

static void fill(worker *worker, batch *batch)
{
    exchange *exchange = worker->exchange;
    for (size_t index = 0; index < BATCH_SIZE; index++) {
        size_t size = exchange->sizes[worker->size_index++ % SIZE_COUNT];
        batch->blocks[index] = exchange->peer->alloc(size);
        *(volatile char *)batch->blocks[index] = 1;
    }
}

static void empty(worker *worker, batch *batch)
{
    for (size_t index = 0; index < BATCH_SIZE; index++) {
        worker->exchange->peer->free(batch->blocks[index]);
    }
}

/* So many batches through each lane. */
static void run_pass(worker *worker, size_t lane_batches)
{
    size_t lane = 0;
    for (size_t index = 0; index < worker->lane_count; index++) {
        worker->left[index] = lane_batches;
    }
    for (size_t all = lane_batches * worker->lane_count; all > 0; all--) {
        batch *batch = take_from_any(worker, &lane);
        batch = batch != NULL ? batch : wait_for_any(worker, &lane);
        worker->handle(worker, batch);
        put(worker->targets[lane], batch);
        worker->left[lane]--;
        lane = (lane + 1) % worker->lane_count;
    }
}

static void run_timed(worker *worker)
{
    worker->waited = 0;
    worker->begin = bench_wall_time();
    double begin = bench_thread_time();
    run_pass(worker, worker->exchange->lane_batches);
    worker->busy = bench_thread_time() - begin - worker->waited;
    worker->end = bench_wall_time();
}

/* All wait for the threads to be there, for each other's warm-up, and for the last block to be
 * freed. */
static void run_worker(worker *worker, bool started)
{
    exchange *exchange = worker->exchange;
    if (!started) {
        atomic_store_explicit(&exchange->failed, true, memory_order_relaxed);
    }
    pthread_barrier_wait(&exchange->barrier);
    if (!atomic_load_explicit(&exchange->failed, memory_order_relaxed)) {
        run_pass(worker, exchange->lane_batches / WARM_UP_PART);
        pthread_barrier_wait(&exchange->barrier);
        run_timed(worker);
    }
    pthread_barrier_wait(&exchange->barrier);
    if (started && exchange->peer->reset != NULL) {
        exchange->peer->reset();
    }
}

static void *run_thread(void *argument)
{
    worker *worker = argument;
    bool started = worker->exchange->peer->thread_start();
    run_worker(worker, started);
    if (started) {
        worker->exchange->peer->thread_end();
    }
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

/* Between two workers. */
static void connect_lane(lane *lane, worker *producer, worker *consumer)
{
    init_lane(lane);
    producer->sources[producer->lane_count] = &lane->empty;
    producer->targets[producer->lane_count++] = &lane->full;
    consumer->sources[consumer->lane_count] = &lane->full;
    consumer->targets[consumer->lane_count++] = &lane->empty;
}

static exchange *new_exchange(const bench_case *item, const bench_peer *peer)
{
    exchange *exchange = bench_memory_map(sizeof *exchange);
    bench_random random = BENCH_RANDOM_SEED;
    exchange->peer = peer;
    exchange->worker_count = item->a + item->b;
    exchange->lane_batches = item->count / (item->a * item->b);
    for (size_t index = 0; index < SIZE_COUNT; index++) {
        exchange->sizes[index] = bench_random_small_size(&random);
    }
    for (size_t index = 0; index < exchange->worker_count; index++) {
        exchange->workers[index].exchange = exchange;
        exchange->workers[index].handle = index < item->a ? fill : empty;
    }
    for (size_t index = 0; index < item->a * item->b; index++) {
        connect_lane(&exchange->lanes[index], &exchange->workers[index / item->b],
            &exchange->workers[item->a + index % item->b]);
    }
    pthread_barrier_init(&exchange->barrier, NULL, (unsigned int)exchange->worker_count);
    return exchange;
}

static void run_exchange(exchange *exchange)
{
    for (size_t index = 1; index < exchange->worker_count; index++) {
        worker *worker = &exchange->workers[index];
        if (pthread_create(&worker->thread, NULL, run_thread, worker) != 0) {
            fprintf(stderr, "tsrmalloc-bench: the system gives no thread\n");
            _Exit(1);
        }
    }
    run_worker(&exchange->workers[0], true);
    for (size_t index = 1; index < exchange->worker_count; index++) {
        pthread_join(exchange->workers[index].thread, NULL);
    }
}

static void sum_up(const exchange *exchange, double blocks, bench_result *result)
{
    double busy = 0, begin = exchange->workers[0].begin, end = exchange->workers[0].end;
    for (size_t index = 0; index < exchange->worker_count; index++) {
        const worker *worker = &exchange->workers[index];
        busy += worker->busy;
        begin = worker->begin < begin ? worker->begin : begin;
        end = worker->end > end ? worker->end : end;
    }
    result->metrics[METRIC_NS] = (end - begin) / blocks;
    result->metrics[METRIC_BUSY_NS] = busy / blocks;
}

static bool measure(const bench_task *task, bench_peer *peer, bench_result *result)
{
    bench_memory memory;
    if (peer->no_remote_free != NULL) {
        return bench_refuse(result, peer->no_remote_free);
    }
    if (peer->plan_ring != NULL) {
        peer->plan_ring(peer, task->item.b * LIMIT_LANE_SIZE);
    }
    exchange *exchange = new_exchange(&task->item, peer);
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return bench_refuse(result, "it does not start");
    }
    run_exchange(exchange);
    if (atomic_load_explicit(&exchange->failed, memory_order_relaxed)) {
        return bench_refuse(result, "a thread could not start");
    }
    sum_up(exchange, (double)(task->item.count * BATCH_SIZE), result);
    if (peer->plan_ring == NULL) {      /* else there is no memory of an allocator */
        bench_memory_peak(&memory, result);
        bench_memory_after(&memory, result);
    }
    return true;
}

const bench_workload bench_workload_handoff = {
    .name = "handoff",
    .title = "N threads allocate, M threads free; wall time per block (busy ns: CPU time of all "
             "threads, their waiting left out)",
    .cases = cases,
    .quick_cases = quick_cases,
    .columns = { METRIC_BUSY_NS },
    .measure = measure,
};
