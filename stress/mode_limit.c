/* mode_limit: requests that hit their memory limit again and again: by growing, by recursion, and
 * through the functions that give NULL; and all workers together hit the limit of the process.
 * Owns        the limit of each worker's heap, and that of the process.
 * Thread      the worker itself. Who meets the process's limit depends on what the others hold: of
 *             several workers a seed does not repeat that.
 * Invariants  I1  what was allocated before a refusal is intact after it
 * Failure     stress_fail().
 * Tests       tests/stress/tool.sh */
#include "config.h"

#include <stdlib.h>
#include <string.h>

#include "stress/stress.h"

/* The limit of the process is so low that it is met, too. */
enum { MOST_DEPTH = 120, MOST_LIMIT = 12 * 1024 * 1024, BUDGET = 4 * 1024 * 1024,
    BUDGET_OF_WORKER = 512 * 1024 };

typedef struct budget {
    atomic_uint worker_count;   /* relaxed: workers that have come, with their heaps */
    size_t least;               /* const: bytes that the process may hold when all have come */
    _Atomic size_t limit;       /* relaxed: what it may hold since then; SIZE_MAX before */
} budget;

typedef struct attempt {
    size_t limit;
    size_t asked_size;          /* of the call that may be refused */
    size_t depth;               /* of the recursion */
} attempt;

static _Thread_local attempt tried;

static bool begin(stress_run *run)
{
    budget *all = malloc(sizeof *all);
    if (all == NULL) {
        return false;
    }
    atomic_init(&all->worker_count, 0);
    atomic_init(&all->limit, SIZE_MAX);
    all->least = zend_mm_process_usage() + BUDGET
        + run->thread_count * (run->fresh_size + BUDGET_OF_WORKER);
    run->state = all;
    return true;
}

static void end(stress_run *run)
{
    if (!zend_mm_set_process_limit(SIZE_MAX)) {
        stress_fail(&run->workers[0], "the process's limit cannot be lifted");
    }
    free(run->state);
}

static bool enter(stress_worker *worker)
{
    budget *all = worker->run->state;
    worker->profile.huge_share = 200;
    atomic_fetch_add_explicit(&all->worker_count, 1, memory_order_relaxed);
    return true;
}

static size_t process_limit(const stress_worker *worker)
{
    budget *all = worker->run->state;
    return atomic_load_explicit(&all->limit, memory_order_relaxed);
}

/* Worker 0 sets it when all have their heaps: as low as what they hold just then allows. */
static void set_process_limit(stress_worker *worker)
{
    budget *all = worker->run->state;
    bool have_come = atomic_load_explicit(&all->worker_count, memory_order_relaxed)
        == worker->run->thread_count;
    if (worker->index == 0 && have_come && process_limit(worker) == SIZE_MAX) {
        size_t limit = all->least;
        while (!zend_mm_set_process_limit(limit)) {
            limit += BUDGET;
        }
        atomic_store_explicit(&all->limit, limit, memory_order_relaxed);
    }
}

static void set_limit(stress_worker *worker)
{
    size_t most = worker->run->options->memory_limit;
    size_t span = most < MOST_LIMIT ? most : MOST_LIMIT;
    size_t limit = worker->fresh_size + stress_below(&worker->random, span);
    limit = limit < most ? limit : most;
    stress_expect(worker, zend_set_memory_limit(limit), "a limit above the real size was refused");
    stress_expect(worker, !zend_set_memory_limit(worker->fresh_size - 1),
        "a limit below the real size was accepted");
    tried.limit = limit;
}

/* In a debug build the place of the call lies between the two. */
static bool is_message(const char *message, const char *head, const char *tail)
{
    size_t length = strlen(message), head_length = strlen(head), tail_length = strlen(tail);
    return length >= head_length + tail_length && strncmp(message, head, head_length) == 0
        && strcmp(message + length - tail_length, tail) == 0
        && (ZEND_DEBUG || length == head_length + tail_length);
}

/* The message has the limit and the size; and there really was no room. (What was free for the
 * process nobody knows, when others take and give.) */
