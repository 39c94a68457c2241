/* peer_limit: no allocator at all: every address is computed before the clock starts.
 *
 * Where there is a sequence, its addresses are. Where threads hand blocks to each other there is
 * none: each thread then goes round a ring of its own, which is never asked whether it is free.
 *
 * Owns        the addresses of a sequence; for each thread an arena, where they lie.
 * Thread      plan, plan_ring, start: the main thread, before the others; the rest: any.
 * Invariants  I1  live blocks never overlap: the writes of a replay go where an allocator's would
 *             I2  addresses are used in the order of the sequence's allocations and reallocations
 * Failure     false: no address space.
 * Tests       tests/bench/sequence.c, tests/bench/smoke.sh
 */
#include "config.h"

#include "bench/peer.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "bench/memory.h"

#define CLASS_MAX 256
#define NONE UINT32_MAX

/* A best case for caches: exact classes, last freed first, one bump pointer for all. */
typedef struct planner {
    uint32_t free_first[CLASS_MAX]; /* index into offsets: a dead block of the class */
    uint32_t *next;                 /* by block: next dead one of its class */
    size_t *offsets;                /* by block */
    uint32_t *blocks;               /* by id: its block */
    unsigned char *classes;         /* by id */
    uint32_t block_count;
    size_t top;
} planner;

static size_t *addresses;       /* const after limit_plan(): in an arena, in the order of use */
static size_t arena_size;       /* const after limit_plan() or limit_plan_ring() */

static __thread char *arena;
static __thread const size_t *next_address;
static __thread size_t ring_used;

/* Four classes a doubling above 64 bytes, eight bytes apart below: *size becomes the class's. */
static unsigned char class_of(size_t *size)
{
    if (*size <= 64) {
        *size = (*size + 7) & ~(size_t)7;
        return (unsigned char)(*size / 8);
    }
    unsigned int bits = 63 - (unsigned int)__builtin_clzll(*size - 1);
    size_t step = (size_t)1 << (bits - 2);
    *size = (*size + step - 1) & ~(step - 1);
    return (unsigned char)(9 + (bits - 6) * 4 + ((*size - 1) >> (bits - 2)) % 4);
}

static void plan_alloc(planner *planner, uint32_t id, size_t size)
{
    unsigned char class = class_of(&size);
    uint32_t block = planner->free_first[class];
    if (block != NONE) {
        planner->free_first[class] = planner->next[block];
    } else {
        block = planner->block_count++;
        planner->offsets[block] = planner->top;
        planner->top += size;
    }
    planner->blocks[id] = block;
    planner->classes[id] = class;
}

static void plan_free(planner *planner, uint32_t id)
{
    uint32_t block = planner->blocks[id];
    planner->next[block] = planner->free_first[planner->classes[id]];
    planner->free_first[planner->classes[id]] = block;
}

static void plan_realloc(planner *planner, uint32_t id, size_t size)
{
    size_t class_size = size;
    if (class_of(&class_size) != planner->classes[id]) {
        plan_free(planner, id);
        plan_alloc(planner, id, size);
    }
}

static void plan_reset(planner *planner)
{
    for (size_t class = 0; class < CLASS_MAX; class++) {
        planner->free_first[class] = NONE;
    }
    planner->block_count = 0;
    planner->top = 0;
}

/* One op of the sequence: *address is what it gets. false: it needs none. */
static bool plan_op(planner *planner, const bench_sequence *sequence, const trace_op *op,
    size_t *address)
{
    switch ((trace_op_kind)op->kind) {
    case TRACE_ALLOC: plan_alloc(planner, op->id, op->size); break;
    case TRACE_REALLOC: plan_realloc(planner, op->id, op->size); break;
    case TRACE_ALLOC_WIDE: plan_alloc(planner, op->id, sequence->wide_sizes[op->size]); break;
    case TRACE_REALLOC_WIDE: plan_realloc(planner, op->id, sequence->wide_sizes[op->size]); break;
    case TRACE_FREE: plan_free(planner, op->id); return false;
    case TRACE_END: plan_reset(planner); return false;
    }
    *address = planner->offsets[planner->blocks[op->id]];
    return true;
}

static bool limit_plan(const bench_sequence *sequence)
{
    planner planner;
    size_t count = sequence->op_count;
    planner.next = bench_memory_map(count * sizeof *planner.next);
    planner.offsets = bench_memory_map(count * sizeof *planner.offsets);
    planner.blocks = bench_memory_map(sequence->id_count * sizeof *planner.blocks);
    planner.classes = bench_memory_map(sequence->id_count);
    addresses = bench_memory_map(count * sizeof *addresses);
    plan_reset(&planner);
    size_t used = 0;
    for (size_t index = 0; index < count; index++) {
        used += plan_op(&planner, sequence, &sequence->ops[index], &addresses[used]);
        arena_size = planner.top > arena_size ? planner.top : arena_size;
    }
    munmap(planner.next, count * sizeof *planner.next);
    munmap(planner.offsets, count * sizeof *planner.offsets);
    munmap(planner.blocks, sequence->id_count * sizeof *planner.blocks);
    munmap(planner.classes, sequence->id_count);
    return true;
}

/* For the caller's thread. */
static bool limit_start(void)
{
    arena = mmap(NULL, arena_size + 1, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return arena != MAP_FAILED;
}

static void limit_thread_end(void)
{
    munmap(arena, arena_size + 1);
}

static void limit_rewind(void)
{
    next_address = addresses;
}

static void *limit_alloc(size_t size)
{
    (void)size;
    return arena + *next_address++;
}

/* A block that moved is not copied: where the contents come from is not the allocator's. */
static void *limit_realloc(void *block, size_t size, int allow_failure)
{
    (void)block;
    (void)allow_failure;
    return limit_alloc(size);
}

static void *ring_alloc(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    ring_used = ring_used + size <= arena_size ? ring_used : 0;
    void *block = arena + ring_used;
    ring_used += size;
    return block;
}

/* More bytes than a thread ever has live. */
static void limit_plan_ring(bench_peer *peer, size_t size)
{
    arena_size = size;
    peer->alloc = ring_alloc;
}

static void limit_free(void *block)
{
    (void)block;
}

static void limit_reset(void)
{
}

bool bench_peer_open_limit(bench_peer *peer)
{
    peer->alloc = limit_alloc;
    peer->realloc = limit_realloc;
    peer->free = limit_free;
    peer->reset = limit_reset;
    peer->plan = limit_plan;
    peer->rewind = limit_rewind;
    peer->plan_ring = limit_plan_ring;
    peer->start = limit_start;
    peer->thread_start = limit_start;
    peer->thread_end = limit_thread_end;
    snprintf(peer->version, sizeof peer->version, "every address computed beforehand");
    return true;
}
