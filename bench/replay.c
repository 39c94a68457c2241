/* replay: the timed loop.
 * Owns        the table of blocks of each thread, made before the clock starts.
 * Thread      bench_replay: the main thread, which is the first worker; the others are made here.
 * Invariants  I1  every peer runs the same operations; those that cannot reset free what is live,
 *                 by operations that were made before, and figures count none of these
 *             I2  all workers start the timed part together, and keep their heaps until all are
 *                 behind it
 * Failure     a peer that cannot start, or a thread that cannot be made: a refusal.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/replay.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "bench/heap.h"
#include "bench/memory.h"

/* ---- operations ---- */

static inline void touch_block(void *block, size_t size, bench_touch touch)
{
    if (touch == TOUCH_FIRST_BYTE) {
        *(volatile char *)block = 1;
    }
    if (touch == TOUCH_LAST_BYTE) {
        ((volatile char *)block)[size - 1] = 1;
    }
    for (size_t offset = 0; touch == TOUCH_EVERY_PAGE && offset < size; offset += 4096) {
        ((volatile char *)block)[offset] = 1;
    }
}

void bench_replay_free_all(const bench_peer *peer, void **blocks, size_t count)
{
    for (size_t id = 0; id < count; id++) {
        if (blocks[id] != NULL) {
            peer->free(blocks[id]);
            blocks[id] = NULL;
        }
    }
}

void bench_replay_end_request(const bench_peer *peer, void **blocks, size_t count)
{
    if (peer->reset != NULL) {
        peer->reset();
    } else {
        bench_replay_free_all(peer, blocks, count);
    }
}

static inline void replay_alloc(const bench_peer *peer, void **block, size_t size,
    bench_touch touch)
{
    *block = peer->alloc(size);
    touch_block(*block, size, touch);
}

static inline void replay_realloc(const bench_peer *peer, void **block, size_t size,
    bench_touch touch)
{
    *block = peer->realloc(*block, size, 0);
    touch_block(*block, size, touch);
}

/* What is seldom in a trace. */
static void replay_seldom(const bench_peer *peer, const bench_sequence *sequence,
    const trace_op *op, void **blocks, bench_touch touch)
{
    if (op->kind == TRACE_END) {
        if (peer->reset != NULL) {
            peer->reset();
        }
    } else if (op->kind == TRACE_ALLOC_WIDE) {
        replay_alloc(peer, &blocks[op->id], sequence->wide_sizes[op->size], touch);
    } else {
        replay_realloc(peer, &blocks[op->id], sequence->wide_sizes[op->size], touch);
    }
}

/* `touch` is a constant at each call: four loops without a test of it. Branches, not a switch: the
 * order of operations is hard to foresee, and a wrong guess of a jump through a table costs every
 * allocator as much as its own work. */
static inline __attribute__((always_inline)) void replay_ops(const bench_peer *peer,
    const bench_sequence *sequence, size_t first, size_t end, void **blocks, bench_touch touch)
{
    const trace_op *last = sequence->ops + end;
    for (const trace_op *op = sequence->ops + first; op < last; op++) {
        void **block = &blocks[op->id];
        if (op->kind == TRACE_ALLOC) {
            replay_alloc(peer, block, op->size, touch);
        } else if (op->kind == TRACE_FREE) {
            peer->free(*block);
            *block = NULL;
        } else if (op->kind == TRACE_REALLOC) {
            replay_realloc(peer, block, op->size, touch);
        } else {
            replay_seldom(peer, sequence, op, blocks, touch);
        }
    }
}

void bench_replay_range(const bench_peer *peer, const bench_sequence *sequence, size_t first,
    size_t end, void **blocks)
{
    switch (sequence->touch) {
    case TOUCH_NOTHING: replay_ops(peer, sequence, first, end, blocks, TOUCH_NOTHING); break;
    case TOUCH_FIRST_BYTE: replay_ops(peer, sequence, first, end, blocks, TOUCH_FIRST_BYTE); break;
    case TOUCH_LAST_BYTE: replay_ops(peer, sequence, first, end, blocks, TOUCH_LAST_BYTE); break;
    case TOUCH_EVERY_PAGE: replay_ops(peer, sequence, first, end, blocks, TOUCH_EVERY_PAGE); break;
    }
}

