/* workload: the timed loops.
 * Owns        the table of live blocks, from the C library, made before the clock starts.
 * Thread      the main thread.
 * Invariants  every peer runs the same operations. The clock counts this thread's CPU time: what
 *             other processes do to the machine shows less in it than in the time of day.
 * Failure     the process ends with a message: a measurement without memory is none.
 * Tests       tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/workload.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static void *block_table(size_t count)
{
    void **blocks = calloc(count + 1, sizeof *blocks);
    if (blocks == NULL) {
        fprintf(stderr, "tsrmalloc-bench: no memory for a table of %zu blocks\n", count);
        exit(1);
    }
    return blocks;
}

static void touch(void *block)
{
    *(volatile uint64_t *)block = 0;
}

/* ---- traces ---- */

static void free_all(const bench_peer *peer, void **blocks, size_t count)
{
    for (size_t id = 0; id < count; id++) {
        if (blocks[id] != NULL) {
            peer->free(blocks[id]);
            blocks[id] = NULL;
        }
    }
}

static void replay(const bench_peer *peer, const trace *trace, void **blocks)
{
    for (size_t index = 0; index < trace->op_count; index++) {
        const trace_op *op = &trace->ops[index];
        void **block = &blocks[op->id];
        switch ((trace_op_kind)op->kind) {
        case TRACE_ALLOC:
            *block = peer->alloc(op->size != 0 ? op->size : 1);
            touch(*block);
            break;
        case TRACE_REALLOC:
            *block = peer->realloc(*block, op->size != 0 ? op->size : 1);
            touch(*block);
            break;
        case TRACE_FREE:
            peer->free(*block);
            *block = NULL;
            break;
        case TRACE_END:
            if (peer->reset != NULL) {
                peer->reset();
                memset(blocks, 0, trace->id_count * sizeof *blocks);
            } else {
                free_all(peer, blocks, trace->id_count);
            }
            break;
        case TRACE_ALLOC_WIDE:
            *block = peer->alloc(trace->wide_sizes[op->size]);
            touch(*block);
            break;
        case TRACE_REALLOC_WIDE:
            *block = peer->realloc(*block, trace->wide_sizes[op->size]);
            touch(*block);
            break;
        }
    }
}

double bench_run_trace(const bench_peer *peer, const trace *trace, unsigned int repeat)
{
    void **blocks = block_table(trace->id_count);
    replay(peer, trace, blocks);
    double start = now();
    for (unsigned int round = 0; round < repeat; round++) {
        replay(peer, trace, blocks);
    }
    double duration = now() - start;
    free(blocks);
    return duration / ((double)trace->op_count * repeat);
}

/* ---- live blocks ---- */

static uint64_t random_state = 0x243F6A8885A308D3u;     /* the same sequence in every process */

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* The block is not written to: page faults and cache misses on the blocks are not the allocator's. */
static void *alloc_between(const bench_peer *peer, size_t low, size_t high)
{
    return peer->alloc(low + next_random() % (high - low + 1));
}

double bench_run_live(const bench_peer *peer, size_t low, size_t high, size_t live_size,
    size_t count)
{
    size_t live_count = live_size / ((low + high) / 2);
    void **blocks = block_table(live_count);
    for (size_t index = 0; index < live_count; index++) {
        blocks[index] = alloc_between(peer, low, high);
    }
    double duration = 0;
    for (int round = 0; round < 2; round++) {       /* the first one only ages the heap */
        double start = now();
        for (size_t operation = 0; operation < count; operation++) {
            size_t index = next_random() % live_count;
            peer->free(blocks[index]);
            blocks[index] = alloc_between(peer, low, high);
        }
        duration = now() - start;
    }
    free(blocks);
    return duration / (2 * (double)count);     /* a free and an allocation each */
}