static void check_refusal(stress_worker *worker)
{
    char head[100], tail[100];
    bool is_process = worker->error.kind == ZEND_MM_ERROR_PROCESS_LIMIT;
    size_t limit = is_process ? process_limit(worker) : tried.limit;
    size_t used = is_process ? zend_mm_process_usage() : stress_usage(1);
    size_t segment = ZEND_MM_SEGMENT_SIZE;
    size_t needed = (tried.asked_size + segment - 1) / segment * segment + 2 * worker->fresh_size;
    snprintf(head, sizeof head, "Allowed %smemory size of %zu bytes exhausted",
        is_process ? "process " : "", limit);
    snprintf(tail, sizeof tail, " (tried to allocate %zu bytes)", tried.asked_size);
    stress_expect(worker, worker->error.count == 1, "a bailout came without its one error");
    stress_expect(worker, is_process || worker->error.kind == ZEND_MM_ERROR_LIMIT,
        "the error is of another kind");
    /* The limit is in force before it is written down. */
    if (limit != SIZE_MAX && !is_message(worker->error.message, head, tail)) {
        stress_fail(worker, "the error is '%s' and not '%s%s'", worker->error.message, head, tail);
    }
    bool is_known = !is_process || worker->run->thread_count == 1;
    stress_expect(worker, !is_known || used + needed > limit, "refused, but there was room");
}

static void allocate(stress_worker *worker)
{
    tried.asked_size = stress_random_size(worker);
    void *block = emalloc(tried.asked_size);
    stress_blocks_add(worker, block, tried.asked_size);
}

static void fill(stress_worker *worker)
{
    while (worker->blocks.count < worker->profile.count_max && !stress_stops(worker)) {
        allocate(worker);
    }
}

/* Each level holds a block; the deepest bails out, unless the limit did before. Now and then all
 * levels return. */
static void recurse(stress_worker *worker)
{
    volatile unsigned char frame[256];
    frame[0] = (unsigned char)tried.depth;
    allocate(worker);
    if (tried.depth == 0 || worker->blocks.count >= worker->profile.count_max) {
        zend_bailout();
    }
    tried.depth--;
    if (stress_once_in(&worker->random, 300)) {
        return;
    }
    recurse(worker);
    frame[255] = frame[0];
}

static void grow_one(stress_worker *worker)
{
    allocate(worker);
    for (;;) {
        size_t index = worker->blocks.count - 1;
        stress_block *block = &worker->blocks.list[index];
        tried.asked_size = block->asked_size * 2 + 64;
        void *moved = erealloc(block->address, tried.asked_size);
        stress_expect(worker, stress_block_matches(block, moved, block->asked_size),
            "a growing block lost its contents");
        stress_blocks_replace(worker, index, moved, tried.asked_size);
    }
}

/* The functions that give NULL: the heap is as before. */
static void be_refused_quietly(stress_worker *worker)
{
    size_t size = tried.limit < SIZE_MAX / 2 ? tried.limit + 1 : SIZE_MAX / 2;
    stress_expect(worker, zend_mm_try_alloc(zend_mm_get_heap(), size) == NULL,
        "a block larger than the limit was allocated");
    if (worker->blocks.count > 0) {
        const stress_block *block = &worker->blocks.list[0];
        stress_expect(worker, erealloc_recoverable(block->address, size) == NULL,
            "a block grew above the limit");
    }
    worker->counters.refusal_count += 2;
    stress_expect(worker, worker->error.count == 0, "a recoverable call reported an error");
}

static void operate(stress_worker *worker)
{
    static void (*const ways[])(stress_worker *) = { fill, recurse, grow_one };
    size_t way = stress_below(&worker->random, 3);
    if (!worker->run->exact) {      /* calls are passed on: there is no limit to hit */
        stress_mix_steps(worker, 50);
        return;
    }
    if (stress_usage(1) != worker->fresh_size) {    /* an operation was left by a bailout */
        stress_end_request(worker);
    }
    set_process_limit(worker);
    set_limit(worker);
    tried.depth = stress_below(&worker->random, MOST_DEPTH);
    stress_mix_steps(worker, stress_below(&worker->random, 50));
    if (stress_protected(worker, ways[way])) {
        worker->counters.refusal_count++;
        if (worker->error.count != 0 || ways[way] != recurse) {
            check_refusal(worker);
        }
    }
    worker->error.count = 0;
    stress_check_everything(worker);
    stress_check_accounting(worker, 0);
    be_refused_quietly(worker);
    if (worker->blocks.count > 0) {
        stress_mix_free(worker, worker->blocks.count - 1);
    }
    stress_check_accounting(worker, 0);
    stress_end_request(worker);
}

static void leave(stress_worker *worker)
{
    if (worker->run->exact) {
        stress_expect(worker, zend_set_memory_limit(SIZE_MAX), "the limit cannot be lifted");
    }
}

const stress_mode stress_mode_limit = {
    .name = "limit",
    .summary = "limits of heaps and of the process are hit all the time, also from deep recursion",
    .may_fail = true,
    .begin = begin,
    .end = end,
    .enter = enter,
    .leave = leave,
    .operate = operate,
};