/* ---- workers ---- */

typedef struct crew {
    const bench_peer *peer;
    const bench_sequence *sequence;
    const bench_memory *memory;
    double mapped;              /* bytes, when the peer had just been started */
    bench_result *result;
    double timed_count, all_count;      /* operations as they were written */
    unsigned int threads, repeat;
    pthread_barrier_t barrier;
} crew;

typedef struct worker {
    crew *crew;
    void **blocks;
    bool is_main, failed;
    double cpu_ns, wall_begin, wall_end;
    unsigned int turns;
} worker;

static unsigned int timed_turns(const crew *crew)
{
    double count = crew->all_count;
    if (!crew->sequence->closed) {
        return 1;
    }
    if (crew->repeat != 0) {
        return crew->repeat;
    }
    return count * BENCH_TURNS_LEAST >= BENCH_OPS_LEAST ? BENCH_TURNS_LEAST
        : (unsigned int)ceil(BENCH_OPS_LEAST / count);
}

static void replay_timed(worker *worker)
{
    const bench_peer *peer = worker->crew->peer;
    const bench_sequence *sequence = worker->crew->sequence;
    worker->turns = timed_turns(worker->crew);
    worker->wall_begin = bench_wall_time();
    double begin = bench_thread_time();
    for (unsigned int turn = 0; turn < worker->turns; turn++) {
        if (sequence->closed && peer->rewind != NULL) {
            peer->rewind();
        }
        bench_replay_range(peer, sequence, sequence->timed_first, sequence->timed_end,
            worker->blocks);
    }
    worker->cpu_ns = bench_thread_time() - begin;
    worker->wall_end = bench_wall_time();
}

/* Behind the timed part: read the peaks; what is still live dies. */
static void finish(const worker *worker)
{
    const crew *crew = worker->crew;
    const bench_sequence *sequence = crew->sequence;
    if (worker->is_main) {
        bench_memory_peak(crew->memory, crew->result);
    }
    if (!sequence->closed) {
        if (worker->is_main) {
            bench_heap_overhead(crew->peer, sequence->live_peak, crew->result);
        }
        bench_replay_range(crew->peer, sequence, sequence->timed_end, sequence->op_count,
            worker->blocks);
    }
}

/* When all have ended their last request. */
static void look_behind(const worker *worker)
{
    const crew *crew = worker->crew;
    bench_memory_after(crew->memory, crew->result);
    if (crew->sequence->closed && crew->peer->plan == NULL) {
        bench_heap_replay(crew->peer, crew->sequence, worker->blocks, crew->memory,
            crew->threads == 1 ? crew->mapped : (double)NAN, crew->result);
    }
}

/* Several times: heaps learn from request to request how much memory to keep. */
static void warm_up(const worker *worker)
{
    const crew *crew = worker->crew;
    const bench_sequence *sequence = crew->sequence;
    unsigned int turns = sequence->closed ? BENCH_WARM_UP_TURNS : 1;
    size_t end = sequence->closed ? sequence->op_count : sequence->timed_first;
    for (unsigned int turn = 0; turn < turns; turn++) {
        if (crew->peer->rewind != NULL) {
            crew->peer->rewind();
        }
        double begin = bench_thread_time();
        bench_replay_range(crew->peer, sequence, 0, end, worker->blocks);
        if (turn == 0 && sequence->closed && worker->is_main) {
            crew->result->metrics[METRIC_FIRST_NS] =
                (bench_thread_time() - begin) / crew->all_count;
        }
    }
}

static void *work(void *argument)
{
    worker *worker = argument;
    crew *crew = worker->crew;
    worker->failed = !worker->is_main && !crew->peer->thread_start();
    if (!worker->failed) {
        warm_up(worker);
    }
    pthread_barrier_wait(&crew->barrier);
    if (!worker->failed) {
        replay_timed(worker);
    }
    pthread_barrier_wait(&crew->barrier);
    if (!worker->failed) {
        finish(worker);
    }
    pthread_barrier_wait(&crew->barrier);
    if (worker->is_main) {
        look_behind(worker);
    }
    pthread_barrier_wait(&crew->barrier);
    if (!worker->is_main && !worker->failed) {
        crew->peer->thread_end();
    }
    return NULL;
}

static void sum_up(const crew *crew, const worker *workers)
{
    double cpu_ns = 0, begin = workers[0].wall_begin, end = workers[0].wall_end;
    double operations = 0;
    for (unsigned int index = 0; index < crew->threads; index++) {
        cpu_ns += workers[index].cpu_ns;
        operations += crew->timed_count * workers[index].turns;
        begin = workers[index].wall_begin < begin ? workers[index].wall_begin : begin;
        end = workers[index].wall_end > end ? workers[index].wall_end : end;
        if (workers[index].failed) {
            snprintf(crew->result->refusal, sizeof crew->result->refusal,
                "a thread could not start");
        }
    }
    if (crew->peer->plan != NULL) {             /* its memory is a table of answers */
        crew->result->metrics[METRIC_RSS_PEAK] = (double)NAN;
        crew->result->metrics[METRIC_RSS_AFTER] = (double)NAN;
        crew->result->metrics[METRIC_FAULTS] = (double)NAN;
    }
    double *metrics = crew->result->metrics;
    metrics[METRIC_CPU_NS] = cpu_ns / operations;
    metrics[METRIC_WALL_NS] = (end - begin) / operations;
    metrics[METRIC_NS] = metrics[crew->threads == 1 ? METRIC_CPU_NS : METRIC_WALL_NS];
}

static bool refuse(bench_result *result, const char *reason)
{
    snprintf(result->refusal, sizeof result->refusal, "%s", reason);
    return false;
}

static void run_crew(crew *crew, worker *workers, pthread_t *threads)
{
    for (unsigned int index = 1; index < crew->threads; index++) {
        if (pthread_create(&threads[index], NULL, work, &workers[index]) != 0) {
            fprintf(stderr, "tsrmalloc-bench: the system gives no %u threads\n", crew->threads);
            _Exit(1);
        }
    }
    work(&workers[0]);
    for (unsigned int index = 1; index < crew->threads; index++) {
        pthread_join(threads[index], NULL);
    }
}

bool bench_replay(bench_peer *peer, const bench_sequence *sequence, unsigned int threads,
    unsigned int repeat, bench_result *result)
{
    bench_memory memory;
    bench_sequence expanded;
    crew crew = { .peer = peer, .sequence = sequence, .memory = &memory, .result = result,
                  .timed_count = (double)(sequence->timed_end - sequence->timed_first),
                  .all_count = (double)sequence->op_count, .threads = threads, .repeat = repeat };
    if (threads > 1 && peer->no_threads != NULL) {
        return refuse(result, peer->no_threads);
    }
    worker *workers = bench_memory_map(threads * sizeof *workers);
    pthread_t *handles = bench_memory_map(threads * sizeof *handles);
    for (unsigned int index = 0; index < threads; index++) {
        workers[index].crew = &crew;
        workers[index].is_main = index == 0;
        workers[index].blocks = bench_memory_map(sequence->id_count * sizeof(void *));
    }
    if (peer->reset == NULL) {
        bench_sequence_expand(sequence, &expanded);
        crew.sequence = &expanded;
    }
    if (peer->plan != NULL && !peer->plan(sequence)) {
        return refuse(result, "no room for the addresses");
    }
    pthread_barrier_init(&crew.barrier, NULL, threads);
    bench_memory_begin(&memory);
    if (!peer->start()) {
        return refuse(result, "it does not start");
    }
    crew.mapped = bench_memory_mapped();
    run_crew(&crew, workers, handles);
    sum_up(&crew, workers);
    return *result->refusal == '\0';
}
